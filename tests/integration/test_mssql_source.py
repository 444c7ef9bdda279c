"""SQL Server as a source, on our own TDS server and on a live one: tables, queries, procedures, in parts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock import ConfigError, Location, PlanHint
from crossdock_connectors.sql.mssql import SPEC
from crossdock_connectors.sql.mssql_columns import columns_of, listed
from crossdock_connectors.sql.mssql_config import MssqlConfig
from crossdock_connectors.sql.mssql_source import MssqlSource


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


@pytest.fixture
def keyed(server: SqlServer) -> SqlServer:
    """100 rows with the keys 1 to 100, and one without."""
    values = ", ".join(f"({k}, N'v{k}')" for k in range(1, 101))
    server.run(
        "CREATE TABLE {s}.keyed (k int, v nvarchar(20))",
        f"INSERT INTO {{s}}.keyed (k, v) VALUES {values}, (NULL, N'none')",
    )
    return server


EVERY = sorted([*(f"v{k}" for k in range(1, 101)), "none"])


def source(server: SqlServer, table: str = "", **options: Any) -> MssqlSource:
    assert SPEC.open_source is not None
    config = MssqlConfig(**{**server.options, **options})
    opened = SPEC.open_source(config, Location.parse(server.url(table)))
    assert isinstance(opened, MssqlSource)
    return opened


def parts(opened: MssqlSource, hint: PlanHint | None = None) -> list[pa.Table]:
    """One table per split."""
    with closing(opened):
        unit = next(iter(opened.units())).units[0]
        schema, found = opened.schema(unit), []
        for split in opened.plan(unit, hint or PlanHint()):
            with opened.read(split) as items:
                found.append(pa.Table.from_batches(items, schema))
        return found


def test_bounds_as_data_factory_sets_them(keyed: SqlServer) -> None:
    """The worked example of its documentation, with a row that has no key."""
    options = {"partition_option": "DynamicRange", "partition_column": "k"}
    bounds = {"partition_lower_bound": "20", "partition_upper_bound": "80"}
    found = parts(source(keyed, "keyed", **options, **bounds), PlanHint(parallel=4, max_splits=4))
    keys = [sorted(k for k in part["k"].to_pylist() if k is not None) for part in found]
    assert [(each[0], each[-1]) for each in keys] == [(1, 20), (21, 50), (51, 80), (81, 100)]
    assert [part["v"].to_pylist().count("none") for part in found] == [1, 0, 0, 0]


def test_measured_bounds_hold_every_row_once(keyed: SqlServer) -> None:
    options = {"partition_option": "DynamicRange", "partition_column": "k"}
    found = parts(source(keyed, "keyed", **options), PlanHint(parallel=4, max_splits=5))
    assert len(found) == 5
    assert sorted(pa.concat_tables(found)["v"].to_pylist()) == EVERY


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [("date", "2020-01-01", "2020-12-31"), ("bigint", "-5000000000", "5000000000"),
     ("datetime2(7)", "2020-01-01T00:00:00", "2020-12-31T23:59:59.9999999"),
     ("datetime", "2020-01-01T00:00:00.000", "2020-12-31T23:59:59.997")],
)  # fmt: skip
def test_keys_that_can_be_cut(server: SqlServer, kind: str, first: str, last: str) -> None:
    server.run(
        f"CREATE TABLE {{s}}.t (k {kind}, n int)",
        "INSERT INTO {s}.t (k, n) VALUES (NULL, 3), "
        f"(CAST('{first}' AS {kind}), 1), (CAST('{last}' AS {kind}), 2)",
    )
    options = {"partition_option": "DynamicRange", "partition_column": "k"}
    found = parts(source(server, "t", **options), PlanHint(parallel=4, max_splits=4))
    assert len(found) == 4
    assert sorted(pa.concat_tables(found)["n"].to_pylist()) == [1, 2, 3]


def test_the_column_of_ranges_is_found(server: SqlServer) -> None:
    """In the primary key; a text is none."""
    server.run(
        "CREATE TABLE {s}.a (id int NOT NULL PRIMARY KEY)", "INSERT INTO {s}.a (id) VALUES (1), (2), (3)"
    )
    server.run("CREATE TABLE {s}.b (id nvarchar(9) NOT NULL PRIMARY KEY)")
    hint = PlanHint(parallel=3, max_splits=3)
    cut, whole = (source(server, "a", partition_option=option) for option in ("DynamicRange", "None"))
    assert [part["id"].to_pylist() for part in parts(cut, hint)] == [[1], [2], [3]]
    assert any("one snapshot" in note for note in cut.notes())
    assert len(parts(whole, hint)) == 1
    assert not any("one snapshot" in note for note in whole.notes())
    with pytest.raises(ConfigError, match="partition_column"):
        parts(source(server, "b", partition_option="DynamicRange"), hint)
    with pytest.raises(ConfigError, match="only whole numbers"):
        parts(source(server, "b", partition_option="DynamicRange", partition_column="id"), hint)
    with pytest.raises(ConfigError, match="not partitioned"):
        parts(source(server, "a", partition_option="PhysicalPartitionsOfTable"), hint)


def test_the_catalogue_tells_the_same_columns(server: SqlServer) -> None:
    """Where a server describes no statements."""
    kinds = (
        "int", "bigint", "bit", "real", "float", "money", "date", "datetime", "datetime2(3)", "time(2)",
        "datetimeoffset(7)", "decimal(18,4)", "char(5)", "nchar(5)", "varchar(20)", "nvarchar(20)",
        "varchar(max)", "nvarchar(max)", "varbinary(16)", "varbinary(max)", "binary(4)", "uniqueidentifier",
        "xml", "sql_variant",
    )  # fmt: skip
    named = ", ".join(f"[a {kind}] {kind}" for kind in kinds)
    server.run(f"CREATE TABLE {{s}}.t (id int IDENTITY NOT NULL, {named})")
    with server.connect() as connection:
        found = listed(connection, (server.schema, "t"))
        described = columns_of(connection, (server.schema, "t"))
    assert [(each.name, str(each.type)) for each in found[1:]] == [(f"a {kind}", kind) for kind in kinds]
    assert [(c.name, c.type, c.identity, c.collation) for c in found] == [
        (c.name, c.type, c.identity, c.collation) for c in described
    ]


def test_query_in_parts(keyed: SqlServer) -> None:
    query = f"SELECT k, v FROM [{keyed.schema}].keyed WHERE ?AdfDynamicRangePartitionCondition AND v <> N'v7'"
    found = parts(source(keyed, query=query, partition_column="k"), PlanHint(parallel=3))
    assert len(found) == 3
    assert sorted(pa.concat_tables(found)["v"].to_pylist()) == [v for v in EVERY if v != "v7"]


def test_procedure_with_parameters(keyed: SqlServer) -> None:
    keyed.run(
        "CREATE PROCEDURE {s}.some @name nvarchar(20), @k int AS "
        "SELECT k, v FROM {s}.keyed WHERE v = @name OR k = @k"
    )
    given = {
        "procedure": f"{keyed.schema}.some",
        "parameters": {"name": {"value": "v5", "type": "String"}, "k": 9},
    }
    assert sorted(parts(source(keyed, **given))[0]["k"].to_pylist()) == [5, 9]


@pytest.mark.parametrize("level", ["ReadCommitted", "ReadUncommitted", "RepeatableRead", "Serializable"])
def test_isolation_levels(keyed: SqlServer, level: str) -> None:
    assert sorted(parts(source(keyed, "keyed", isolation_level=level))[0]["v"].to_pylist()) == EVERY


def test_partitions_of_the_server(server: SqlServer) -> None:
    if server.fake:
        pytest.skip("the server of the tests has no partitions")
    name = server.schema
    server.run(
        f"CREATE PARTITION FUNCTION [f{name}] (int) AS RANGE RIGHT FOR VALUES (10, 20)",
        f"CREATE PARTITION SCHEME [p{name}] AS PARTITION [f{name}] ALL TO ([PRIMARY])",
    )
    try:
        server.run(
            f"CREATE TABLE {{s}}.t (k int) ON [p{name}] (k)",
            "INSERT INTO {s}.t (k) VALUES (1), (9), (10), (19), (20), (99), (NULL)",
        )
        options = {"partition_option": "PhysicalPartitionsOfTable"}
        found = parts(source(server, "t", **options), PlanHint(parallel=4, max_splits=8))
        keys = [sorted(part["k"].to_pylist(), key=str) for part in found]
        assert keys == [[1, 9, None], [10, 19], [20, 99]]
    finally:
        server.run(
            "DROP TABLE {s}.t", f"DROP PARTITION SCHEME [p{name}]", f"DROP PARTITION FUNCTION [f{name}]"
        )


def test_a_view(server: SqlServer) -> None:
    if server.fake:
        pytest.skip("the server of the tests has no views")
    server.run("CREATE TABLE {s}.t (id int)", "INSERT INTO {s}.t (id) VALUES (1)")
    server.run("CREATE VIEW {s}.v AS SELECT id + 1 AS next FROM {s}.t")
    try:
        assert parts(source(server, "v"))[0].to_pydict() == {"next": [2]}
    finally:
        server.run("DROP VIEW {s}.v")


def test_a_whole_copy_in_parts(server: SqlServer, tmp_path: Path) -> None:
    """Parquet to a new table and back, verified, with several splits each way."""
    rows = pa.table({"id": pa.array(range(20_000), pa.int64()), "v": [f"value {i}" for i in range(20_000)]})
    pq.write_table(rows, tmp_path / "in.parquet", row_group_size=4000)
    crossdock.copy(tmp_path / "in.parquet", server.url("t"), verify=True, sink_options=server.options)
    given = {**server.options, "partition_option": "DynamicRange", "partition_column": "id"}
    crossdock.copy(
        server.url("t"), tmp_path / "out.parquet", verify=True, parallel_copies=2, source_options=given
    )
    found = pq.read_table(tmp_path / "out.parquet").sort_by("id")
    assert found.to_pydict() == rows.to_pydict()
    assert server.tables() == ["_crossdock_ledger", "t"]


class TestSkewedKeys:
    """The slowest range has at most twice the mean; of equally wide ones the first would have half of all."""

    BIG = 200_000
    HINT = PlanHint(parallel=4, max_splits=16)

    @pytest.fixture
    def skewed(self, server: SqlServer) -> SqlServer:
        """In the order of the key, as a clustered index stores it: most keys are small, a few huge."""
        digits = ", ".join(f"({n})" for n in range(10))
        number = "(a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n)"
        tables = " CROSS JOIN ".join(f"{{s}}.digits AS {alias}" for alias in "abcde")
        server.run(
            "CREATE TABLE {s}.digits (n bigint)",
            f"INSERT INTO {{s}}.digits (n) VALUES {digits}",
            "CREATE TABLE {s}.skewed (k bigint NOT NULL PRIMARY KEY, some bigint)",
            f"INSERT INTO {{s}}.skewed (k, some) SELECT {number} * {number} * {number} AS k, "
            f"CASE WHEN {number} % 4 = 0 THEN NULL ELSE {number} * {number} END AS some FROM {tables} "
            "CROSS JOIN {s}.digits AS f WHERE f.n < 2 ORDER BY k",
        )
        return server

    def sizes(self, opened: MssqlSource, hint: PlanHint = HINT) -> list[int]:
        found = parts(opened, hint)
        keys = pa.concat_tables(found)["k"].to_pylist()
        assert sorted(keys) == [n**3 for n in range(self.BIG)]
        return [len(part) for part in found]

    def test_of_a_table(self, skewed: SqlServer) -> None:
        """From pages of the whole table, and not from its first ones."""
        sizes = self.sizes(source(skewed, "skewed", partition_option="DynamicRange"))
        assert len(sizes) == 16
        assert max(sizes) <= 2 * self.BIG / 16

    def test_of_a_query(self, skewed: SqlServer) -> None:
        """TABLESAMPLE is of tables only, not of queries and views."""
        query = f"SELECT k FROM [{skewed.schema}].skewed WHERE ?AdfDynamicRangePartitionCondition"
        sizes = self.sizes(source(skewed, query=query, partition_column="k"))
        assert len(sizes) == 4
        assert max(sizes) <= 2 * self.BIG / 4

    def test_many_rows_without_a_key_have_a_range_of_their_own(self, skewed: SqlServer) -> None:
        options = {"partition_option": "DynamicRange", "partition_column": "some"}
        sizes = self.sizes(source(skewed, "skewed", **options))
        assert sizes[0] == self.BIG / 4
        assert len(sizes) == 16
        assert max(sizes[1:]) <= 2 * self.BIG / 16
