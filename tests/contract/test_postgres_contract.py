"""PostgreSQL tables on the conformance kit, against a real server."""

from __future__ import annotations

from collections.abc import Collection
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
from adbc_driver_postgresql import dbapi

from crossdock.contract import TableContract
from crossdock_connectors.sql.postgres import SPEC

_KINDS = (DataError, IntegrityError, InternalError, OperationalError, ProgrammingError)


class TestPostgres(TableContract):
    spec = SPEC
    ordered = False
    exempt: ClassVar = {
        "test_plan_is_repeatable": "a split names its snapshot, which is another in each process",
    }
    driver_errors = (
        *(kind("[libpq] it failed", status_code=AdbcStatusCode.IO, sqlstate="XX000") for kind in _KINDS),
        NotSupportedError("[libpq] not implemented"),
    )

    @pytest.fixture
    def url(self, database: str) -> str:
        return database

    def inventory(self, url: str) -> Collection[str]:
        """All tables, indexes and so on of the database that are not PostgreSQL's own."""
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1"
            )
            return [name for (name,) in cursor.fetchall()]
