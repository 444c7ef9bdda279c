"""JSON lines: the text that is written, held against the json module."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import DataError, FileFormat, NoSpaceError, ObjectInfo, PlanHint, SchemaMismatchError
from crossdock_connectors.formats.jsonlines import SPEC
from crossdock_connectors.formats.jsonlines_config import JsonLinesConfig
from crossdock_connectors.formats.jsonlines_format import JsonLinesFormat


def opened(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(SPEC.config(**options))


def write(table: pa.Table, fmt: FileFormat | None = None, rows: int = 3) -> bytes:
    fmt = fmt or opened()
    fmt.check(table.schema)
    out = io.BytesIO()
    writer = fmt.writer(out, table.schema)
    for batch in table.to_batches(max_chunksize=rows):
        writer.write(batch)
    assert writer.finish() == b""
    return fmt.head(table.schema) + out.getvalue() + fmt.tail(table.schema, [])


def lines(data: bytes) -> list[Any]:
    """The rows as the strict json module sees them."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert data.endswith(b"\n")
    return [json.loads(line, parse_constant=refuse) for line in data.decode().split("\n")[:-1]]


def read(data: bytes, schema: pa.Schema) -> pa.Table:
    fmt, about = opened(), ObjectInfo("a.jsonl", len(data), "v1")
    batches = []
    for piece in fmt.plan(io.BytesIO(data), about, PlanHint(2), 64):
        with fmt.read(io.BytesIO(data), about, piece.token, schema) as items:
            batches += list(items)
    return pa.Table.from_batches(batches, schema)


ANY_TEXT = (
    st.none() | st.text(st.characters(max_codepoint=0x7F)) | st.text(st.characters(exclude_categories=["Cs"]))
)


@given(
    st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=12),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_text_is_what_the_json_module_reads(rows: list[tuple[Any, Any]], name: str) -> None:
    names = [name, name + "2"]
    table = pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], names=names)
    assert lines(write(table)) == [dict(zip(names, row, strict=True)) for row in rows]


def test_each_control_character_is_escaped() -> None:
    values = [f"a{chr(code)}b" for code in range(128)]
    data = write(pa.table({"a": values}), rows=50)
    assert [row["a"] for row in lines(data)] == values
    assert not any(byte < 32 and byte != 10 for byte in data)


ITEM = pa.struct([("s", pa.string()), ("n", pa.list_(pa.int64()))])
ITEMS = st.none() | st.fixed_dictionaries(
    {"s": ANY_TEXT, "n": st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=3)}
)


@given(st.lists(st.none() | st.lists(ITEMS, max_size=3), min_size=1, max_size=9), st.integers(0, 3))
def test_lists_and_structs_are_what_the_json_module_reads(rows: list[Any], start: int) -> None:
    array = pa.array(rows, pa.list_(ITEM))
    table = pa.table({"a": array}).slice(start)
    data = write(table, rows=2) if len(table) else b"\n"
    assert data == b"\n" or lines(data) == [{"a": row} for row in rows[start:]]
    if len(table):
        assert read(data, table.schema).to_pylist() == table.to_pylist()


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_keep_every_bit(values: list[float | None]) -> None:
    found = [row["a"] for row in lines(write(pa.table({"a": pa.array(values, pa.float64())})))]
    assert [repr(value) for value in found] == [repr(value) for value in values]


MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
COLUMNS = {
    "i8": pa.array([1, None, -128], pa.int8()),
    "u64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "bool": pa.array([True, None, False]),
    "f16": pa.array([1.5, None, -2], pa.float16()),
    "f32": pa.array([1.1, None, -2], pa.float32()),
    "dec": pa.array([Decimal("1.10"), None, Decimal("-0.01")], pa.decimal128(38, 2)),
    "dec256": pa.array([Decimal("1E-10"), None, Decimal("0.5")], pa.decimal256(60, 10)),
    "date": pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]),
    "date64": pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)], pa.date64()),
    "time": pa.array([dt.time(1, 2, 3, 4), None, dt.time(0)], pa.time64("us")),
    "ts": pa.array([MOMENT, None, dt.datetime(1, 1, 1)], pa.timestamp("us")),
    "utc": pa.array([MOMENT, None, dt.datetime(2000, 1, 1)], pa.timestamp("us", "UTC")),
    "zone": pa.array([MOMENT, None, dt.datetime(2000, 1, 1)], pa.timestamp("us", "Europe/Berlin")),
    "large": pa.array(["x", None, ""], pa.large_string()),
    "view": pa.array(["x", None, ""], pa.string_view()),
    "dict": pa.array(["x", None, "x"]).dictionary_encode(),
    "list": pa.array([[1, None], None, []], pa.large_list(pa.int64())),
    "fixed": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int64(), 2)),
    "dates": pa.array([[dt.date(2024, 2, 29)], None, [None]], pa.list_(pa.date32())),
    "struct": pa.array(
        [{"t": dt.time(1), "d": dt.date(2024, 1, 1)}, None, {"t": None, "d": None}],
        pa.struct([("t", pa.time32("s")), ("d", pa.date32())]),
    ),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("start", [0, 1])
def test_values_of_each_type_come_back(name: str, start: int) -> None:
    table = pa.table({"n": pa.array([1, 2, 3]), name: COLUMNS[name]}).slice(start)
    data = write(table)
    assert [row["n"] for row in lines(data)] == [1, 2, 3][start:]
    found = read(data, table.schema)
    assert found.schema == table.schema
    assert found.to_pylist() == table.to_pylist()


def test_the_text_itself() -> None:
    table = pa.table(
        {
            'a"': [1, None],
            "s": ['x"y', None],
            "t": pa.array([MOMENT, None], pa.timestamp("us")),
            "e": pa.array(["", "ä"]),
            "l": [[1.5], []],
        }
    )
    assert write(table).decode() == (
        '{"a\\"":1,"s":"x\\"y","t":"2024-02-29T23:59:59.123456","e":"","l":[1.5]}\n'
        '{"a\\"":null,"s":null,"t":null,"e":"ä","l":[]}\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"x": v}])
def test_numbers_that_json_does_not_have(value: float, wrap: Any) -> None:
    table = pa.table({"a": [wrap(1.0), wrap(value)]})
    with pytest.raises(DataError, match=r"column 'a(\.x)?' holds NaN or an infinity") as caught:
        write(table)
    assert "non_finite=null" in caught.value.hint
    assert [row["a"] for row in lines(write(table, opened(non_finite="null")))] == [wrap(1.0), wrap(None)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.binary(4),
        pa.duration("s"),
        pa.map_(pa.string(), pa.int64()),
        pa.list_(pa.binary()),
        pa.struct([("x", pa.large_binary())]),
    ],
)
def test_types_without_a_json_form_are_refused_by_name(kind: pa.DataType) -> None:
    with pytest.raises(SchemaMismatchError, match=r"column 'odd(\.x)?'"):
        opened().check(pa.schema([("fine", pa.int64()), ("odd", kind)]))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="2 columns are called 'a'"):
        opened().check(pa.schema([("a", pa.int64()), ("a", pa.int64())]))


def test_wide_rows_are_written_in_small_steps() -> None:
    table = pa.table({"a": ["x" * 3_000_000] * 12})
    sizes = []

    class Sizes:
        def write(self, data: Any, /) -> int:
            sizes.append(memoryview(data).nbytes)
            return sizes[-1]

    writer = opened().writer(Sizes(), table.schema)
    writer.write(table.combine_chunks().to_batches()[0])
    writer.finish()
    assert sum(sizes) == 12 * (3_000_000 + 9)
    assert max(sizes) <= 8 << 20


def test_the_path_decides_whether_gzip_is_written() -> None:
    fmt = JsonLinesFormat(JsonLinesConfig()).for_path("out/a.jsonl.gz")
    table = pa.table({"a": [1, 2]})
    assert gzip.decompress(write(table, fmt) + write(table, fmt)) == b'{"a":1}\n{"a":2}\n' * 2


class Full:
    """A sink with no space left."""

    def write(self, data: Any, /) -> int:
        raise NoSpaceError("the disk is full")


def test_an_error_of_the_sink_keeps_its_identity() -> None:
    table = pa.table({"a": [1]})
    writer = opened().writer(Full(), table.schema)
    with pytest.raises(NoSpaceError, match="the disk is full"):
        writer.write(table.to_batches()[0])
    writer.abort()
