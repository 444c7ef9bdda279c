"""Values of PostgreSQL there and back, through Parquet."""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from postgres_rows import sql
from servers.postgres import Postgres

import crossdock

DOCS = Path(__file__).parents[2] / "docs"
TYPES: list[dict[str, Any]] = tomllib.loads((DOCS / "types-postgresql.toml").read_text())["type"]
OWN_TYPES = (
    "CREATE TYPE mood AS ENUM ('happy', 'sad')",
    "CREATE DOMAIN even AS int CHECK (value % 2 = 0)",
    "CREATE TYPE pair AS (a int, b text)",
)
REFUSED = [(each, value) for each in TYPES for value in each.get("refused", ())]


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def logical(path: Path) -> str:
    """The type of the only column but ``n`` as the Parquet file has it."""
    column = pq.ParquetFile(path).schema.column(1)
    found = json.loads(column.logical_type.to_json())
    kind = found["Type"]
    name = {
        "Decimal": lambda: f"DECIMAL({found['precision']},{found['scale']})",
        "Int": lambda: f"INT({found['bitWidth']})",
        "None": lambda: "",
    }.get(kind, kind.upper)()
    if kind in ("Timestamp", "Time"):
        name = f"{kind.upper()}({found['timeUnit']}{', UTC' if found['isAdjustedToUTC'] else ''})"
    nested = "LIST of " if column.max_repetition_level else ""
    return f"{nested}{column.physical_type} {name}".strip()


def created(url: str) -> str:
    """The type of the column ``v`` of the table ``c``, in the words of this page."""
    query = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'v' AND attrelid = "
    ((found,),) = sql(url, f"{query}'c'::regclass")
    return re.sub(r"(time\w*) with(out)? time zone", lambda m: m[1] if m[2] else f"{m[1]}tz", found)


@pytest.fixture(scope="module")
def shared(postgres: Postgres) -> Iterator[str]:
    """One database for all types: making one takes longer than a test."""
    name = f"types_{uuid.uuid4().hex[:12]}"
    url = postgres.create(name)
    sql(url, *OWN_TYPES)
    yield url
    postgres.drop(name)


@pytest.fixture
def database(shared: str) -> str:
    sql(shared, "DROP TABLE IF EXISTS a, b, c, t")
    return shared


class TestTypes:
    @pytest.mark.parametrize("type_", TYPES, ids=lambda each: each["name"])
    def test_round_trip(self, database: str, tmp_path: Path, type_: dict[str, Any]) -> None:
        """To Parquet, and back into a column of the same type: the server's texts are the same."""
        kind, file = type_["name"], tmp_path / "a.parquet"
        rows = ", ".join(f"({n}, {literal(value)})" for n, value in enumerate(type_["values"]))
        sql(
            database,
            f"CREATE TABLE a (n int, v {kind})",
            f"CREATE TABLE b (n int, v {type_.get('back', kind)})",
            f"INSERT INTO a VALUES {rows}, (-1, NULL)",
        )
        crossdock.copy(f"{database}#a", file, verify=True)
        assert str(pq.read_schema(file).field("v").type).replace("element", "item") == type_["arrow"]
        assert logical(file) == type_["parquet"]
        crossdock.copy(file, f"{database}#b", mode="append", verify=True)
        cast = "::numeric" if kind == "money" else ""
        expected = sql(database, f"SELECT n, v{cast}::text FROM a ORDER BY n")
        assert sql(database, "SELECT n, v::text FROM b ORDER BY n") == expected
        assert len(expected) == len(type_["values"]) + 1
        crossdock.copy(file, f"{database}#c")
        assert created(database) == type_["created"]

    @pytest.mark.parametrize(
        ("type_", "value"), REFUSED, ids=[f"{each['name']}-{value}" for each, value in REFUSED]
    )
    def test_what_arrow_cannot_hold(
        self, database: str, tmp_path: Path, type_: dict[str, Any], value: str
    ) -> None:
        """It is refused, or null where that is asked for; what is beside it arrives."""
        values = f"({literal(value)}), ({literal(type_['values'][0])})"
        sql(database, f"CREATE TABLE t (v {type_['name']})", f"INSERT INTO t VALUES {values}")
        with pytest.raises(crossdock.DataError, match=r"the column v has a value|array of arrays") as caught:
            crossdock.copy(f"{database}#t", tmp_path / "t.parquet")
        assert (caught.value.side, caught.value.exit_code) == ("source", 2)
        assert not (tmp_path / "t.parquet").exists()
        if type_["arrow"].startswith("list"):
            return
        options = {"unrepresentable": "null"}
        crossdock.copy(f"{database}#t", tmp_path / "t.parquet", source_options=options)
        found = pq.read_table(tmp_path / "t.parquet")["v"]
        assert (found[0].is_valid, found[1].is_valid) == (False, True)

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
