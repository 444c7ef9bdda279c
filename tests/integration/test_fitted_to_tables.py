"""Rows that are added to a table become what its columns are, where they stay what they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postgres_rows import sql
from servers.psqlodbc import odbc_url
from tests.servers.sql_server import on_fake

import crossdock

_COLUMNS = (
    "n int, s smallint, amount decimal(9,2), zip varchar(5), day date, at {moment}, share {float}, ok {bool}"
)
_NAMES = "n, s, amount, zip, day, at, share, ok"


@dataclass
class Table:
    """An empty table with a column of each kind. ``skips``: its sink can leave rows out."""

    address: str
    run: Callable[[str], Any]
    options: dict[str, str] = field(default_factory=dict)
    skips: bool = True

    def add(self, source: Path, **more: Any) -> crossdock.CopyResult:
        return crossdock.copy(source, self.address, mode="append", sink_options=self.options, **more)

    def rows(self) -> list[tuple[str, ...]]:
        return [tuple(map(str, row)) for row in self.run(f"SELECT {_NAMES} FROM {{s}}.t ORDER BY n")]


@pytest.fixture(params=["sql server", "postgresql", "odbc"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    if request.param == "sql server":
        columns = _COLUMNS.format(moment="datetime2", float="float", bool="bit")
        with on_fake(request.getfixturevalue("tds")) as server:
            server.run(f"CREATE TABLE {{s}}.t ({columns})")
            yield Table(server.url("t"), server.run, server.options)
        return
    database = request.getfixturevalue("database")
    sql(database, f"CREATE TABLE t ({_COLUMNS.format(moment='timestamp', float='float8', bool='boolean')})")
    address = odbc_url(database, "t") if request.param == "odbc" else f"{database}#t"
    yield Table(address, lambda text: sql(database, text.format(s="public")), skips=request.param != "odbc")


HEAD = "n,s,amount,zip,day,at,share,ok\n"
FIRST = "1,2,3,01234,2024-05-01,2024-05-01,5,true\n"
ROWS = [
    ("1", "2", "3.00", "01234", "2024-05-01", "2024-05-01 00:00:00", "5.0", "True"),
    ("7", "None", "1.50", "99999", "2024-05-02", "2024-05-02 00:00:00", "0.25", "False"),
]


def test_of_csv(table: Table, tmp_path: Path) -> None:
    """As Data Factory does without a mapping; a code of digits stays the text that it is."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + FIRST + "7,,1.50,99999,2024-05-02,2024-05-02,0.25,false\n")
    table.add(path, verify=True)
    assert table.rows() == ROWS


@pytest.mark.parametrize(
    "wrong", ["3000000000,2,3,a,{0},5", "8,2,3.125,a,{0},5", "8,2,3,a,{0},9007199254740993"]
)
def test_of_csv_that_does_not_fit(table: Table, tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEAD}{FIRST}{wrong.format('2024-05-01,2024-05-01')},true\n")
    with pytest.raises(crossdock.DataError):
        table.add(path)
    assert table.rows() == []
    if table.skips:
        assert table.add(path, skip_rows=True).rows_skipped == 1
        assert table.rows() == ROWS[:1]


def typed(path: Path, number: Any = "1") -> Path:
    """Its types are others than the table's, and wider ones."""
    columns = {
        "n": pa.array([number]), "s": pa.array([2], pa.int64()),
        "amount": pa.array([Decimal(3)], pa.decimal128(20, 4)), "zip": pa.array(["01234"]),
        "day": pa.array([dt.date(2024, 5, 1)]), "at": pa.array([dt.date(2024, 5, 1)]),
        "share": pa.array([5], pa.int32()),
        "ok": pa.array([True]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)
    return path


def test_of_other_types(table: Table, tmp_path: Path) -> None:
    table.add(typed(tmp_path / "a.parquet"), verify=True)
    assert table.rows() == ROWS[:1]


@pytest.mark.parametrize("wrong", [2**31, "a"])
def test_of_other_types_that_does_not_fit(table: Table, tmp_path: Path, wrong: Any) -> None:
    path = typed(tmp_path / "a.parquet", wrong)
    with pytest.raises(crossdock.DataError, match=r"column 'n': .* cannot be converted to int32"):
        table.add(path)
    assert table.rows() == []


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("amount", "1,5"),
        ("share", "9007199254740993"),
        ("at", "2024-06-01T12:00:00+02:00"),
        ("at", "03/04/2024"),
    ],
)
def test_of_texts_that_would_change(
    table: Table, request: pytest.FixtureRequest, tmp_path: Path, column: str, text: str
) -> None:
    if column == "at" and "postgresql" in request.node.callspec.id:
        pytest.skip("the database itself reads texts of moments")
    good = dict(zip(_NAMES.split(", "), FIRST.strip().split(","), strict=True))
    rows = [good, good | {"n": "8", column: text}]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    if table.skips:
        assert table.add(path, skip_rows=True).rows_skipped == 1
        assert table.rows() == ROWS[:1]
        return
    with pytest.raises(crossdock.DataError, match=f"column '{column}': .* cannot be converted"):
        table.add(path)
    assert table.rows() == []


def test_columns_whose_names_differ_in_case_alone(database: str, tmp_path: Path) -> None:
    sql(database, 'CREATE TABLE t ("A" text, a int)')
    (tmp_path / "a.csv").write_text("a,A\n1,007\n")
    crossdock.copy(tmp_path / "a.csv", f"{database}#t", mode="append")
    assert sql(database, 'SELECT a, "A" FROM t') == [(1, "007")]
