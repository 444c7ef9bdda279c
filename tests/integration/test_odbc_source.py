"""The ODBC source through the engine: ranges, queries, types, and a read that is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from odbc_reading import read
from postgres_rows import sql
from servers.psqlodbc import odbc_url

import crossdock
from crossdock import Location, Unit
from crossdock_connectors.sql.odbc import SPEC


class TestFrom:
    def test_ranges_of_the_key_hold_every_row_once(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE TABLE numbers (id bigint PRIMARY KEY, k timestamp, word text)",
            "INSERT INTO numbers SELECT i, CASE WHEN i % 7 > 0 THEN "
            "timestamp '2024-01-01' + i * interval '1 s' END, 'w' || i FROM generate_series(-5, 20000) i",
        )
        for options in ({}, {"partition_column": "k"}):
            shown = crossdock.copy(
                odbc_url(database, "numbers"),
                str(tmp_path / "out.parquet"),
                source_options={"partition_option": "DynamicRange", **options},
                mode="overwrite",
                parallel_copies=3,
            )
            found = pq.read_table(tmp_path / "out.parquet")
            assert sorted(found["id"].to_pylist()) == list(range(-5, 20001))
            assert shown.splits_done > 1
            assert any("not read in one snapshot" in note for note in shown.notes)

    def test_a_query(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE t AS SELECT i, 'w' || i AS w FROM generate_series(1, 50) i")
        found = read(
            odbc_url(database), tmp_path, query="SELECT i AS n, w FROM t WHERE i > 40 ORDER BY i -- last"
        )
        assert found["n"].to_pylist() == list(range(41, 51))

    @pytest.mark.parametrize(
        "query", ["DELETE FROM t", "WITH d AS (DELETE FROM t RETURNING i) SELECT * FROM d", "DROP TABLE t"]
    )
    def test_a_query_that_is_no_select_changes_nothing(
        self, database: str, tmp_path: Path, query: str
    ) -> None:
        sql(database, "CREATE TABLE t AS SELECT 1 AS i")
        with pytest.raises(crossdock.UserError):
            read(odbc_url(database), tmp_path, query=query)
        assert sql(database, "SELECT count(*) FROM t") == [(1,)]

    def test_all_tables_of_a_schema(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            'CREATE SCHEMA "a.b"',
            'CREATE TABLE "a.b"."x;--" AS SELECT 1 AS i',
            'CREATE TABLE "a.b".y AS SELECT 2 AS i',
            "CREATE TABLE z AS SELECT 3 AS i",
        )
        crossdock.copy(
            odbc_url(database),
            f"{tmp_path}/out/",
            sink_format="parquet",
            source_options={"schema_name": "a.b"},
        )
        found = {path.name: pq.read_table(path)["i"].to_pylist() for path in (tmp_path / "out").iterdir()}
        assert sorted(found.values()) == [[1], [2]]

    def test_a_table_that_is_close(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE orders AS SELECT 1 AS i")
        with pytest.raises(crossdock.NotFoundError, match=r"did you mean public\.orders"):
            read(odbc_url(database, "Order"), tmp_path)

    def test_types(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE TABLE t AS SELECT true AS b, 5e-324::float8 AS f, 1e-45::float4 AS r, 2::smallint AS s, "
            "0.125::numeric(12,3) AS n, "
            "'9999-12-31 23:59:59.999999'::timestamp AS ts, '0001-01-01'::date AS d, "
            "'😀'::varchar(10) AS v, '\\x00ff'::bytea AS y, '12:00:00.000001'::time AS tm",
        )
        found = read(odbc_url(database, "t"), tmp_path)
        kinds = [
            "bool",
            "double",
            "float",
            "int16",
            "decimal128(12, 3)",
            "timestamp[us]",
            "date32[day]",
            "string",
            "binary",
            "time64[us]",
        ]
        assert [str(kind) for kind in found.schema.types] == kinds
        row = found.to_pylist()[0]
        assert (row["f"], row["n"], row["v"], row["y"]) == (5e-324, Decimal("0.125"), "😀", b"\x00\xff")
        assert [str(row[name]) for name in ("ts", "d", "tm")] == [
            "9999-12-31 23:59:59.999999",
            "0001-01-01",
            "12:00:00.000001",
        ]

    @pytest.mark.parametrize("value", ["0.123456789", "'NaN'"])
    def test_a_decimal_that_would_change_is_an_error(self, database: str, tmp_path: Path, value: str) -> None:
        """What is declared without a scale has six digits for the driver, and NaN was 0."""
        sql(database, "CREATE TABLE t (n numeric)", f"INSERT INTO t VALUES ({value})")
        with pytest.raises(crossdock.DataError, match=r"t\.n has a value .*decimals=text"):
            read(odbc_url(database, "t"), tmp_path)
        found = read(odbc_url(database, "t"), tmp_path, decimals="text")
        assert found["n"].to_pylist() == [value.strip("'")]

    @pytest.mark.parametrize(("kind", "option"), [("text", "max_text_size"), ("bytea", "max_binary_size")])
    def test_a_long_value_is_an_error_that_names_column_and_option(
        self, database: str, tmp_path: Path, kind: str, option: str
    ) -> None:
        value = "repeat('x', 50000)" if kind == "text" else "decode(repeat('00', 50000), 'hex')"
        sql(
            database,
            f"CREATE TABLE t (short text, other {kind}, long {kind})",
            f"INSERT INTO t VALUES ('x', null, {value})",
        )
        with pytest.raises(
            crossdock.DataError, match=rf"t: a value of the column long is longer .* {option}"
        ):
            read(odbc_url(database, "t"), tmp_path, **{option: "1000"})
        found = read(odbc_url(database, "t"), tmp_path, **{option: "60000"})
        assert len(found["long"][0].as_py()) == 50000

    def test_a_query_that_takes_too_long(self, database: str, tmp_path: Path) -> None:
        options = {"query_timeout": "1", "query": "SELECT pg_sleep(60)::text AS slept"}
        began = time.monotonic()
        with pytest.raises(crossdock.TransientError, match="timeout"):
            read(odbc_url(database), tmp_path, **options)
        assert time.monotonic() - began < 50

    def test_isolation(self, database: str, tmp_path: Path) -> None:
        found = read(
            odbc_url(database), tmp_path, isolation_level="Serializable",
            query="SELECT current_setting('transaction_isolation') AS level",
        )  # fmt: skip
        assert found["level"].to_pylist() == ["serializable"]


class TestStopping:
    def test_a_lock_wait_ends(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE t (id bigint)", "INSERT INTO t VALUES (1)")
        source = SPEC.open_source(SPEC.config(), Location.parse(odbc_url(database, "t")))  # type: ignore[misc]
        split = next(iter(source.plan(Unit("t"), crossdock.PlanHint())))
        raised: list[BaseException] = []

        def carry() -> None:
            try:
                with source.read(split) as items:
                    list(items)
            except BaseException as error:  # noqa: BLE001 - looked at below
                raised.append(error)

        with dbapi.connect(database) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            reader = threading.Thread(target=carry)
            reader.start()
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            _until(lambda: sql(database, waits) == [(1,)])
            began = time.monotonic()
            source.cancel()
            reader.join(30)
            assert time.monotonic() - began < 15
        assert [type(error) for error in raised] == [crossdock.CancelledError]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
