"""A mapping that says Decimal or DateTime: the column of the table that is there says which."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock import ColumnMapping, MappedColumn

MAPPING = ColumnMapping(
    (
        MappedColumn(("id",), "Id", type="int32"),
        MappedColumn(("amount",), "Amount", type="decimal"),
        MappedColumn(("day",), "Day", type="timestamp"),
        MappedColumn(("cost",), "Cost", type="decimal"),
        MappedColumn(("share",), "Share", type="decimal"),
    )
)
TEXT = "Id,Amount,Day,Cost,Share\n1,1.50,2024-05-01,2.25,0.5\n2,22,2024-05-02,,\n"


@pytest.fixture
def table(sql_server: SqlServer) -> SqlServer:
    sql_server.run(
        "CREATE TABLE {s}.orders (id int, amount decimal(9,2), [day] date, cost money, share float)"
    )
    return sql_server


def rows(server: SqlServer) -> list[tuple[str, ...]]:
    found = server.run("SELECT id, amount, [day], cost, share FROM {s}.orders ORDER BY id")
    return [tuple(map(str, row)) for row in found]


WANTED = [("1", "1.50", "2024-05-01", "2.2500", "0.5"), ("2", "22.00", "2024-05-02", "None", "None")]


@pytest.mark.parametrize("staged", [False, True])
def test_texts_become_what_the_table_has(table: SqlServer, tmp_path: Path, staged: bool) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    more = {"stage": str(tmp_path / "stage")} if staged else {}
    crossdock.copy(
        str(tmp_path / "a.csv"), table.url("orders"), mode="append", map=MAPPING,
        sink_options=table.options, **more,
    )  # fmt: skip
    assert rows(table) == WANTED


def test_so_do_dates_and_wider_decimals_of_parquet(table: SqlServer, tmp_path: Path) -> None:
    text = pa.table({"Id": [1, 2], "Amount": ["1.50", "22"], "Day": ["2024-05-01", "2024-05-02"],
                     "Cost": ["2.25", None], "Share": ["0.5", None]})  # fmt: skip
    kinds = [pa.int64(), pa.decimal128(30, 10), pa.date32(), pa.decimal128(19, 4), pa.decimal128(9, 3)]
    columns = [column.cast(kind) for column, kind in zip(text.columns, kinds, strict=True)]
    pq.write_table(pa.table(columns, text.schema.names), tmp_path / "a.parquet")
    crossdock.copy(
        str(tmp_path / "a.parquet"),
        table.url("orders"),
        mode="append",
        map=MAPPING,
        sink_options=table.options,
    )
    assert rows(table) == WANTED


def test_a_table_that_is_made_gets_the_widest(sql_server: SqlServer, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    crossdock.copy(
        str(tmp_path / "a.csv"), sql_server.url("orders"), map=MAPPING, sink_options=sql_server.options
    )
    assert rows(sql_server)[0][1] == "1.500000000000000000"
