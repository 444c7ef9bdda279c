"""SQLite as a sink: names, types, and what append refuses."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlite_samples import (
    APPEND,
    ERROR,
    OVERWRITE,
    copy,
    names,
    numbers,
    read,
    sink,
    source,
    sql,
    stage,
)

from crossdock import (
    AccessDeniedError,
    ConfigError,
    DataError,
    NotFoundError,
    PlanHint,
    SchemaMismatchError,
    Target,
    Unit,
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a b#c?.db"


@pytest.mark.parametrize(
    ("unit", "table"),
    [
        ("a/b.csv", "b"),
        ("2024/Flights.CSV.gz", "Flights"),
        ("x.parquet", "x"),
        ("a.b.jsonl", "a.b"),
        ("a.b", "a.b"),
        ("a/b", "a/b"),
        ("plain", "plain"),
    ],
)
def test_a_files_name_becomes_the_tables(db: Path, unit: str, table: str) -> None:
    copy(db, numbers(0, 3), name=unit)
    assert names(db) == [table]


def test_two_files_cannot_become_one_table_by_chance(db: Path) -> None:
    into, named = sink(db), sink(db, "all")
    assert into.target_name(Unit("x/b.csv")) == into.target_name(Unit("y/B.csv")) == "b"
    assert not into.one_target
    assert named.one_target
    assert named.target_name(Unit("x/b.csv")) is None


@pytest.mark.parametrize("name", ["", "sqlite_x", "_crossdock_x", "a\0b", "x/.csv"])
def test_names_that_no_table_can_have(db: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        sink(db).check(Unit(name), Target(ERROR, numbers(0, 1).schema))


@pytest.mark.parametrize(
    "columns", [["a", "A"], ["a", "a"], ["rowid", "_ROWID_", "oid"], ["a\0b"], [], ["c"] * 2001]
)
def test_columns_that_no_table_can_have(db: Path, columns: list[str]) -> None:
    schema = pa.schema([pa.field(name, pa.int64()) for name in columns])
    with pytest.raises(SchemaMismatchError):
        sink(db).check(Unit("t"), Target(ERROR, schema))


def test_many_columns(db: Path) -> None:
    table = pa.table({f"c{i}": [i] for i in range(2000)})
    copy(db, table)
    assert read(source(db)).equals(table)


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    target = Target(ERROR, numbers(0, 1).schema)
    with pytest.raises(NotFoundError, match=r"the folder .*/none for the database x\.db does not exist"):
        sink(tmp_path / "none" / "x.db").check(Unit("t"), target)
    with pytest.raises(SchemaMismatchError, match="rows, not bytes"):
        sink(tmp_path / "x.db").check(Unit("t"), Target(ERROR, None))
    sql(tmp_path / "x.db", "CREATE VIEW v AS SELECT 1")
    with pytest.raises(ConfigError, match="is a view"):
        sink(tmp_path / "x.db").check(Unit("v"), Target(APPEND, numbers(0, 1).schema))


@pytest.mark.skipif(os.getuid() == 0, reason="root may do anything")
def test_permissions(db: Path) -> None:
    sql(db, "CREATE TABLE t (a INT)")
    db.chmod(0o400)
    with pytest.raises(AccessDeniedError):
        sink(db).check(Unit("t"), Target(APPEND, numbers(0, 1).schema))


def back(db: Path, values: pa.Array, **options: Any) -> pa.ChunkedArray:
    copy(db, pa.table({"v": values}), **options)
    return read(source(db))["v"]


_TS, _UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
ROUND_TRIPS: list[tuple[pa.Array, pa.DataType]] = [
    (pa.array([1, None, 2**63 - 1], pa.uint64()), pa.int64()),
    (pa.array([True, None, False]), pa.bool_()),
    (pa.array([None, None], pa.bool_()), pa.bool_()),
    (pa.array([1.5, None], pa.float32()), pa.float64()),
    (pa.array(["a", None, "b", "a"]).dictionary_encode(), pa.string()),
    (pa.array([1, 2, 1]).dictionary_encode(), pa.int64()),
    (pa.array(["x", "\0", ""], pa.large_string()), pa.string()),
    (pa.array(["x"], pa.string_view()), pa.string()),
    (pa.array([b"\0\xff", None], pa.large_binary()), pa.binary()),
    (pa.array([b"abcd"], pa.binary(4)), pa.binary()),
    (pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]), pa.date32()),
    (pa.array([dt.date(2024, 2, 29)], pa.date64()), pa.date32()),
    (pa.array([dt.datetime(1, 1, 1), None, dt.datetime(9999, 12, 31, 23, 59, 59)], pa.timestamp("s")), _TS),
    (pa.array([-1, 0, 1_709_251_199_123], pa.timestamp("ms")), _TS),
    (pa.array([-1, 1_709_251_199_123_456_789], pa.timestamp("ns")), pa.timestamp("ns")),
    (pa.array([0, 1_709_251_199_123_456], _UTC), _UTC),
    (pa.array([0, None], pa.timestamp("ns", "Asia/Tokyo")), pa.timestamp("ns", "UTC")),
    (pa.array([0, 86_399], pa.time32("s")), pa.time64("us")),
    (pa.array([0, 86_399_999_999_999], pa.time64("ns")), pa.time64("ns")),
    (pa.nulls(3), pa.null()),
]


@pytest.mark.parametrize(("values", "kind"), ROUND_TRIPS, ids=lambda v: str(getattr(v, "type", v)))
def test_round_trips(db: Path, values: pa.Array, kind: pa.DataType) -> None:
    found = back(db, values)
    assert found.type == kind
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    if pa.types.is_timestamp(kind) and kind.tz:
        plain = plain.cast(kind)
    assert found.to_pylist() == plain.to_pylist()


def test_moments_are_text_that_sqlite_understands(db: Path) -> None:
    back(db, pa.array([1_709_251_199_123_456], pa.timestamp("us", "Europe/Paris")))
    assert sql(db, "SELECT v, datetime(v) FROM t") == [("2024-02-29 23:59:59.123456Z", "2024-02-29 23:59:59")]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.0, float("nan")]),
        pa.array([2**63], pa.uint64()),
        pa.array([dt.date(9999, 12, 31).toordinal()], pa.int32()).cast(pa.date32()),
        pa.array([-(2**60)], pa.timestamp("s")),
    ],
    ids=lambda v: str(v.type),
)
def test_values_that_would_change_are_refused(db: Path, values: pa.Array) -> None:
    with pytest.raises(DataError, match="column 'v' holds"):
        copy(db, pa.table({"v": values}))
    assert not db.exists()


def test_nan_as_null(db: Path) -> None:
    assert back(db, pa.array([float("nan"), 1.0, float("inf")]), nan="null").to_pylist() == [
        None, 1.0, float("inf"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.struct([("a", pa.int64())]),
        pa.duration("s"),
        pa.decimal128(5, 2),
        pa.decimal256(60),
    ],
    ids=str,
)
def test_types_that_sqlite_lacks(db: Path, kind: pa.DataType) -> None:
    schema = pa.schema([("ok", pa.int64()), ("price", kind)])
    with pytest.raises(SchemaMismatchError, match="column 'price'"):
        sink(db).check(Unit("t"), Target(ERROR, schema))


def test_decimals(db: Path, tmp_path: Path) -> None:
    values = pa.array([Decimal("-1234567890123456789.10"), None, Decimal("0.10")], pa.decimal128(25, 2))
    found = back(db, values, decimals="text")
    assert found.type == values.type
    assert found.to_pylist() == values.to_pylist()
    assert sql(db, "SELECT v FROM t LIMIT 1") == [("-1234567890123456789.10",)]
    assert back(tmp_path / "real.db", values, decimals="real").to_pylist() == [
        -1234567890123456789.10, None, 0.1,
    ]  # fmt: skip


def test_read_back_has_the_schema_that_was_written(db: Path) -> None:
    table = pa.table(
        {
            "d": pa.array(["a", None, "a"]).dictionary_encode(),
            "i": pa.array([1, 2, None], pa.int8()),
            "t": pa.array([0, 1, 2], pa.timestamp("s", "Asia/Tokyo")),
            "n": pa.nulls(3),
            "u": pa.array([1, 2, 3], pa.uint64()),
            "p": pa.array([Decimal("1.5"), None, None], pa.decimal128(9, 1)),
        }
    )
    into, unit = sink(db, decimals="text"), Unit("t")
    handle = into.begin(unit, Target(ERROR, table.schema), "run").handle
    receipts = [stage(into, handle, table, 0), stage(into, handle, table.slice(0, 0), 1)]
    stage(into, handle, table, 2)
    back_, found = into.written(handle, receipts)
    assert back_.schema(found) == table.schema
    batches = []
    for split in back_.plan(found, PlanHint(parallel=4)):
        with back_.read(split) as items:
            batches += list(items)
    assert pa.Table.from_batches(batches, table.schema).equals(table)
    into.cleanup(handle)


def test_append_finds_columns_by_name(db: Path) -> None:
    sql(
        db,
        "CREATE TABLE t (b TEXT, A INTEGER, c REAL DEFAULT 1.5, g AS (A + 1))",
        "INSERT INTO t VALUES ('x', 1, 2)",
    )
    copy(db, pa.table({"a": [7], "B": ["y"]}), APPEND)
    assert sql(db, "SELECT * FROM t") == [("x", 1, 2.0, 2), ("y", 7, 1.5, 8)]


FITS = [
    ("TEXT", pa.int64(), False),
    ("TEXT", pa.string(), True),
    ("TEXT", pa.timestamp("us"), True),
    ("INTEGER", pa.string(), False),
    ("INTEGER", pa.float64(), False),
    ("INTEGER", pa.bool_(), True),
    ("REAL", pa.int64(), False),
    ("REAL", pa.float32(), True),
    ("DECIMAL(5,2)", pa.string(), False),
    ("DECIMAL(5,2)", pa.float64(), True),
    ("DATETIME", pa.timestamp("us"), True),
    ("DATE", pa.date32(), True),
    ("", pa.string(), True),
    ("TEXT", pa.null(), True),
]


@pytest.mark.parametrize(("declared", "kind", "fits"), FITS)
def test_append_refuses_columns_that_would_change_values(
    db: Path, declared: str, kind: pa.DataType, fits: bool
) -> None:
    sql(db, f"CREATE TABLE t (price {declared})")
    into, target = sink(db), Target(APPEND, pa.schema([("price", kind)]))
    if fits:
        into.check(Unit("t"), target)
    else:
        with pytest.raises(SchemaMismatchError, match=r"t\.price"):
            into.check(Unit("t"), target)


def test_append_says_which_column_was_meant(db: Path) -> None:
    sql(db, "CREATE TABLE t (dep_delay INTEGER)")
    with pytest.raises(SchemaMismatchError, match="no column 'dep_dealy'; did you mean dep_delay"):
        sink(db).check(Unit("t"), Target(APPEND, pa.schema([("dep_dealy", pa.int64())])))


def test_a_constraint_refuses_the_whole_commit(db: Path) -> None:
    sql(db, "CREATE TABLE t (a INTEGER UNIQUE)", "INSERT INTO t VALUES (50)")
    with pytest.raises(DataError, match=r"refuses a row.*UNIQUE"):
        copy(db, numbers(0, 100), APPEND)
    assert sql(db, "SELECT a FROM t") == [(50,)]
    assert [name for name in names(db) if "crossdock" in name] == []


def test_append_to_a_table_that_lost_a_column_meanwhile(db: Path) -> None:
    sql(db, "CREATE TABLE t (a INTEGER, b INTEGER)")
    into, table = sink(db), pa.table({"a": [1], "b": [2]})
    handle = into.begin(Unit("t"), Target(APPEND, table.schema), "run").handle
    receipts = [stage(into, handle, table)]
    sql(db, "ALTER TABLE t DROP COLUMN b")
    with pytest.raises(SchemaMismatchError, match="no column 'b'"):
        into.commit(handle, receipts)
    into.cleanup(handle)
    assert names(db) == ["t"]


def test_overwrite_beside_views_and_triggers(db: Path) -> None:
    sql(
        db,
        "CREATE TABLE t (a INTEGER)",
        "INSERT INTO t VALUES (7)",
        "CREATE TABLE log (a)",
        "CREATE VIEW v AS SELECT a + 1 AS b FROM t",
        "CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.a); END",
    )
    copy(db, numbers(0, 3), OVERWRITE)
    assert sql(db, "SELECT b FROM v") == [(1,), (2,), (3,)]
    assert sql(db, "SELECT count(*) FROM log") == [(0,)]
