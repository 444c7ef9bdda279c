"""SQL Server on the conformance kit: Microsoft's driver against the TDS server of the tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mssql_python import exceptions
from tests.servers.tds import PASSWORD, TdsServer, tds_server

from crossdock.contract import TableContract
from crossdock_connectors.sql.mssql import SPEC

_KINDS = (exceptions.DataError, exceptions.IntegrityError, exceptions.InternalError,
          exceptions.OperationalError, exceptions.ProgrammingError, exceptions.NotSupportedError,
          exceptions.InterfaceError)  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    with tds_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        monkeypatch.setenv("MSSQL_PASSWORD", PASSWORD)
        yield server


class TestMssql(TableContract):
    spec = SPEC
    options: ClassVar[dict[str, Any]] = {"datetimeoffset": "utc"}
    ordered = False
    permanent = 1  # the ledger
    exempt: ClassVar = {"test_types[float_minus_zero]": "the SQLite behind the server keeps -0.0 as 0.0"}
    driver_errors = tuple(kind("it failed", "[Microsoft][SQL Server]so it is") for kind in _KINDS)

    @pytest.fixture
    def url(self, server: TdsServer) -> str:
        self.server = server
        return server.url()

    def inventory(self, url: str) -> Collection[str]:
        return self.server.database.tables()

    def refuse_doubles(self, url: str, name: str) -> bool:
        """Keys need a real server: ``test_mssql_skip.py``."""
        return False
