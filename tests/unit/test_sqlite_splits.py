"""SQLite as a source: ranges of about equal size, one state of the database, queries."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from sqlite_samples import (
    fill,
    read,
    source,
    sql,
)

from crossdock import (
    ConfigError,
    DataError,
    NotFoundError,
    PlanHint,
    SchemaMismatchError,
    SourceChangedError,
    Unit,
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a b#c?.db"


SHAPES = {
    "dense": [(1, 1, 200_000)],
    "sparse": [(-(2**62), 2**40, 200_000)],
    "outlier": [(1, 1, 200_000), (2**62, 1, 1)],
    "two clusters": [(1, 1, 100_000), (10**15, 1, 100_000)],
    "skewed": [(1, 1000, 20_000), (10**9, 1, 180_000)],
    "extremes": [(-(2**63), 1, 2), (1, 1, 200_000), (2**63 - 3, 1, 2)],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_splits_are_about_equal(db: Path, shape: list[tuple[int, int, int]]) -> None:
    total = fill(db, *shape)
    opened = source(db)
    splits = list(opened.plan(Unit("t"), PlanHint(parallel=2)))
    counts, seen = [], []
    for split in splits:
        with opened.read(split) as items:
            ids = [i for batch in items for i in batch["id"].to_pylist()]
        counts.append(len(ids))
        seen += ids
    assert len(splits) == 8
    assert len(seen) == total
    assert seen == sorted(set(seen))
    assert max(counts) < 1.5 * total / 8


def test_how_many_splits(db: Path) -> None:
    fill(db, (1, 1, 100_000))
    plans = {
        hint: [split.index for split in source(db).plan(Unit("t"), hint)]
        for hint in (
            PlanHint(parallel=1),
            PlanHint(parallel=8),
            PlanHint(parallel=8, max_splits=3),
            PlanHint(parallel=8, min_split_bytes=1 << 40),
        )
    }
    assert [len(plan) for plan in plans.values()] == [4, 5, 3, 1]
    assert all(plan == list(range(len(plan))) for plan in plans.values())
    assert len(list(source(db, partition="none").plan(Unit("t"), PlanHint(parallel=8)))) == 1


def test_a_change_between_plan_and_read_is_noticed(db: Path) -> None:
    fill(db, (1, 1, 100_000))
    opened = source(db)
    many = list(opened.plan(Unit("t"), PlanHint(parallel=2)))
    one = list(opened.plan(Unit("t"), PlanHint(max_splits=1)))
    with opened.read(many[0]) as items:
        next(items)
    sql(db, "UPDATE t SET v = 'changed' WHERE id = 99999")
    with pytest.raises(SourceChangedError), opened.read(many[-1]) as items:
        list(items)
    with opened.read(one[0]) as items:  # one statement sees one state of the database
        assert sum(batch.num_rows for batch in items) == 100_000


def test_a_change_in_the_log_is_noticed(db: Path) -> None:
    fill(db, (1, 1, 100_000))
    sql(db, "PRAGMA journal_mode = wal")
    opened = source(db)
    keep = opened.database.connect("rw")  # else the last one to leave folds the log into the database
    try:
        many = list(opened.plan(Unit("t"), PlanHint(parallel=2)))
        with opened.read(many[0]) as items:
            assert next(items).num_rows
        keep.run("UPDATE t SET v = 'changed' WHERE id = 99999")
        with pytest.raises(SourceChangedError), opened.read(many[-1]) as items:
            list(items)
    finally:
        keep.close()


def test_hidden_rowids(db: Path) -> None:
    sql(
        db,
        "CREATE TABLE t (rowid TEXT, OID INTEGER)",
        "CREATE TABLE u (rowid TEXT, OID INTEGER, _rowid_)",
        *[
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000) "
            f"INSERT INTO {name} SELECT 'x', i{more} FROM n"
            for name, more in (("t", ""), ("u", ", 'z'"))
        ],
    )
    assert len(list(source(db).plan(Unit("t"), PlanHint(parallel=8)))) == 4
    assert len(list(source(db).plan(Unit("u"), PlanHint(parallel=8)))) == 1
    for name in ("t", "u"):
        assert read(source(db), name, parallel=8)["OID"].to_pylist() == list(range(1, 90001))


def test_what_has_no_rowid_is_one_split(db: Path) -> None:
    fill(db, (1, 1, 50_000))
    sql(
        db,
        "CREATE TABLE w (k INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID",
        "INSERT INTO w SELECT * FROM t",
        "CREATE VIEW v AS SELECT id + 1 AS next, v || '!' AS loud FROM t ORDER BY id DESC",
    )
    for name in ("w", "v"):
        assert len(list(source(db, name).plan(Unit(name), PlanHint(parallel=8)))) == 1
    assert read(source(db, "w"), "w")["k"].to_pylist() == list(range(1, 50_001))
    found = read(source(db, "v"), "v")
    assert found.schema == pa.schema([("next", pa.int64()), ("loud", pa.string())])
    assert found["next"].to_pylist() == list(range(50_001, 1, -1))


def test_the_rows_order_is_not_that_of_an_index(db: Path) -> None:
    sql(db, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (3), (1), (2)", "CREATE INDEX i ON t (a)")
    assert read(source(db))["a"].to_pylist() == [3, 1, 2]


def test_a_partition_column(db: Path) -> None:
    sql(
        db,
        "CREATE TABLE t (k INTEGER, v TEXT, PRIMARY KEY (v)) WITHOUT ROWID",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO t SELECT CASE WHEN i % 10 THEN i / 3 END, i FROM n",
        "CREATE INDEX i ON t (k)",
    )
    opened = source(db, partition="k")
    assert len(list(opened.plan(Unit("t"), PlanHint(parallel=8)))) > 1
    found = read(opened, parallel=8)
    assert found.num_rows == 100_000
    assert found["k"].null_count == 10_000
    assert len(found["v"].unique()) == 100_000
    for column in ("v", "none at all"):
        with pytest.raises(ConfigError, match="no index on an integer column"):
            list(source(db, partition=column).plan(Unit("t"), PlanHint()))


def test_a_query(db: Path) -> None:
    fill(db, (1, 1, 5000))
    opened = source(db, query="SELECT id, v, id / 2.0 AS half, max(id) OVER () FROM t ORDER BY id DESC; -- x")
    [page] = opened.units()
    assert page.units == (Unit("query"),)
    found = read(opened, "query")
    assert found.column_names == ["id", "v", "half", "max(id) OVER ()"]
    assert found.schema.types == [pa.int64(), pa.string(), pa.float64(), pa.int64()]
    assert found["id"].to_pylist() == list(range(5000, 0, -1))


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("DELETE FROM t", ConfigError),
        ("SELECT 1 FROM nowhere", NotFoundError),
        ("SELECT lacking FROM t", SchemaMismatchError),
        ("SELECT FROM WHERE", ConfigError),
        ("WITH x AS (SELECT 1) DELETE FROM t", ConfigError),
    ],
)
def test_queries_that_make_no_sense(db: Path, query: str, kind: type[Exception]) -> None:
    fill(db, (1, 1, 10))
    with pytest.raises(kind):
        read(source(db, query=query), "query")
    assert sql(db, "SELECT count(*) FROM t") == [(10,)]


def test_a_damaged_database_is_never_a_short_success(db: Path) -> None:
    fill(db, (1, 1, 100_000))
    opened = source(db)
    splits = list(opened.plan(Unit("t"), PlanHint(max_splits=1)))
    os.truncate(db, db.stat().st_size // 4096 // 2 * 4096)
    with pytest.raises(DataError, match="is damaged"), opened.read(splits[0]) as items:
        list(items)
