"""PostgreSQL as source and sink, through the engine; what is stored is read with a session of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from observing import Record, expected_rows, journals, read_shelf

import crossdock
from crossdock import api

ROWS = 1000
BIG = 120_000


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; returns the rows of the last."""
    found: list[tuple[Any, ...]] = []
    with dbapi.connect(url, autocommit=True) as connection:
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                found = cursor.fetchall()
    return found


def stored(url: str, table: str) -> list[tuple[Any, ...]]:
    return sql(url, f"SELECT * FROM {table} ORDER BY 1")


def tables(url: str) -> list[str]:
    """All of them, staged ones too."""
    query = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    return sorted(name for (name,) in sql(url, query))


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Somebody else holds the table's strongest lock."""
    with dbapi.connect(url) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.fixture
def filled(database: str) -> str:
    """The table ``numbers``: every seventh has no key; nine tenths of the keys are in a tenth of them."""
    sql(
        database,
        "CREATE TABLE numbers (id bigint PRIMARY KEY, k int, word text)",
        "INSERT INTO numbers SELECT i, CASE WHEN i % 7 = 0 THEN NULL WHEN i % 10 = 1 THEN i * 10 ELSE i END, "
        f"'w' || i FROM generate_series(1, {BIG}) i",
        "ANALYZE numbers",
    )
    return database


class TestInto:
    @pytest.mark.parametrize("parallel", [1, 4])
    def test_a_table(self, database: str, parallel: int) -> None:
        result = crossdock.copy("rows://here", f"{database}#mine", parallel_copies=parallel, verify=True)
        assert stored(database, "mine") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["mine"]
        assert (result.rows_copied, result.verified) == (ROWS, True)

    def test_modes(self, database: str) -> None:
        sink = f"{database}#public.t"
        crossdock.copy("rows://here", sink, source_options={"rows": "10"})
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy("rows://here", sink)
        crossdock.copy("rows://here", sink, mode="append", source_options={"rows": "5"})
        assert len(stored(database, "t")) == 15
        sql(database, "CREATE INDEX kept ON t (id)")
        crossdock.copy("rows://here", sink, mode="overwrite", source_options={"rows": "7"})
        assert stored(database, "t") == rows_of(expected_rows(7))
        assert sql(database, "SELECT indexname::text FROM pg_indexes WHERE tablename = 't'") == [("kept",)]
        assert tables(database) == ["t"]

    def test_upsert(self, database: str) -> None:
        sql(
            database,
            "CREATE TABLE t (id bigint PRIMARY KEY, word text)",
            "INSERT INTO t VALUES (0, 'old'), (1000, 'stays')",
        )
        options = {"write_behavior": "upsert", "keys": "id"}
        for _ in range(2):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                mode="append",
                map="id,word",
                sink_options=options,
                verify=True,
            )
        wanted = [(row[0], row[1]) for row in rows_of(expected_rows(ROWS).select(["id", "word"]))]
        assert stored(database, "t") == [*wanted, (1000, "stays")]

    def test_upsert_makes_the_key_and_refuses_to_go_without(self, database: str) -> None:
        options = {"write_behavior": "upsert", "keys": "id"}
        copy = {"mode": "append", "sink_options": options}
        crossdock.copy("rows://here", f"{database}#t", **copy)  # type: ignore[arg-type]
        crossdock.copy("rows://here", f"{database}#t", **copy)  # type: ignore[arg-type]
        assert stored(database, "t") == rows_of(expected_rows(ROWS))
        sql(database, "CREATE TABLE plain (LIKE t)")
        with pytest.raises(crossdock.ConfigError, match="no primary key or unique index over id"):
            crossdock.copy("rows://here", f"{database}#plain", **copy)  # type: ignore[arg-type]

    def test_script_runs_once_and_with_the_rows(self, database: str, source_record: Record) -> None:
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)", "CREATE TABLE runs (at text)")
        sql(database, "INSERT INTO t VALUES (-1, 'old', 0)")
        script = "DELETE FROM t; INSERT INTO runs VALUES ('a;b') -- once"
        copy = {"mode": "append", "sink_options": {"pre_copy_script": script}}
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy("rows://here", f"{database}#t", source_options=fail, run_id="r", **copy)  # type: ignore[arg-type]
        assert stored(database, "t") == [(-1, "old", 0.0)]
        assert stored(database, "runs") == []
        api.resume("r")
        assert len(stored(database, "t")) == ROWS
        assert stored(database, "runs") == [("a;b",)]

    def test_a_wrong_script_is_refused_before_any_data(self, database: str, source_record: Record) -> None:
        sql(database, "CREATE TABLE t (id bigint)")
        with pytest.raises(crossdock.UserError, match="nowhere"):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                mode="append",
                source_options=source_record.options,
                sink_options={"pre_copy_script": "DELETE FROM nowhere"},
            )
        assert source_record.count("read") == 0

    def test_existing_columns_take_what_fits(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE TABLE t (id smallint, price numeric(8,2), at timestamptz, u uuid, j jsonb, "
            "note varchar(4), "
            "extra int DEFAULT 5, serial int GENERATED ALWAYS AS IDENTITY)",
        )
        (tmp_path / "a.csv").write_text(
            "id,price,at,u,j,note\n"
            '1,2.50,2024-01-02T03:04:05Z,c8ecde7a-6dbd-4137-be1c-5f66dea5c278,"{""a"": 1}",abcd\n'
        )
        options = {"types": "price:string,u:string,j:string,note:string"}
        crossdock.copy(tmp_path / "a.csv", f"{database}#t", mode="append", source_options=options)
        query = (
            "SELECT id, price::text, extract(epoch from at)::bigint, u::text, j->>'a', note, extra, serial "
            "FROM t"
        )
        uuid = "c8ecde7a-6dbd-4137-be1c-5f66dea5c278"
        assert sql(database, query) == [(1, "2.50", 1704164645, uuid, "1", "abcd", 5, 1)]

    @pytest.mark.parametrize(
        ("column", "value"),
        [("smallint", "70000"), ("varchar(3)", "abcd"), ("numeric(8,2)", "1.255"), ("uuid", "nonsense")],
    )
    def test_a_value_that_does_not_fit_changes_nothing(
        self, database: str, tmp_path: Path, column: str, value: str
    ) -> None:
        sql(database, f"CREATE TABLE t (v {column})")
        (tmp_path / "a.csv").write_text(f"v\n{value}\n")
        options = {} if column == "smallint" else {"types": "v:string"}
        with pytest.raises(crossdock.DataError) as caught:
            crossdock.copy(tmp_path / "a.csv", f"{database}#t", mode="append", source_options=options)
        assert caught.value.side == "sink"
        assert stored(database, "t") == []
        assert tables(database) == ["t"]

    def test_a_failed_overwrite_leaves_the_old_table(self, database: str, source_record: Record) -> None:
        crossdock.copy("rows://here", f"{database}#t", source_options={"rows": "10"})
        fail = source_record.options | {"fail": "batch:bad value", "fail_split": "6"}
        with pytest.raises(crossdock.DataError):
            crossdock.copy("rows://here", f"{database}#t", mode="overwrite", source_options=fail)
        assert stored(database, "t") == rows_of(expected_rows(10))
        assert tables(database) == ["t"]

    def test_only_what_was_in_flight_is_carried_again(self, database: str, source_record: Record) -> None:
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                source_options=fail,
                parallel_copies=2,
                run_id="r",
                verify=True,
            )
        assert caught.value.resumable
        assert "t" not in tables(database)
        done = api.show("r").splits_done
        assert done >= 8
        source_record.clear()
        result = api.resume("r")
        assert (result.splits_skipped, source_record.count("read")) == (done, 20 - done)
        assert stored(database, "t") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["t"]

    @pytest.mark.parametrize("mode", ["overwrite", "append"])
    def test_lost_staging_starts_over(self, database: str, source_record: Record, mode: str) -> None:
        """A crash of the server empties tables that are not logged; somebody drops them."""
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)")
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                source_options=fail,
                run_id="r",
                mode=mode,  # type: ignore[arg-type]
            )
        staged = [name for name in tables(database) if name.startswith("_crossdock") and "ledger" not in name]
        sql(database, f"TRUNCATE {staged[0]}")
        api.resume("r")
        assert len(stored(database, "t")) == ROWS
        assert tables(database) == ["t"]

    def test_forget_removes_what_is_staged(self, database: str, home: Path, source_record: Record) -> None:
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy("rows://here", f"{database}#t", source_options=fail, run_id="r")
        assert tables(database) != []
        api.forget("r")
        assert tables(database) == []
        assert journals(home) == []


class TestFrom:
    @pytest.mark.parametrize("parallel", [1, 4])
    @pytest.mark.parametrize("options", [{}, {"partition_column": "k"}, {"snapshot": "false"}], ids=str)
    def test_a_table(self, filled: str, tmp_path: Path, parallel: int, options: dict[str, str]) -> None:
        result = crossdock.copy(
            f"{filled}#numbers", tmp_path / "n.parquet", parallel_copies=parallel, source_options=options
        )
        assert rows_of(pq.read_table(tmp_path / "n.parquet").sort_by("id")) == stored(filled, "numbers")
        assert result.splits_done > 1 or parallel == 1
        assert any("snapshot" in note for note in result.notes) == bool(options.get("snapshot"))

    def test_ranges_of_a_skewed_key_are_alike(self, filled: str, shelf: Path) -> None:
        """The slowest split has at most twice the mean; equal widths would have nearly all rows in one."""
        crossdock.copy(
            f"{filled}#numbers",
            f"shelf://{shelf}",
            parallel_copies=2,
            source_options={"partition_column": "k"},
        )
        from crossdock_connectors.sql.postgres_database import Database
        from crossdock_connectors.sql.postgres_partition import by_key
        from crossdock_connectors.sql.postgres_relation import named

        database = Database(filled, "here")
        with closing(database), database.connect() as connection:
            wheres, _ = by_key(connection, named(connection, "public", "numbers"), "k", 8, 1)
            counts = [connection.value(f"SELECT count(*) FROM numbers WHERE {where}") for where in wheres]
        assert len(counts) == 8
        # The rows without a key are in the first beside its own.
        nulls = BIG // 7
        assert max(counts[0] - nulls, *counts[1:]) <= 2 * BIG / 8
        assert sum(counts) == BIG
        assert len(read_shelf(shelf, "numbers")) == BIG

    def test_a_query_in_ranges(self, filled: str, tmp_path: Path) -> None:
        query = "SELECT id, k FROM numbers WHERE id > 10 -- and so on"
        result = crossdock.copy(
            filled,
            tmp_path / "q.parquet",
            parallel_copies=2,
            source_options={"query": query, "partition_column": "k"},
        )
        assert result.splits_done > 1
        found = rows_of(pq.read_table(tmp_path / "q.parquet").sort_by("id"))
        assert found == sql(filled, "SELECT id, k FROM numbers WHERE id > 10 ORDER BY id")

    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM numbers",
            "SELECT 1; DROP TABLE numbers",
            "WITH x AS (DELETE FROM numbers RETURNING 1) SELECT * FROM x",
        ],
    )
    def test_a_query_changes_nothing(self, filled: str, tmp_path: Path, query: str) -> None:
        with pytest.raises(crossdock.UserError) as caught:
            crossdock.copy(filled, tmp_path / "q.parquet", source_options={"query": query})
        assert caught.value.exit_code == 2
        assert sql(filled, "SELECT count(*) FROM numbers") == [(BIG,)]

    def test_a_partitioned_table(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE TABLE p (id int, v text) PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50000)",
            "CREATE TABLE p2 PARTITION OF p DEFAULT",
            "INSERT INTO p SELECT i, repeat('x', i % 50) FROM generate_series(0, 99999) i",
        )
        result = crossdock.copy(database, f"{tmp_path}/out/", sink_format="parquet", parallel_copies=4)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.parquet"]
        assert rows_of(pq.read_table(tmp_path / "out/p.parquet").sort_by("id")) == stored(database, "p")
        assert result.splits_done > 1

    def test_one_snapshot_for_all_splits(self, filled: str, shelf: Path) -> None:
        """Rows that are changed, added and deleted during the copy are read as they were at its beginning."""
        before = stored(filled, "numbers")
        once: list[int] = []

        def disturb(snapshot: crossdock.Snapshot) -> None:
            if snapshot.rows_done and not once:
                once.append(1)
                sql(
                    filled,
                    "UPDATE numbers SET word = 'changed', k = -k",
                    "INSERT INTO numbers SELECT -i, i, 'new' FROM generate_series(1, 1000) i",
                    "DELETE FROM numbers WHERE id > 1000",
                )

        crossdock.copy(
            f"{filled}#numbers",
            f"shelf://{shelf}",
            sink_options={"slow": "0.05"},
            parallel_copies=2,
            progress=disturb,
        )
        assert once
        assert sql(filled, "SELECT count(*) FROM numbers WHERE word = 'changed'") == [(1000,)]
        assert rows_of(read_shelf(shelf, "numbers").sort_by("id")) == before

    def cancelled(self, filled: str, shelf: Path, **options: str) -> None:
        cancel = threading.Event()

        def watch(snapshot: crossdock.Snapshot) -> None:
            if snapshot.rows_done:
                cancel.set()

        with pytest.raises(crossdock.CancelledError):
            crossdock.copy(
                f"{filled}#numbers",
                f"shelf://{shelf}",
                source_options=options,
                sink_options={"slow": "0.1"},
                parallel_copies=2,
                cancel=cancel,
                progress=watch,
                run_id="r",
            )

    def test_resumed_without_changes(self, filled: str, shelf: Path) -> None:
        self.cancelled(filled, shelf)
        result = api.resume("r", sink_options={"slow": "0"})
        assert rows_of(read_shelf(shelf, "numbers").sort_by("id")) == stored(filled, "numbers")
        assert any("two snapshots, and no row was added or changed" in note for note in result.notes)

    def test_resumed_after_changes_reads_places_anew(self, filled: str, shelf: Path) -> None:
        """An updated row has moved: parts of two snapshots would hold it twice, or not at all."""
        self.cancelled(filled, shelf)
        sql(filled, "UPDATE numbers SET word = 'changed' WHERE id <= 30000")
        api.resume("r", sink_options={"slow": "0"})
        assert rows_of(read_shelf(shelf, "numbers").sort_by("id")) == stored(filled, "numbers")

    def test_resumed_after_changes_keeps_ranges_of_a_key(self, filled: str, shelf: Path) -> None:
        self.cancelled(filled, shelf, partition_column="id")
        sql(filled, "UPDATE numbers SET word = 'changed'")
        result = api.resume("r", sink_options={"slow": "0"})
        assert sorted(read_shelf(shelf, "numbers")["id"].to_pylist()) == list(range(1, BIG + 1))
        assert any("two snapshots, and rows were changed" in note for note in result.notes)


TYPES = {
    "numeric(10,2)": ("decimal128(10, 2)", ["-12345678.90", "0.00"]),
    "numeric(38,10)": ("decimal128(38, 10)", ["1234567890123456789012345678.0123456789"]),
    "numeric(60,5)": ("decimal256(60, 5)", ["1" * 55 + ".12345"]),
    "numeric(100,5)": ("string", ["1" * 95 + ".12345"]),
    "numeric(3,-2)": ("decimal128(5, 0)", ["12300"]),
    "numeric(2,4)": ("decimal128(4, 4)", ["0.0012"]),
    "numeric": ("string", ["1.50", "NaN", "Infinity", "1" * 200]),
    "smallint": ("int16", ["-32768"]),
    "integer": ("int32", ["2147483647"]),
    "bigint": ("int64", ["-9223372036854775808"]),
    "real": ("float", ["1.5", "NaN", "-Infinity"]),
    "double precision": ("double", ["1e-300", "NaN", "Infinity"]),
    "boolean": ("bool", ["true", "false"]),
    "text": ("string", ["", " żółć 😀 ", "a\\b\t'\"\n"]),
    "varchar(10)": ("string", ["abc"]),
    "char(5)": ("string", ["abc  "]),
    "bytea": ("binary", ["\\x00ff41"]),
    "date": ("date32[day]", ["0001-01-01", "9999-12-31", "4713-01-01 BC", "5874897-12-31"]),
    "time": ("time64[us]", ["00:00:00", "23:59:59.999999"]),
    "timestamp": (
        "timestamp[us]",
        ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC"],
    ),
    "timestamptz": ("timestamp[us, tz=UTC]", ["2024-02-29 12:00:00.000001+00"]),
    "timetz": ("string", ["12:00:00+02"]),
    "interval": ("string", ["P1Y2M3DT4H5M6.7S", "P-1D"]),
    "uuid": ("string", ["c8ecde7a-6dbd-4137-be1c-5f66dea5c278"]),
    "json": ("string", ['{"a":  [1, null]}']),
    "jsonb": ("string", ['{"a": [1, null]}']),
    "inet": ("string", ["10.0.0.1/8", "::1"]),
    "macaddr": ("string", ["08:00:2b:01:02:03"]),
    "money": ("decimal128(19, 2)", ["-92233720368547758.08", "1.50"]),
    "oid": ("int64", ["4294967295"]),
    "bit(3)": ("string", ["101"]),
    "point": ("string", ["(1,2)"]),
    "int4range": ("string", ["[1,5)"]),
    "tsvector": ("string", ["'a' 'b'"]),
    "mood": ("string", ["happy"]),
    "even": ("int32", ["4"]),
    "int4[]": ("list<item: int32>", ["{1,NULL,3}", "{}"]),
    "text[]": ("list<item: string>", ['{a,"b c",NULL}']),
    "numeric(5,2)[]": ("string", ["{1.50,2.25}"]),
    "pair": ("string", ['(1,"a b")']),
}


class TestTypes:
    @pytest.mark.parametrize("kind", TYPES)
    def test_round_trip(self, database: str, tmp_path: Path, kind: str) -> None:
        """To Parquet, and back into a column of the same type: the server's texts are the same."""
        arrow, values = TYPES[kind]
        sql(
            database,
            "CREATE TYPE mood AS ENUM ('happy', 'sad')",
            "CREATE DOMAIN even AS int CHECK (value % 2 = 0)",
            "CREATE TYPE pair AS (a int, b text)",
            f"CREATE TABLE a (n int, v {kind})",
            f"CREATE TABLE b (n int, v {kind})",
        )
        for n, value in enumerate(values):
            sql(database, f"INSERT INTO a VALUES ({n}, '{value.replace(chr(39), chr(39) * 2)}')")
        sql(database, "INSERT INTO a VALUES (-1, NULL)")
        crossdock.copy(f"{database}#a", tmp_path / "a.parquet", verify=True)
        assert str(pq.read_schema(tmp_path / "a.parquet").field("v").type).replace("element", "item") == arrow
        others = {"money": "numeric(19,2)", "numeric(5,2)[]": "numeric[]", "numeric(3,-2)": "numeric(5,0)",
                  "oid": "bigint"}  # fmt: skip
        if target := others.get(kind):
            sql(database, f"ALTER TABLE b ALTER v TYPE {target} USING NULL")
        crossdock.copy(tmp_path / "a.parquet", f"{database}#b", mode="append", verify=True)
        cast = "::numeric" if kind == "money" else ""
        expected = sql(database, f"SELECT n, v{cast}::text FROM a ORDER BY n")
        assert sql(database, "SELECT n, v::text FROM b ORDER BY n") == expected
        assert len(expected) == len(values) + 1

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("date", "infinity"),
            ("timestamp", "-infinity"),
            ("timestamptz", "infinity"),
            ("timestamp", "294276-12-31"),
            ("time", "24:00"),
            ("numeric(5,2)", "NaN"),
        ],
    )
    def test_what_arrow_cannot_hold(self, database: str, tmp_path: Path, kind: str, value: str) -> None:
        """It is refused, or null where that is asked for; what is beside it arrives."""
        fine = "12.5" if "numeric" in kind else "12:30" if kind == "time" else "2024-01-01"
        sql(database, f"CREATE TABLE t (v {kind})", f"INSERT INTO t VALUES ('{value}'), ('{fine}')")
        with pytest.raises(crossdock.DataError, match="the column v has a value") as caught:
            crossdock.copy(f"{database}#t", tmp_path / "t.parquet")
        assert (caught.value.side, caught.value.exit_code) == ("source", 2)
        assert not (tmp_path / "t.parquet").exists()
        options = {"unrepresentable": "null"}
        crossdock.copy(f"{database}#t", tmp_path / "t.parquet", source_options=options)
        found = pq.read_table(tmp_path / "t.parquet")["v"].to_pylist()
        assert (found[0], str(found[1])[:4]) == (None, fine[:4])

    def test_an_array_of_arrays_is_not_flattened(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE t (v int[])", "INSERT INTO t VALUES ('{1}'), ('{{1,2},{3,4}}')")
        with pytest.raises(crossdock.DataError, match="an array of arrays is not a list"):
            crossdock.copy(f"{database}#t", tmp_path / "t.parquet")
        assert not (tmp_path / "t.parquet").exists()

    @pytest.mark.parametrize(
        ("decimals", "wanted"), [("text", "1.25"), ("float", 1.25), ("decimal(38,10)", "1.2500000000")]
    )
    def test_numerics_without_a_precision(
        self, database: str, tmp_path: Path, decimals: str, wanted: Any
    ) -> None:
        sql(database, "CREATE TABLE t (v numeric)", "INSERT INTO t VALUES (1.25)")
        crossdock.copy(f"{database}#t", tmp_path / "t.parquet", source_options={"decimals": decimals})
        (found,) = pq.read_table(tmp_path / "t.parquet")["v"].to_pylist()
        assert (found if isinstance(wanted, float) else str(found)) == wanted


class TestStopping:
    def stops(self, copy: Callable[[threading.Event], object]) -> float:
        """Seconds from the wish to stop to the end of the run."""
        cancel, wished = threading.Event(), []

        def wish() -> None:
            wished.append(time.monotonic())
            cancel.set()

        timer = threading.Timer(1.5, wish)
        timer.start()
        try:
            with pytest.raises(crossdock.CancelledError):
                copy(cancel)
        finally:
            timer.join()
        return time.monotonic() - wished[0]

    def test_while_planning_waits_for_a_lock(self, filled: str, tmp_path: Path) -> None:
        with locked(filled, "numbers"):
            took = self.stops(
                lambda cancel: crossdock.copy(f"{filled}#numbers", tmp_path / "n.parquet", cancel=cancel)
            )
        assert took < 3

    def test_while_the_commit_waits_for_a_lock(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)")
        with locked(database, "t"):
            took = self.stops(
                lambda cancel: crossdock.copy(
                    "rows://here",
                    f"{database}#t",
                    mode="append",
                    cancel=cancel,
                    run_id="r",
                )
            )
            assert took < 3
        api.resume("r")
        assert len(stored(database, "t")) == ROWS


class TestRefused:
    """One sentence, exit code 2, nothing changed, no secret shown."""

    def refused(self, kind: type[crossdock.CrossdockError], url: str, words: str, **options: Any) -> None:
        with pytest.raises(kind) as caught:
            crossdock.copy(url, "/nowhere/out.parquet", source_options=options)
        told = f"{caught.value} {caught.value.detail}"
        assert words in str(caught.value)
        assert "hunter2" not in told

    def test_no_such_table(self, filled: str) -> None:
        self.refused(crossdock.NotFoundError, f"{filled}#Number", "did you mean numbers?")
        self.refused(crossdock.NotFoundError, f"{filled}#nowhere.numbers", "did you mean public.numbers?")

    def test_no_such_database(self, database: str) -> None:
        self.refused(crossdock.NotFoundError, database + "x#t", "there is no database")

    def test_a_wrong_password(self, database: str) -> None:
        sql(database, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'right'")
        url = database.replace("postgres@", "guest@")
        self.refused(crossdock.AuthError, f"{url}#t", "password", password="hunter2")  # noqa: S106
        with pytest.raises(crossdock.AccessDeniedError):
            crossdock.copy(
                "rows://here", f"{url}#t", sink_options={"password": "right"}, source_options={"rows": "3"}
            )
        sql(database, "DROP OWNED BY guest", "DROP ROLE guest")

    def test_parameters_and_names(self, database: str) -> None:
        self.refused(crossdock.ConfigError, f"{database}?options=-cx#t", "no parameter")
        self.refused(crossdock.ConfigError, f"{database}#a.b.c", "no table's name")

    def test_identifiers_are_quoted(self, database: str, tmp_path: Path) -> None:
        name = 'a"; DROP TABLE x; --'
        sql(database, "CREATE TABLE x (i int)", "INSERT INTO x VALUES (1)")
        table = pa.table({'c"; --': [1], "select": ["s"]})
        pq.write_table(table, tmp_path / "in.parquet")
        quoted = '"' + name.replace('"', '""') + '"'
        url = f"{database}#{quoted.replace('%', '%25')}"
        crossdock.copy(tmp_path / "in.parquet", url)
        crossdock.copy(url, tmp_path / "out.parquet")
        assert pq.read_table(tmp_path / "out.parquet").equals(table)
        assert stored(database, "x") == [(1,)]


def test_a_read_that_fails_does_not_fetch_the_rest(database: str) -> None:
    """Three gigabytes that nobody wants any more."""
    from crossdock import Location, PlanHint
    from crossdock_connectors.sql.postgres import SPEC, PostgresConfig

    assert SPEC.open_source is not None
    query = "SELECT repeat('x', 1000) AS t FROM generate_series(1, 3000000) AS i"
    with closing(SPEC.open_source(PostgresConfig(query=query), Location.parse(database))) as source:
        (page,) = source.units()
        (split,) = source.plan(page.units[0], PlanHint())
        with pytest.raises(InterruptedError), source.read(split) as items:  # noqa: PT012
            next(items)
            began = time.process_time()
            raise InterruptedError("of the sink")
        assert time.process_time() - began < 0.5, "seconds of CPU time to leave"
