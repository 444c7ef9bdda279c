"""SQL Server end to end: Microsoft's driver and its bulk copy against the TDS server of the tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.servers.tds import PASSWORD, TOKEN, TdsServer, tds_server

from crossdock import (
    AuthError,
    CancelledError,
    ConfigError,
    CrossdockError,
    DataError,
    Location,
    NoSpaceError,
    NotFoundError,
    PlanHint,
    ThrottledError,
    TransientError,
    Unit,
)
from crossdock_connectors.sql.mssql import SPEC
from crossdock_connectors.sql.mssql_config import MssqlConfig
from crossdock_connectors.sql.mssql_connection import Connection, Server
from crossdock_connectors.sql.mssql_source import MssqlSource


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    with tds_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        monkeypatch.setenv("MSSQL_PASSWORD", PASSWORD)
        yield server


def connect(server: TdsServer, **options: Any) -> Connection:
    return Server.of(MssqlConfig(**options), Location.parse(server.url())).connect()


def source(server: TdsServer, table: str = "", **options: Any) -> MssqlSource:
    assert SPEC.open_source is not None
    return SPEC.open_source(MssqlConfig(**options), Location.parse(server.url(table)))  # type: ignore[return-value]


@pytest.fixture
def keyed(server: TdsServer) -> TdsServer:
    with connect(server) as connection:
        connection.run("CREATE TABLE dbo.keyed (k int, v nvarchar(20))")
        values = ", ".join(f"({k}, N'v{k}')" for k in range(1, 101))
        connection.run(f"INSERT INTO dbo.keyed (k, v) VALUES {values}, (NULL, N'none')")
    return server


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1205, TransientError), (1222, TransientError), (3960, TransientError), (9002, NoSpaceError),
     (1105, NoSpaceError), (2627, DataError), (2628, DataError), (40613, TransientError),
     (40501, ThrottledError), (49919, ThrottledError), (208, NotFoundError)],
)  # fmt: skip
def test_errors_by_their_numbers(server: TdsServer, number: int, kind: type[CrossdockError]) -> None:
    """The driver's exceptions have no number: it is asked for."""
    server.database.fail("AS probe", number)
    with connect(server) as connection:
        with pytest.raises(kind) as caught:
            connection.run("SELECT 1 AS probe")
        assert type(caught.value) is kind
        if number > 40000:
            assert isinstance(caught.value, TransientError)
            assert caught.value.first_wait >= 5
        assert connection.run("SELECT 1 AS probe") == [(1,)]


def test_who_may_log_in(server: TdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect(server, encrypt="strict").value("SELECT 1 AS n") == 1
    assert connect(server, access_token=TOKEN).value("SELECT 1 AS n") == 1
    with pytest.raises(AuthError) as caught:
        connect(server, password="wrong-secret")  # noqa: S106
    assert "wrong-secret" not in f"{caught.value} {caught.value.detail}"
    monkeypatch.delenv("MSSQL_PASSWORD")
    with pytest.raises(AuthError, match="MSSQL_PASSWORD"):
        connect(server)


def test_whose_certificate_is_trusted(server: TdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Location.parse(server.url().replace("localhost", "127.0.0.1"))
    with pytest.raises(AuthError, match="another host"):
        Server.of(MssqlConfig(), elsewhere).connect()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(AuthError, match="SSL_CERT_FILE"):
        connect(server)
    assert connect(server, trust_server_certificate=True).value("SELECT 1 AS n") == 1


@pytest.mark.parametrize(
    "url",
    ["mssql://u:p@host/db?driver=/tmp/evil.so", "mssql://u:p@ho;st/db", "mssql://u:p@/db", "mssql://u:p@host:99999/db",
     "mssql://u:p@host/a/b"],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Server.of(MssqlConfig(), Location.parse(url))
    assert ":p@" not in str(caught.value)


def test_missing_table_names_a_close_one(keyed: TdsServer) -> None:
    with (
        closing(source(keyed, "keyd")) as opened,
        pytest.raises(NotFoundError, match=r"did you mean dbo\.keyed"),
    ):
        opened.schema(Unit("keyd"))


def test_copy_to_parquet_and_back(keyed: TdsServer, tmp_path: Path) -> None:
    from crossdock.api import copy

    out = tmp_path / "out.parquet"
    report = copy(keyed.url("keyed"), str(out), source_options={"trust_server_certificate": "true"})
    assert any("was not verified" in note for note in report.notes)
    assert sorted(pq.read_table(out)["v"].to_pylist()) == sorted([*(f"v{k}" for k in range(1, 101)), "none"])
    copy(str(out), keyed.url("again"))
    assert sorted(keyed.database.rows("dbo.again"), key=str) == sorted(
        keyed.database.rows("dbo.keyed"), key=str
    )
    assert keyed.database.tables() == ["dbo._crossdock_ledger", "dbo.again", "dbo.keyed"]


def test_a_read_ends_when_it_is_told_to(keyed: TdsServer) -> None:
    """What was cut short is no success, and nothing new begins."""
    with closing(source(keyed, "keyed")) as opened:
        unit = next(iter(opened.units())).units[0]
        (split,) = opened.plan(unit, PlanHint())

        def leave() -> None:
            with opened.read(split) as items:
                next(items)
                opened.cancel()
                list(items)

        with pytest.raises(CancelledError):
            leave()
        with pytest.raises(CancelledError):
            opened.schema(unit)


def test_a_statement_that_waits_is_cancelled(server: TdsServer) -> None:
    with connect(server) as connection:
        began = time.monotonic()
        threading.Timer(1, connection.cancel).start()
        with suppress(CrossdockError):
            connection.run("WAITFOR DELAY '0:0:20'")
        assert time.monotonic() - began < 10
