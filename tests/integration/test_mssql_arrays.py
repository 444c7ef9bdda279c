"""Rows as arrays of parameters, where SQL Server refuses a bulk copy: each value as it was, each row once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers.bridge import microsoft
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock_connectors.sql import mssql_arrays

ARRAYS = "rows went as arrays of parameters (fast_executemany)"
EVERY = pa.table({
    "b": pa.array([None, True, False]), "u8": pa.array([None, 0, 255], pa.uint8()),
    "i16": pa.array([None, -(2**15), 2**15 - 1], pa.int16()), "i64": pa.array([-(2**63), None, 2**63 - 1]),
    "f32": pa.array([None, 1.5, -3.402823e38], pa.float32()),
    "f64": pa.array([0.1, None, 1.7976931348623157e308]),
    "d": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "at": pa.array([dt.datetime(1, 1, 1), None, dt.datetime(9999, 12, 31, 23, 59, 59, 999999)]),
    "fine": pa.array([None, 0, 1_577_934_245_123_456_700], pa.timestamp("ns")),
    "zoned": pa.array([None, 0, 1_577_934_245_123_456_700], pa.timestamp("ns", "Europe/Berlin")),
    "clock": pa.array([0, None, 86_399_999_999_900], pa.time64("ns")),
    "dec": pa.array([Decimal("-" + "9" * 34 + ".9999"), None, Decimal("0.0001")], pa.decimal128(38, 4)),
    "big": pa.array([None, 0, 2**64 - 1], pa.uint64()),
    "t": pa.array(["", "it's ä𝄞 %s ? {x}", None]), "long": pa.array([None, "ł" * 5000, "x"]),
    "bin": pa.array([b"", b"\x00\xff", None]), "blob": pa.array([None, b"\x01" * 9000, b""]),
})  # fmt: skip


@pytest.fixture
def copy(sql_server: SqlServer, tmp_path: Path) -> Callable[..., Any]:
    microsoft()  # skips the test where the driver does not run here

    def copied(rows: pa.Table, table: str = "t", mode: str = "append", **options: Any) -> Any:
        pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=options.pop("group", 1000))
        verify, parallel = options.pop("verify", False), options.pop("parallel_copies", 1)
        return crossdock.copy(
            tmp_path / "rows.parquet", sql_server.url(table), mode=mode, verify=verify,
            parallel_copies=parallel,
            sink_options={**sql_server.options, **options},
        )  # fmt: skip

    return copied


def back(server: SqlServer, file: Path) -> pa.Table:
    crossdock.copy(server.url("t"), file, source_options={**server.options, "datetimeoffset": "utc"})
    return pq.read_table(file)


def test_every_value(sql_server: SqlServer, copy: Callable[..., Any], tmp_path: Path) -> None:
    report = copy(EVERY, mode="error", verify=True, bulk_copy="never")
    assert report.verified
    assert any(ARRAYS in note for note in report.notes)
    copy(EVERY, "bulk", mode="error")
    found = back(sql_server, tmp_path / "back.parquet")
    for name in EVERY.column_names:
        wanted = EVERY[name].cast(found[name].type)
        assert sorted(found[name].to_pylist(), key=str) == sorted(wanted.to_pylist(), key=str), name
    sql_server.run("DROP TABLE {s}.bulk")


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_where_a_bulk_copy_is_refused_rows_go_the_other_way(
    sql_server: SqlServer, copy: Callable[..., Any], delivery: str
) -> None:
    """Also those of batches that the bulk copy had taken already."""
    if sql_server.fake is None:
        pytest.skip("needs a server that refuses when the test wishes")
    sql_server.run(
        "CREATE TABLE {s}.t (id int NOT NULL, v nvarchar(20))", "INSERT INTO {s}.t (id) VALUES (-1)"
    )
    sql_server.fake.database.deny("BULK")
    rows = pa.table({"id": pa.array(range(2500), pa.int32()), "v": [f"v{n}" for n in range(2500)]})
    report = copy(rows, group=500, delivery=delivery)
    assert report.rows_copied == 2500
    assert [note for note in report.notes if ARRAYS in note and "refuses" in note]
    found = sql_server.run("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS m, SUM(id) AS s FROM {s}.t")
    assert [tuple(map(int, row)) for row in found] == [(2501, 2501, sum(range(2500)) - 1)]
    with pytest.raises(crossdock.AccessDeniedError, match="does not allow that"):
        copy(rows, delivery=delivery, bulk_copy="always")
    assert sql_server.run("SELECT COUNT(*) AS n FROM {s}.t") == [(2501,)]


def test_a_failure_half_way_leaves_each_row_once(
    sql_server: SqlServer, copy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Round trips are not one transaction: what an attempt left behind is in a staging table of its own."""
    sql_server.run("CREATE TABLE {s}.t (id int NOT NULL)")
    bound, calls = mssql_arrays._bound, []

    def broken(column: pa.Array) -> Any:
        calls.append(len(column))
        if len(calls) == 2:
            raise crossdock.TransientError("the line is down")
        return bound(column)

    monkeypatch.setattr(mssql_arrays, "_bound", broken)
    report = copy(pa.table({"id": pa.array(range(2500), pa.int32())}), bulk_copy="never")
    assert (report.retries, calls) == (1, [1000, 1000, 1000, 1000, 500])
    assert sql_server.run("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS m FROM {s}.t") == [(2500, 2500)]


def test_what_only_a_bulk_copy_does_is_refused(sql_server: SqlServer, copy: Callable[..., Any]) -> None:
    sql_server.run("CREATE TABLE {s}.t (id int DEFAULT 7)")
    rows = pa.table({"id": pa.array([None], pa.int32())})
    with pytest.raises(crossdock.NotSupportedError, match="need a bulk copy"):
        copy(rows, bulk_copy="never", delivery="at-least-once", keep_nulls="false")
    assert sql_server.run("SELECT id FROM {s}.t") == []
