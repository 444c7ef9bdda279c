"""What an ODBC source reads in parallel, and what a procedure gives; on a real PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from postgres_rows import BIG, sql
from servers.psqlodbc import odbc_url

import crossdock
from crossdock import Location, PlanHint, Source, Unit
from crossdock_connectors.sql import odbc_dialects, odbc_partition
from crossdock_connectors.sql.odbc import SPEC
from crossdock_connectors.sql.odbc_connection import Connection

RANGES = {"partition_option": "DynamicRange", "partition_column": "k"}


def opened(url: str, table: str = "", **options: Any) -> Source[Any]:
    assert SPEC.open_source is not None
    return SPEC.open_source(
        SPEC.config.model_validate(RANGES | options), Location.parse(odbc_url(url, table))
    )


def counts(url: str, source: Source[Any], unit: str, most: int = 0) -> list[int]:
    """The rows of each split, of two copies at once."""
    from crossdock_connectors.sql.odbc_source import unpack

    found = []
    for split in source.plan(Unit(unit), PlanHint(parallel=2, most=most)):
        text = unpack(split.token).sql.replace("{ts", "").replace("}", "")
        found.append(sql(url, f"SELECT count(*) FROM ({text}) s")[0][0])
    return found


class TestSkewed:
    """Nine tenths of the keys are in a tenth of their width, and every seventh row has none."""

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Samples as small beside the table as they are of one with a hundred times the rows."""
        monkeypatch.setattr(odbc_partition, "_SAMPLE", 2000)

    @pytest.mark.parametrize("of", ["a table", "a view", "a query", "a small table"])
    def test_the_largest_range_has_at_most_twice_the_mean(self, filled: str, of: str) -> None:
        sql(
            filled, "CREATE VIEW seen AS SELECT * FROM numbers",
            f"CREATE TABLE few AS SELECT * FROM numbers WHERE id > {BIG - 5000} OR id < 3000",
        )  # fmt: skip
        query = "SELECT id, timestamp '2020-01-01' + k * interval '1 s' AS k FROM numbers"
        tables = {"a table": "numbers", "a view": "seen", "a small table": "few"}
        table = tables.get(of, "")
        source = opened(filled, table, **({} if table else {"query": query}))
        found = counts(filled, source, table or "query")
        assert len(found) == 8
        assert sum(found) == (7999 if of == "a small table" else BIG)
        assert max(found) <= 2 * sum(found) / 8

    @pytest.mark.parametrize("drawn", [True, False])
    def test_of_a_database_of_which_nothing_is_known(
        self, filled: str, monkeypatch: pytest.MonkeyPatch, drawn: bool
    ) -> None:
        """Rows are drawn with ODBC's own function; without it ranges are equally wide."""
        known = odbc_dialects.KNOWN["postgresql"]
        bare = odbc_dialects.Known(schema=known.schema, attributes=known.attributes)
        monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", bare)
        monkeypatch.setattr(odbc_partition, "_RAND", 1 << 17 if drawn else 0)
        found = counts(filled, opened(filled, "numbers"), "numbers")
        assert sum(found) == BIG
        assert (max(found) <= 2 * BIG / 8) == drawn

    def test_a_draw_that_is_one_for_all_rows_is_not_believed(
        self, filled: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = odbc_dialects.KNOWN["postgresql"]
        once = odbc_dialects.Known(
            schema=known.schema, attributes=known.attributes, drawn="(SELECT 0) < {share}"
        )
        monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", once)
        asked, run = [], Connection.run

        def noted(self: Connection, text: str) -> list[tuple[Any, ...]]:
            asked.append(run(self, text))
            return asked[-1]

        monkeypatch.setattr(Connection, "run", noted)
        assert sum(counts(filled, opened(filled, "numbers"), "numbers")) == BIG
        assert max(map(len, asked)) < 1000


class TestRanges:
    def test_bounds_and_what_is_beyond_them(self, filled: str) -> None:
        options = {"partition_lower_bound": "1000", "partition_upper_bound": "5000"}
        for most, splits in ((0, 8), (24, 24)):
            found = counts(filled, opened(filled, "numbers", **options), "numbers", most)
            assert len(found) == splits
            assert sum(found) == BIG

    def test_a_place_for_the_condition(self, filled: str, tmp_path: Path) -> None:
        query = "SELECT k, count(*) AS n FROM numbers WHERE ?AdfDynamicRangePartitionCondition GROUP BY k"
        crossdock.copy(
            odbc_url(filled),
            tmp_path / "q.parquet",
            parallel_copies=2,
            source_options=RANGES | {"query": query},
        )
        found = pq.read_table(tmp_path / "q.parquet").to_pylist()
        wanted = sql(filled, "SELECT k, count(*) AS n FROM numbers GROUP BY k")
        assert sorted([(row["k"], row["n"]) for row in found], key=str) == sorted(wanted, key=str)

    def test_the_key_that_is_there(self, database: str) -> None:
        sql(database, "CREATE TABLE t AS SELECT i AS id, 1000 - i AS k FROM generate_series(1, 400) i")
        with pytest.raises(crossdock.ConfigError, match="no primary key to cut by"):
            counts(database, opened(database, "t", partition_column=""), "t")
        sql(database, "ALTER TABLE t ADD PRIMARY KEY (id)", "CREATE INDEX by_k ON t (k)")
        for column in ("id", "k"):
            found = counts(database, opened(database, "t", partition_column=""), "t")
            assert (len(found), sum(found)) == (8, 400)
            source = opened(database, "t", partition_column="")
            tokens = [split.token for split in source.plan(Unit("t"), PlanHint(parallel=2))]
            assert all(f'\\"{column}\\" <'.encode() in token for token in tokens[:-1])
            sql(database, "CLUSTER t USING by_k")

    def test_moments_within_a_second(self, database: str) -> None:
        sql(database, "CREATE TABLE t AS SELECT timestamp '2024-01-01 12:00:00.5' + i * interval '1 ms' AS k "
            "FROM generate_series(1, 400) i")  # fmt: skip
        found = counts(database, opened(database, "t"), "t")
        assert (len(found), sum(found), max(found) <= 100) == (8, 400, True)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"partition_lower_bound": "5", "partition_upper_bound": "1"}, "is above"),
            ({"partition_lower_bound": "a", "partition_upper_bound": "b"}, "'a' is no int32"),
            ({"partition_lower_bound": "5"}, "go together"),
            ({"partition_column": "x"}, "no such column"),
        ],
    )
    def test_wrong_requests(self, filled: str, options: dict[str, str], words: str) -> None:
        with pytest.raises(crossdock.ConfigError, match=words):
            counts(filled, opened(filled, "numbers", **options), "numbers")
        query = "SELECT 1 AS a WHERE ?AdfDynamicRangePartitionCondition"
        with pytest.raises(crossdock.ConfigError, match="needs partition_option=DynamicRange"):
            opened(filled, query=query, partition_option="None", partition_column="")


class TestProcedures:
    def test_its_rows(self, database: str, tmp_path: Path) -> None:
        """Its columns are found out by a call that is taken back."""
        sql(
            database,
            "CREATE TABLE calls (n int)",
            "CREATE FUNCTION made(n int, w text, at timestamp, yes boolean, f float8, nothing int) "
            "RETURNS TABLE (i int, word text, moment timestamp, ok boolean) LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO calls VALUES (n); RETURN QUERY SELECT j, made.w || j, made.at, made.yes "
            "FROM generate_series(1, made.n) j WHERE made.f = 0.5 AND made.nothing IS NULL; END $$",
        )
        values = '{"n": 3, "w": {"value": "it\'s ?", "type": "String"}, "f": 0.5, "nothing": null}'
        given = '"at": {"value": "2024-05-01T12:00:00", "type": "DateTime"}, "yes": true, "f"'
        crossdock.copy(
            odbc_url(database), tmp_path / "p.parquet",
            source_options={"procedure": "public.made", "parameters": values.replace('"f"', given)},
        )  # fmt: skip
        found = pq.read_table(tmp_path / "p.parquet")
        at = datetime(2024, 5, 1, 12)
        assert [(row["i"], row["word"], row["moment"]) for row in found.to_pylist()] == [
            (i, f"it's ?{i}", at) for i in (1, 2, 3)
        ]
        assert sql(database, "SELECT n FROM calls") == [(3,)]

    def test_wrong_requests(self, database: str) -> None:
        for options, table, words in (
            ({"procedure": "p", "partition_option": "None"}, "t", "one of a table, a query and a procedure"),
            ({"procedure": "nothing.like_this", "partition_option": "None"}, "", "nothing"),
        ):
            with pytest.raises(crossdock.UserError, match=words):
                counts(database, opened(database, table, **{"partition_column": ""} | options), "like_this")
