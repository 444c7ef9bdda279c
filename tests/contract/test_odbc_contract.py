"""The ODBC connector on the conformance kit: PostgreSQL through psqlODBC."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import pytest
from adbc_driver_postgresql import dbapi
from tests.servers.psqlodbc import MISSING, odbc_url

from crossdock.contract import TableContract
from crossdock_connectors.sql.odbc import SPEC

pyodbc = pytest.importorskip("pyodbc", reason=MISSING, exc_type=ImportError)
_KINDS = (pyodbc.DataError, pyodbc.IntegrityError, pyodbc.InternalError, pyodbc.NotSupportedError,
          pyodbc.OperationalError, pyodbc.ProgrammingError, pyodbc.Error)  # fmt: skip


class TestOdbc(TableContract):
    spec = SPEC
    options: ClassVar[dict[str, Any]] = {"max_text_size": 100_000}
    ordered = False
    driver_errors = tuple(kind("HYT00", "[HYT00] time-out (0) (SQLExecDirectW)") for kind in _KINDS)

    @pytest.fixture
    def url(self, database: str) -> str:
        self.database = database
        return odbc_url(database)

    def inventory(self, url: str) -> Collection[str]:
        """All tables, indexes and so on of the database that are not PostgreSQL's own."""
        with dbapi.connect(self.database, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1"
            )
            return [name for (name,) in cursor.fetchall()]
