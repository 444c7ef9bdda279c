"""SQL Server end to end: Microsoft's driver and its bulk copy against the TDS server of the tests."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
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
    SchemaMismatchError,
    ThrottledError,
    TransientError,
    Unit,
)
from crossdock_connectors.sql.mssql import SPEC, MssqlConfig
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


def read(opened: MssqlSource, hint: PlanHint | None = None) -> list[pa.Table]:
    """One table per split."""
    with closing(opened):
        unit = next(iter(opened.units())).units[0]
        schema, found = opened.schema(unit), []
        for split in opened.plan(unit, hint or PlanHint()):
            with opened.read(split) as items:
                found.append(pa.Table.from_batches(items, schema))
        return found


@pytest.fixture
def keyed(server: TdsServer) -> TdsServer:
    with connect(server) as connection:
        connection.run("CREATE TABLE dbo.keyed (k int, v nvarchar(20))")
        values = ", ".join(f"({k}, N'v{k}')" for k in range(1, 101))
        connection.run(f"INSERT INTO dbo.keyed (k, v) VALUES {values}, (NULL, N'none')")
    return server


def test_bounds_as_data_factory_sets_them(keyed: TdsServer) -> None:
    """The worked example of its documentation, with a row that has no key."""
    options = {"partition_option": "DynamicRange", "partition_column": "k"}
    bounds = {"partition_lower_bound": "20", "partition_upper_bound": "80"}
    parts = read(source(keyed, "keyed", **options, **bounds), PlanHint(parallel=4, max_splits=4))
    keys = [sorted(k for k in part["k"].to_pylist() if k is not None) for part in parts]
    assert [(each[0], each[-1]) for each in keys] == [(1, 20), (21, 50), (51, 80), (81, 100)]
    assert [part["v"].to_pylist().count("none") for part in parts] == [1, 0, 0, 0]


def test_measured_bounds_hold_every_row_once(keyed: TdsServer) -> None:
    options = {"partition_option": "DynamicRange", "partition_column": "k"}
    parts = read(source(keyed, "keyed", **options), PlanHint(parallel=4, max_splits=5))
    assert len(parts) == 5
    found = pa.concat_tables(parts)["v"].to_pylist()
    assert sorted(found) == sorted([*(f"v{k}" for k in range(1, 101)), "none"])


def test_query_in_parts(keyed: TdsServer) -> None:
    query = "SELECT k, v FROM dbo.keyed WHERE ?AdfDynamicRangePartitionCondition AND v <> N'v7'"
    parts = read(source(keyed, query=query, partition_column="k"), PlanHint(parallel=3))
    assert len(parts) == 3
    assert pa.concat_tables(parts).num_rows == 100


def test_procedure_with_parameters(keyed: TdsServer) -> None:
    with connect(keyed) as connection:
        connection.run(
            "CREATE PROCEDURE dbo.some @name nvarchar(20), @k int AS "
            "SELECT k, v FROM dbo.keyed WHERE v = @name OR k = @k"
        )
    found = read(source(keyed, procedure="dbo.some", parameters={"name": "v5", "k": 9}))
    assert sorted(found[0]["k"].to_pylist()) == [5, 9]


def test_all_digits_of_a_moment(server: TdsServer) -> None:
    with connect(server) as connection:
        connection.run("CREATE TABLE dbo.t (id int, at datetime2(7))")
        connection.run(
            "INSERT INTO dbo.t (id, at) VALUES (1, CAST('2020-01-02T03:04:05.1234567' AS datetime2(7)))"
        )
    found = read(source(server, "t"))[0]["at"]
    assert found.type == pa.timestamp("ns")
    assert found.cast(pa.int64()).to_pylist() == [1_577_934_245_123_456_700]
    with connect(server) as connection:
        connection.run("INSERT INTO dbo.t (id, at) VALUES (2, CAST('0001-01-01T00:00:00' AS datetime2(7)))")
    with pytest.raises(DataError, match="datetime2=us"):
        read(source(server, "t"))
    cut = read(source(server, "t", datetime2="us"))[0]["at"].to_pylist()
    assert cut == [dt.datetime(2020, 1, 2, 3, 4, 5, 123456), dt.datetime(1, 1, 1)]


def test_offsets_are_refused_unless_asked_for(server: TdsServer) -> None:
    with connect(server) as connection:
        connection.run("CREATE TABLE dbo.t (at datetimeoffset(7))")
        connection.run(
            "INSERT INTO dbo.t (at) VALUES (CAST('2020-01-02T03:04:05.1234567+02:00' AS datetimeoffset(7)))"
        )
    with pytest.raises(SchemaMismatchError, match="datetimeoffset=utc"):
        read(source(server, "t"))
    assert read(source(server, "t", datetimeoffset="text"))[0]["at"].to_pylist() == [
        "2020-01-02 03:04:05.1234567 +02:00"
    ]


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
