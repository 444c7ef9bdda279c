"""SQL Server with a driver that the user names: statements go through it, rows through mssql-python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers.bridge import freetds, microsoft
from tests.servers.tds import PASSWORD, TdsServer, tds_server

import crossdock
from crossdock.spi import Location
from crossdock_connectors.sql import mssql_connection
from crossdock_connectors.sql.mssql import SPEC
from crossdock_connectors.sql.mssql_connection import Server

CANARY = {"password": "Canary};UID=x"}
TABLE = pa.table({"id": pa.array(range(100), pa.int64()), "word": [f"żółć {i}" for i in range(100)]})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    with tds_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        monkeypatch.setenv("MSSQL_PASSWORD", PASSWORD)
        yield server


def opened(server: TdsServer, driver: str, **options: Any) -> Server:
    config = SPEC.config.model_validate({"driver": driver, **options})
    return Server.of(config, Location.parse(server.url("dbo.t")))  # type: ignore[arg-type]


def test_statements_go_through_the_driver_and_rows_do_not(
    server: TdsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = microsoft()
    monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", driver)
    by_rows: list[str] = []
    run = mssql_connection.Connection.run

    def seen(connection: mssql_connection.Connection, sql: str) -> list[tuple[Any, ...]]:
        if type(connection) is mssql_connection.Connection:
            by_rows.append(sql)
        return run(connection, sql)

    monkeypatch.setattr(mssql_connection.Connection, "run", seen)
    pq.write_table(TABLE, tmp_path / "in.parquet")
    url, options = server.url("dbo.t"), {"driver": driver}
    done = crossdock.copy(str(tmp_path / "in.parquet"), url, sink_options=options)
    assert done.rows_copied == 100
    assert any("statements went through the driver" in note for note in done.notes)
    level = options | {"isolation_level": "Serializable"}
    crossdock.copy(url, str(tmp_path / "out.parquet"), source_options=level)
    found = pq.read_table(tmp_path / "out.parquet").sort_by("id")
    assert found.to_pylist() == TABLE.to_pylist()
    assert set(by_rows) == {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"}


def test_errors_have_their_meaning(server: TdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = microsoft()
    with pytest.raises(crossdock.ConfigError, match="CROSSDOCK_ODBC_DRIVERS"):
        opened(server, driver)
    with pytest.raises(crossdock.NotFoundError, match="no ODBC driver 'none'"):
        opened(server, "none")
    monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", driver)
    with opened(server, driver).connect() as connection, pytest.raises(crossdock.NotFoundError):
        connection.run("SELECT * FROM dbo.nowhere")
    with pytest.raises(crossdock.AuthError) as caught:
        opened(server, driver, **CANARY).connect()
    assert "Canary" not in str(caught.value) + caught.value.detail


def test_freetds_is_taken_with_its_weakness_only(server: TdsServer) -> None:
    driver = freetds()
    with pytest.raises(crossdock.ConfigError, match="does not verify the server's certificate"):
        opened(server, driver)
    with pytest.raises(crossdock.ConfigError, match="may misread") as caught:
        opened(server, driver, trust_server_certificate=True, **CANARY)
    assert "Canary" not in str(caught.value)
    with opened(server, driver, trust_server_certificate=True, password=PASSWORD).connect() as connection:
        assert connection.value("SELECT 40 + 2 AS n") == 42


def test_a_wrong_database_is_not_tried_again(server: TdsServer) -> None:
    """Azure says the same of a database that moves: that it is there is known once it has answered."""
    config = SPEC.config.model_validate({"driver": freetds(), "trust_server_certificate": True})
    address = Location.parse(server.url().replace("/test", "/none"))
    with pytest.raises(crossdock.NotFoundError, match="lacks the database"):
        Server.of(config, address).connect()  # type: ignore[arg-type]
