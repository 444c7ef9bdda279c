"""Values of PostgreSQL there and back, through Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from postgres_rows import sql

import crossdock

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
