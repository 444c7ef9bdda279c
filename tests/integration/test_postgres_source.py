"""PostgreSQL as a source, through the engine."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from observing import read_shelf
from postgres_rows import BIG, rows_of, sql, stored

import crossdock
from crossdock import api


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

    @pytest.mark.parametrize(("key", "wanted"), [("k", 8), ("id", 64)])
    def test_ranges_of_a_key_are_alike(self, filled: str, key: str, wanted: int) -> None:
        """The slowest split has at most twice the mean: equal widths would have nearly all rows in one, and
        keys of few pages too many rows in some."""
        from crossdock_connectors.sql.postgres_database import Database
        from crossdock_connectors.sql.postgres_partition import by_key
        from crossdock_connectors.sql.postgres_relation import named

        database = Database(filled, "here")
        with closing(database), database.connect() as connection:
            wheres, _ = by_key(connection, named(connection, "public", "numbers"), key, wanted, 1)
            counts = [connection.value(f"SELECT count(*) FROM numbers WHERE {where}") for where in wheres]
        assert len(counts) == wanted
        assert max(counts) <= 2 * BIG / wanted
        assert sum(counts) == BIG

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

    def counts(self, url: str, query: str, column: str, wanted: int) -> list[int]:
        """Rows in each range of a query."""
        from crossdock_connectors.sql.postgres_database import Database
        from crossdock_connectors.sql.postgres_partition import by_key
        from crossdock_connectors.sql.postgres_relation import Relation

        database = Database(url, "here")
        relation = Relation("query", f"({query}) AS q")
        with closing(database), database.connect() as connection:
            wheres, _ = by_key(connection, relation, column, wanted, 1)
            return [connection.value(f"SELECT count(*) FROM {relation.rows(where)}") for where in wheres]

    def test_many_rows_without_a_key_have_a_range_of_their_own(self, filled: str) -> None:
        counts = self.counts(filled, "SELECT CASE WHEN id % 5 > 0 THEN id END AS key FROM numbers", "key", 8)
        assert max(counts) <= 2 * BIG / 8
        counts = self.counts(filled, "SELECT CASE WHEN id % 3 = 0 THEN id END AS key FROM numbers", "key", 4)
        # No range can cut those without one.
        assert sorted(counts)[-2] <= BIG / 4
        assert sum(counts) == BIG

    @pytest.mark.parametrize(
        "key",
        ["k", "(k::bigint * k)", "timestamp '2020-01-01' + k * interval '1 s'", "'w' || k", "-k"],
    )
    def test_ranges_of_a_query_are_alike(self, filled: str, key: str) -> None:
        """Nine tenths of the keys are in a tenth of their width, or have no width at all: texts."""
        counts = self.counts(filled, f"SELECT {key} AS key FROM numbers WHERE k IS NOT NULL", "key", 8)
        assert len(counts) == 8
        assert max(counts) <= 2 * sum(counts) / 8
        assert sum(counts) == BIG - BIG // 7

    def test_a_place_for_the_condition(self, filled: str, tmp_path: Path) -> None:
        """Data Factory's; in the query it may be used by an index, and rows without a key come along."""
        query = "SELECT k, count(*) AS n FROM numbers WHERE ?AdfDynamicRangePartitionCondition GROUP BY k"
        options = {"query": query, "partition_column": "k"}
        result = crossdock.copy(filled, tmp_path / "q.parquet", parallel_copies=2, source_options=options)
        assert result.splits_done > 1
        found = rows_of(pq.read_table(tmp_path / "q.parquet"))
        wanted = sql(filled, "SELECT k, count(*) AS n FROM numbers GROUP BY k")
        assert sorted(found, key=str) == sorted(wanted, key=str)
        with pytest.raises(crossdock.ConfigError, match="needs partition_column"):
            crossdock.copy(filled, tmp_path / "x.parquet", source_options={"query": query})

    @pytest.mark.parametrize("parallel", [1, 2])
    def test_partitions_of_the_table(self, database: str, tmp_path: Path, parallel: int) -> None:
        """Also of one that is partitioned itself, of NULL and of the rest; more of them than splits."""
        sql(
            database,
            "CREATE TABLE t (k text, n int) PARTITION BY LIST (k)",
            "CREATE TABLE t_a PARTITION OF t FOR VALUES IN ('a', NULL)",
            "CREATE TABLE t_b PARTITION OF t FOR VALUES IN ('b') PARTITION BY RANGE (n)",
            "CREATE TABLE t_rest PARTITION OF t DEFAULT PARTITION BY HASH (n)",
            *(f"CREATE TABLE t_rest{i} PARTITION OF t_rest FOR VALUES WITH (MODULUS 2, REMAINDER {i})"
              for i in range(2)),
            *(f"CREATE TABLE t_b{i} PARTITION OF t_b FOR VALUES FROM ({i}00) TO ({i + 1}00)"
              for i in range(10)),
            "CREATE TABLE t_bn PARTITION OF t_b DEFAULT",
            "INSERT INTO t SELECT (ARRAY['a', 'b', 'c', NULL])[i % 4 + 1], nullif(i, 5) "
            "FROM generate_series(1, 999) i",
        )  # fmt: skip
        result = crossdock.copy(
            f"{database}#t", tmp_path / "t.parquet", parallel_copies=parallel,
            source_options={"partition_option": "PhysicalPartitionsOfTable"},
        )  # fmt: skip
        found = rows_of(pq.read_table(tmp_path / "t.parquet"))
        assert sorted(found, key=str) == sorted(sql(database, "SELECT k, n FROM t"), key=str)
        assert result.splits_done == (7 if parallel > 1 else 1)

    def test_ranges_of_the_key_that_is_there(self, filled: str, tmp_path: Path) -> None:
        options = {"partition_option": "DynamicRange"}
        copy = {"parallel_copies": 2, "source_options": options}
        result = crossdock.copy(f"{filled}#numbers", tmp_path / "n.parquet", **copy)  # type: ignore[arg-type]
        assert (result.rows_copied, result.splits_done) == (BIG, 7)
        sql(filled, "CREATE TABLE bare (i int)")
        for address, more, words in (
            (f"{filled}#bare", {}, "no primary key to cut by"),
            (f"{filled}#bare", {"partition_option": "PhysicalPartitionsOfTable"}, "bare is not partitioned"),
            (filled, {"query": "SELECT 1 AS i"}, "a query is cut by a partition_column"),
            (
                f"{filled}#bare",
                {"partition_option": "None", "partition_column": "i"},
                "needs partition_option",
            ),
        ):
            with pytest.raises(crossdock.ConfigError, match=words):
                crossdock.copy(address, tmp_path / "x.parquet", source_options=options | more)

    def test_a_procedure(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE FUNCTION made(n int, w text DEFAULT 'x', f numeric DEFAULT 2, yes boolean DEFAULT false) "
            "RETURNS TABLE (i int, word text) LANGUAGE sql AS "
            "'SELECT j, w || j FROM generate_series(1, n) j WHERE f = 0.5 AND yes'",
        )
        options = {
            "procedure": "public.made",
            "parameters": '{"f": {"value": "0.5", "type": "Double"}, "n": 3, "yes": true, "w": "it\'s "}',
        }
        crossdock.copy(database, tmp_path / "p.parquet", source_options=options)
        found = rows_of(pq.read_table(tmp_path / "p.parquet"))
        assert found == [(1, "it's 1"), (2, "it's 2"), (3, "it's 3")]
        for more, words in (
            ({"query": "SELECT 1"}, "one of a table, a query and a procedure"),
            ({"partition_column": "i"}, "in one piece"),
            ({"parameters": json.dumps({'n"); DROP TABLE t; --': 1})}, "does not exist"),
        ):
            with pytest.raises(crossdock.UserError, match=words):
                crossdock.copy(database, tmp_path / "x.parquet", source_options=options | more)

    def test_rows_outside_of_given_bounds(self, filled: str, shelf: Path) -> None:
        options = {"partition_column": "k", "partition_lower_bound": "1000", "partition_upper_bound": "5000"}
        result = crossdock.copy(
            f"{filled}#numbers", f"shelf://{shelf}", parallel_copies=2, source_options=options
        )
        assert result.splits_done == 8
        assert sorted(read_shelf(shelf, "numbers")["id"].to_pylist()) == list(range(1, BIG + 1))

    @pytest.mark.parametrize(
        ("low", "high"), [("a", "b"), ("5", "1"), ("5", ""), ("2020-01-01", "2021-01-01")]
    )
    def test_wrong_bounds(self, filled: str, tmp_path: Path, low: str, high: str) -> None:
        options = {"partition_column": "k", "partition_lower_bound": low, "partition_upper_bound": high}
        with pytest.raises(crossdock.ConfigError, match="partition_lower_bound"):
            crossdock.copy(f"{filled}#numbers", tmp_path / "n.parquet", source_options=options)

    @pytest.mark.parametrize(
        ("level", "wanted"),
        [
            ("", "repeatable read"),
            ("ReadCommitted", "read committed"),
            ("RepeatableRead", "repeatable read"),
            ("Serializable", "serializable"),
        ],
    )
    def test_isolation_level(self, filled: str, tmp_path: Path, level: str, wanted: str) -> None:
        query = (
            "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only') AS v"
        )
        options = {"query": query, "isolation_level": level}
        result = crossdock.copy(filled, tmp_path / "q.parquet", source_options=options)
        assert pq.read_table(tmp_path / "q.parquet")["v"].to_pylist() == [f"{wanted}on"]
        assert any("snapshot" in note for note in result.notes) == (level == "ReadCommitted")

    def test_a_query_that_takes_too_long(self, filled: str, tmp_path: Path) -> None:
        """Tried again, as somebody else's work may have made it slow; then it is said which option it was."""
        options = {"query": "SELECT pg_sleep(30)::text AS v", "query_timeout": "0.2"}
        began = time.monotonic()
        with pytest.raises(crossdock.TransientError, match=r"query_timeout|statement timeout"):
            crossdock.copy(filled, tmp_path / "q.parquet", source_options=options)
        assert time.monotonic() - began < 25

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


def test_a_read_that_fails_does_not_fetch_the_rest(database: str) -> None:
    """Three gigabytes that nobody wants any more."""
    from crossdock import Location, PlanHint
    from crossdock_connectors.sql.postgres import SPEC
    from crossdock_connectors.sql.postgres_config import PostgresConfig

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
