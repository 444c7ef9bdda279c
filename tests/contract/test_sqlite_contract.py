"""SQLite tables on the conformance kit."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest
from adbc_driver_manager import (
    AdbcStatusCode,
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from crossdock.contract import TableContract
from crossdock_connectors.tables.sqlite import SPEC

_KINDS = (DataError, IntegrityError, InternalError, OperationalError, ProgrammingError)


class TestSqlite(TableContract):
    spec = SPEC
    permanent = 1  # the database file
    exempt: ClassVar = {"test_types[float_minus_zero]": "SQLite keeps -0.0 as 0.0"}
    driver_errors = (
        *(kind("[SQLite] it failed", status_code=AdbcStatusCode.IO) for kind in _KINDS),
        NotSupportedError("[SQLite] not implemented"),
    )

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'tables.db'}"

    def inventory(self, url: str) -> Collection[str]:
        """All tables and indexes of the database and the files beside it."""
        path = Path(url.removeprefix("sqlite:///"))
        files = sorted(each.name for each in path.parent.iterdir())
        if not path.exists():
            return files
        with closing(sqlite3.connect(path)) as database:
            return [*files, *sorted(name for (name,) in database.execute("SELECT name FROM sqlite_master"))]

    def damage(self, url: str, name: str) -> bool:
        path = Path(url.removeprefix("sqlite:///"))
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        return True
