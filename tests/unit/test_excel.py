"""Excel workbooks that openpyxl writes: sheets, ranges, types, damage."""

from __future__ import annotations

import datetime as dt
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

import crossdock
from crossdock import ConfigError, DataError, NotSupportedError, ObjectInfo, PlanHint
from crossdock_connectors.formats import excel_format
from crossdock_connectors.formats.excel import SPEC
from crossdock_connectors.formats.excel_config import ExcelConfig

DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 58)
ROWS = [
    ["id", "ratio", "name", "day", "at", "flag", "mixed", "none"],
    [1, 0.5, "żółć", DAY, MOMENT, True, 1, None],
    [2, 2, None, None, None, False, "x", None],
    [2**40, -1.25, "007", dt.date(1999, 1, 1), MOMENT, True, 2.5, None],
]


def book(rows: list[list[Any]] = ROWS, row: int = 1, column: int = 1) -> bytes:
    made, out = openpyxl.Workbook(), io.BytesIO()
    sheet = made.active
    assert sheet is not None
    sheet.title = "first"
    for index, values in enumerate(rows):
        for place, value in enumerate(values):
            sheet.cell(row + index, column + place, value)
    made.create_sheet("second").append(["other"])
    made["second"].append([7])
    made.save(out)
    return out.getvalue()


def read(data: bytes, **options: Any) -> pa.Table:
    fmt, info = SPEC.open_format(ExcelConfig(**options)), ObjectInfo("in/some.xlsx", len(data), "v1")
    schema = fmt.schema(io.BytesIO(data), info)
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(parallel=4), 1000)
    with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
        return pa.Table.from_batches(batches, schema)


def test_types_follow_the_values() -> None:
    table = read(book())
    kinds = ["int64", "double", "string", "date32[day]", "timestamp[us]", "bool", "string", "string"]
    assert [str(field.type) for field in table.schema] == kinds
    assert table.schema.names == ROWS[0]
    assert [list(row.values()) for row in table.to_pylist()] == [
        [1, 0.5, "żółć", DAY, MOMENT, True, "1", None],
        [2, 2.0, None, None, None, False, "x", None],
        [2**40, -1.25, "007", dt.date(1999, 1, 1), MOMENT, True, "2.5", None],
    ]


def test_types_that_are_given() -> None:
    table = read(book(), types="id:string,ratio:decimal(10,2),day:timestamp")
    assert [str(v) for v in table["ratio"].to_pylist()] == ["0.50", "2.00", "-1.25"]
    assert table["id"].to_pylist() == ["1", "2", str(2**40)]
    assert table["day"].to_pylist()[0] == dt.datetime(2024, 2, 29)
    with pytest.raises(DataError, match=r"in/some\.xlsx, rows 1 to 3, column 'name': a value is no int64"):
        read(book(), types="name:int64")


def test_sheets() -> None:
    assert read(book(), sheet_name="second").to_pylist() == [{"other": 7}]
    assert read(book(), sheet_index=1).to_pylist() == [{"other": 7}]
    with pytest.raises(ConfigError, match=r"has no sheet 'secnd'; did you mean second\?"):
        read(book(), sheet_name="secnd")
    with pytest.raises(ConfigError, match="has 2 sheets and none with the index 2"):
        read(book(), sheet_index=2)


@pytest.mark.parametrize(("row", "column"), [(1, 1), (4, 3)])
def test_ranges(row: int, column: int) -> None:
    data = book([["a", "b", "c"], [1, 2, 3], [4, 5, 6]], row, column)
    first = openpyxl.utils.get_column_letter(column)
    second = openpyxl.utils.get_column_letter(column + 1)
    assert read(data).to_pylist() == [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    assert read(data, range=f"{second}{row}").to_pylist() == [{"b": 2, "c": 3}, {"b": 5, "c": 6}]
    assert read(data, range=f"{first}{row}:{second}{row + 1}").to_pylist() == [{"a": 1, "b": 2}]
    assert read(data, range=f"${second}${row + 2}", header=False).to_pylist() == [{"Prop_0": 5, "Prop_1": 6}]
    assert read(data, range="XFA1000").num_rows == 0


def test_cells_around_the_first_one_are_empty() -> None:
    data = book([["a"], [1]], 2, 2)
    assert read(data, range="A1:B3", header=False)["Prop_1"].to_pylist() == [None, "a", "1"]


def test_a_text_for_null_and_many_rows() -> None:
    rows = [["n", "t"], *([i, "NA" if i % 2 else "x"] for i in range(20_000))]
    table = read(book(rows), null_value="NA")
    assert table["n"].to_pylist() == list(range(20_000))
    assert table["t"].null_count == 10_000


def test_options_that_are_wrong() -> None:
    for wrong in ("A", "1:2", "B2:A1", "A0"):
        with pytest.raises(ValidationError):
            ExcelConfig(range=wrong)
    with pytest.raises(DataError, match="two columns are called 'a'"):
        read(book([["a", "a"], [1, 2]]))


def test_a_damaged_file_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    data = book()
    for short in (data[:-30], data[: len(data) // 2], b"", b"PK\x03\x04", b"text" * 100):
        with pytest.raises(DataError, match=r"in/some\.xlsx cannot be read as a workbook"):
            read(short)
    dice, refused = random.Random(3), 0
    for _ in range(150):
        broken = bytearray(data)
        broken[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            read(bytes(broken))
        except DataError:
            refused += 1
    assert refused > 20
    monkeypatch.setattr(excel_format, "_UNPACKED", 1000)
    with pytest.raises(DataError, match="when unpacked"):
        read(data)
    monkeypatch.setattr(excel_format, "LARGEST", 1000)
    with pytest.raises(DataError, match="is larger than"):
        read(data)


def test_two_cells_far_apart_do_not_take_all_memory() -> None:
    made, out = openpyxl.Workbook(), io.BytesIO()
    made.active["A1"], made.active["XFD1048576"] = 1, 2  # type: ignore[index]
    made.save(out)
    with pytest.raises(DataError, match="a sheet of 1048576 rows and 16384 columns, which is too large"):
        read(out.getvalue())


def test_entities_of_a_hostile_workbook_are_not_resolved() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book())) as source, zipfile.ZipFile(out, "w") as sink:
        for part in source.infolist():
            text = source.read(part)
            if part.filename == "xl/sharedStrings.xml":
                head = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                text = head + text.replace("żółć".encode(), b"&e;")
            sink.writestr(part.filename, text)
    try:
        found = str(read(out.getvalue()).to_pylist())
    except DataError:
        return
    assert "root:" not in found


def test_a_copy_reads_and_never_writes_a_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(book())
    crossdock.copy(tmp_path / "a.xlsx", tmp_path / "a.parquet", verify=True)
    assert pq.read_table(tmp_path / "a.parquet")["id"].to_pylist() == [1, 2, 2**40]
    with pytest.raises(NotSupportedError, match="Excel workbooks are only read") as refusal:
        crossdock.copy(tmp_path / "a.parquet", tmp_path / "b.xlsx")
    assert refusal.value.exit_code == 2
    (tmp_path / "cut.xlsx").write_bytes(book()[:-30])
    with pytest.raises(DataError) as damage:
        crossdock.copy(tmp_path / "cut.xlsx", tmp_path / "c.parquet")
    assert damage.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir() if "xlsx" not in p.name) == ["a.parquet"]
