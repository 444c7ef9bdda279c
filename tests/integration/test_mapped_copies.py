"""What mappings make of data, copied and read back: types, paths, lists, added columns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import ColumnMapping, ConfigError, ConversionSettings, DataError, MappedColumn

ORDERS = [
    {
        "number": "01", "date": "20170122", "customer": {"name": "Ann", "vip": True},
        "orders": [{"prod": "p1", "price": 23}, {"prod": "p2", "price": 13}], "city": [{"name": "Seattle"}],
    },
    {"number": "02", "date": "20170123", "customer": None, "orders": [], "city": []},
    {
        "number": "03", "date": "20170124", "customer": {"name": "Bob", "vip": False},
        "orders": [{"prod": "p3", "price": None}], "city": [{"name": "Rome"}, {"name": "Oslo"}],
    },
]  # fmt: skip


def orders(folder: Path) -> Path:
    path = folder / "orders.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ORDERS))
    return path


def table(path: Path) -> pa.Table:
    return pq.read_table(path)


def test_types_by_the_short_form(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,sum,day,word\n1,2.50,2024-05-01,x\n2,-3,2024-05-02,\n")
    crossdock.copy(
        tmp_path / "a.csv",
        tmp_path / "a.parquet",
        map="id:int16=n,sum:decimal(9,2),day:timestamp=at,word",
        verify=True,
    )
    found = table(tmp_path / "a.parquet")
    assert found.schema.types == [pa.int16(), pa.decimal128(9, 2), pa.timestamp("us"), pa.string()]
    assert found.to_pylist() == [
        {"n": 1, "sum": Decimal("2.50"), "at": datetime(2024, 5, 1), "word": "x"},
        {"n": 2, "sum": Decimal("-3.00"), "at": datetime(2024, 5, 2), "word": None},
    ]


def test_lists_are_unfolded_with_what_is_around_them(tmp_path: Path) -> None:
    columns = (
        MappedColumn(("orderNumber",), path="$['number']"),
        MappedColumn(("orderDate",), path="$.date", type="date", format="yyyyMMdd"),
        MappedColumn(("order_pd",), path="['prod']"),
        MappedColumn(("order_price",), path="price"),
        MappedColumn(("city",), path="$['city'][0]['name']"),
        MappedColumn(("vip",), path="$.customer.vip"),
    )
    crossdock.copy(
        orders(tmp_path),
        tmp_path / "o.parquet",
        map=ColumnMapping(columns, unfold="$['orders']"),
        verify=True,
    )
    names = ["orderNumber", "orderDate", "order_pd", "order_price", "city", "vip"]
    assert table(tmp_path / "o.parquet").to_pylist() == [
        dict(zip(names, row, strict=True))
        for row in [
            ("01", date(2017, 1, 22), "p1", 23, "Seattle", True),
            ("01", date(2017, 1, 22), "p2", 13, "Seattle", True),
            ("03", date(2017, 1, 24), "p3", None, "Rome", False),
        ]
    ]


def test_a_path_to_nothing_is_null_and_told(tmp_path: Path) -> None:
    columns = (
        MappedColumn(("a",), path="$.number"),
        MappedColumn(("b",), path="$.custmer.name", type="int64"),
    )
    result = crossdock.copy(orders(tmp_path), tmp_path / "o.parquet", map=ColumnMapping(columns))
    found = table(tmp_path / "o.parquet")
    assert (found["b"].type, found["b"].null_count) == (pa.int64(), 3)
    assert "orders.jsonl has nothing at $.custmer.name: b is null there" in result.notes


def test_columns_become_fields_of_objects(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,street,town\n1,x,y\n")
    columns = (
        MappedColumn(("id",), "id"),
        MappedColumn(("address", "street"), "street"),
        MappedColumn(("address", "place", "town"), "town"),
    )
    crossdock.copy(tmp_path / "a.csv", tmp_path / "a.jsonl", map=ColumnMapping(columns), verify=True)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "id": 1,
        "address": {"street": "x", "place": {"town": "y"}},
    }


def test_nested_values_become_json_for_a_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}#orders"
    crossdock.copy(orders(tmp_path), url, map=ColumnMapping(nested_as_text=True))
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        rows = database.execute("select number, customer, orders from orders order by 1").fetchall()
    assert [(number, json.loads(c) if c else None, json.loads(o)) for number, c, o in rows] == [
        (row["number"], row["customer"], row["orders"]) for row in ORDERS
    ]


@pytest.mark.parametrize("merged", [False, True])
def test_added_columns_of_files(tmp_path: Path, merged: bool) -> None:
    for name in ("a", "deep/b"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"{name}.csv").write_text(f"id\n{name[-1]}\n")
    sink = tmp_path / ("all.parquet" if merged else "out")
    crossdock.copy(
        f"{tmp_path}/in/**/*.csv",
        sink if merged else f"{sink}/",
        sink_format="parquet",
        add_columns={"run": "r 1", "file": "$$FILEPATH", "again": "$$COLUMN:id"},
        verify=True,
    )
    files = [sink] if merged else sorted(sink.rglob("*.parquet"))
    rows = [row for path in files for row in table(path).to_pylist()]
    assert rows == [
        {"id": "a", "file": "a.csv", "run": "r 1", "again": "a"},
        {"id": "b", "file": "deep/b.csv", "run": "r 1", "again": "b"},
    ]


def test_added_columns_are_mapped_and_go_to_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n7\n")
    url = f"sqlite:///{tmp_path / 'a.db'}#t"
    crossdock.copy(
        tmp_path / "a.csv", url, map="batch:int64=b,id,file=f", add_columns=["batch=12", "file=$$FILEPATH"]
    )
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        assert database.execute("select b, id, f from t").fetchall() == [(12, 7, "a.csv")]
    # And out of a table.
    crossdock.copy(url, tmp_path / "t.csv", add_columns={"from": "t", "c": "$$COLUMN:b"})
    assert (tmp_path / "t.csv").read_text() == 'b,id,f,from,c\n12,7,"a.csv","t",12\n'


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"add_columns": {"f": "$$FILEPATH"}}, "--add-column f: .*needs files, and sqlite has tables"),
        ({"add_columns": {"id": "1"}}, "has a column 'id' of its own"),
        ({"add_columns": {"x": "$$COLUMN:idd"}}, "no column 'idd' to map; did you mean 'id'"),
        ({"map": "id:date"}, "values of type int64 are not converted to date32"),
        ({"map": ColumnMapping((MappedColumn(("a",), ordinal=3),))}, "so there is no column 3"),
        ({"map": ColumnMapping((MappedColumn(("a",), path="$..x"),))}, "the path .* cannot be read"),
        ({"map": ColumnMapping((MappedColumn(("a",), "id", type="in64"),))}, "unknown type .*mean int64"),
        ({"map": ColumnMapping(unfold="$.id")}, "there is no list at"),
        (
            {"map": ColumnMapping(conversion=ConversionSettings(culture="xx-YY"),
                                  columns=(MappedColumn(("a",), "id", type="string"),))},
            "the culture 'xx-YY' is not known",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_said_before_anything(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.executescript("create table t (id integer); insert into t values (1)")
    with pytest.raises(crossdock.UserError, match=said):
        crossdock.copy(f"sqlite:///{tmp_path / 'a.db'}#t", tmp_path / "t.csv", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "t.csv").exists()


def test_a_value_that_cannot_be_converted_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{n},x\n" for n in range(30_000))
    (tmp_path / "a.csv").write_text(f"id,word\n{rows}{'9' * 100},y\n")
    with pytest.raises(DataError) as caught:
        crossdock.copy(
            tmp_path / "a.csv",
            tmp_path / "a.parquet",
            source_options={"infer": "false"},
            map="id:int32",
            parallel_copies=1,
        )
    assert caught.value.message == (
        f"row 30,001 of a.csv, column 'id': '{'9' * 60}...' cannot be converted to int32"
    )
    assert not (tmp_path / "a.parquet").exists()


def test_rows_whose_values_cannot_be_converted_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,word\n1,x\nn/a,y\n3,z\n2147483648,w\n")
    result = crossdock.copy(
        tmp_path / "a.csv",
        tmp_path / "a.parquet",
        source_options={"infer": "false"},
        map="id:int32,word",
        skip_rows=True,
        verify=True,
    )
    assert table(tmp_path / "a.parquet").to_pylist() == [{"id": 1, "word": "x"}, {"id": 3, "word": "z"}]
    assert result.output()["rowsSkipped"] == 2


def test_mapping_and_unfolding_in_a_staged_copy(tmp_path: Path) -> None:
    columns = (MappedColumn(("n",), path="$.number", type="int64"), MappedColumn(("p",), path="prod"))
    crossdock.copy(
        orders(tmp_path),
        tmp_path / "o.csv",
        map=ColumnMapping(columns, unfold="orders", added=(("file", "$$FILEPATH"),)),
        stage=tmp_path / "stage",
        verify=True,
    )
    assert (tmp_path / "o.csv").read_text() == 'n,p\n1,"p1"\n1,"p2"\n3,"p3"\n'


def test_names_with_spaces_and_wide_decimals_go_to_parquet(tmp_path: Path) -> None:
    """Data Factory takes neither."""
    (tmp_path / "a.csv").write_text("a b,{c}\n12345678901234567890123456789012345.678,1\n")
    crossdock.copy(
        tmp_path / "a.csv",
        tmp_path / "a.parquet",
        source_options={"infer": "false"},
        map="a b:decimal(38,3),{c}",
    )
    assert table(tmp_path / "a.parquet").to_pylist() == [
        {"a b": Decimal("12345678901234567890123456789012345.678"), "{c}": "1"}
    ]


def test_a_mapping_of_a_wrong_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n7\n")
    columns = (MappedColumn(("a",), "id"), MappedColumn(("a", "b"), "id"))
    with pytest.raises(ConfigError, match="is a column, and cannot have fields"):
        crossdock.copy(tmp_path / "a.csv", tmp_path / "a.jsonl", map=ColumnMapping(columns))
