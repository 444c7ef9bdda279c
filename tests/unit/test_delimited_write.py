"""DelimitedText: what is written is what is read back."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import (
    DataError,
    FileFormat,
    NoSpaceError,
    ObjectInfo,
    PlanHint,
    SchemaMismatchError,
)
from crossdock_connectors.formats.delimited import SPEC
from crossdock_connectors.formats.delimited_config import DelimitedConfig
from crossdock_connectors.formats.delimited_format import DelimitedFormat


def opened(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(SPEC.config(**options))


def write(fmt: FileFormat, table: pa.Table, parts: int = 1) -> bytes:
    """Head, parts and tail, as the engine joins them."""
    fmt.check(table.schema)
    data = fmt.head(table.schema)
    rows = -(-len(table) // parts) or 1
    for start in range(0, max(len(table), 1), rows):
        out = io.BytesIO()
        writer = fmt.writer(out, table.schema)
        for batch in table.slice(start, rows).to_batches(max_chunksize=3):
            writer.write(batch)
        assert writer.finish() == b""
        data += out.getvalue()
    return data + fmt.tail(table.schema, [])


def read(fmt: FileFormat, data: bytes, schema: pa.Schema | None = None, path: str = "a.csv") -> pa.Table:
    about = ObjectInfo(path, len(data), "v1")
    schema = schema or fmt.schema(io.BytesIO(data), about)
    batches = []
    for piece in fmt.plan(io.BytesIO(data), about, PlanHint(2, cheap_scan=True), 64):
        with fmt.read(io.BytesIO(data), about, piece.token, schema) as items:
            batches += list(items)
    return pa.Table.from_batches(batches, schema)


TEXT = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.text('",\r\n;a', max_size=5)
)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=12), st.integers(1, 3), st.sampled_from(["needed", "all"]))
def test_text_and_nulls_come_back(rows: list[tuple[Any, Any]], parts: int, quoting: str) -> None:
    table = pa.table(
        {"a": pa.array([r[0] for r in rows], pa.string()), "b": pa.array([r[1] for r in rows], pa.string())}
    )
    fmt = opened(quoting=quoting, infer=False)
    assert read(fmt, write(fmt, table, parts)).to_pylist() == table.to_pylist()


ESCAPED = (
    st.none()
    | st.text('\\"a,\n', max_size=6)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
)


@given(
    rows=st.lists(st.tuples(ESCAPED, ESCAPED), max_size=12),
    parts=st.integers(1, 3),
    quoting=st.sampled_from(["needed", "all"]),
    escapes=st.sampled_from(["any", "quotes"]),
)
def test_escaped_text_comes_back(rows: list[tuple[Any, Any]], parts: int, quoting: str, escapes: str) -> None:
    table = pa.table(
        {
            'a"\\': pa.array([r[0] for r in rows], pa.string()),
            "b": pa.array([r[1] for r in rows], pa.string()),
        }
    )
    fmt = opened(quoting=quoting, infer=False, escape="\\", escapes=escapes)
    assert read(fmt, write(fmt, table, parts)).to_pylist() == table.to_pylist()


def test_a_mark_of_our_own_in_a_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"U\+001A"):
        write(opened(escape="\\"), pa.table({"a": ["x\x1ay"]}))


@given(st.lists(TEXT, max_size=12))
def test_one_column_of_text_and_nulls_comes_back(values: list[str | None]) -> None:
    table = pa.table({"a": pa.array(values, pa.string())})
    fmt = opened(infer=False)
    assert read(fmt, write(fmt, table)).column("a").to_pylist() == values


MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
COLUMNS = {
    "i8": pa.array([1, None, -128], pa.int8()),
    "u64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "i64": pa.array([2**63 - 1, None, -(2**63)], pa.int64()),
    "f32": pa.array([1.1, None, float("inf")], pa.float32()),
    "f64": pa.array([0.1, None, 1e300], pa.float64()),
    "bool": pa.array([True, None, False]),
    "dec": pa.array([Decimal("1.10"), None, Decimal("-0.01")], pa.decimal128(38, 2)),
    "small": pa.array([Decimal("1E-10"), None, Decimal("0.5")], pa.decimal128(20, 10)),
    "date": pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]),
    "time": pa.array([dt.time(1, 2, 3, 4), None, dt.time(0)], pa.time64("us")),
    "time32": pa.array([dt.time(1, 2, 3), None, dt.time(0)], pa.time32("s")),
    "ts": pa.array([MOMENT, None, dt.datetime(1, 1, 1)], pa.timestamp("us")),
    "ns": pa.array([MOMENT, None, dt.datetime(2000, 1, 1)], pa.timestamp("ns")),
    "utc": pa.array([MOMENT, None, dt.datetime(2000, 1, 1)], pa.timestamp("us", "UTC")),
    "zone": pa.array([MOMENT, None, dt.datetime(2000, 1, 1)], pa.timestamp("us", "Europe/Berlin")),
    "large": pa.array(["x", None, ""], pa.large_string()),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("quoting", ["needed", "none"])
def test_values_of_each_type_come_back(name: str, quoting: str) -> None:
    table = pa.table({name: COLUMNS[name].slice(0, 2) if name == "large" else COLUMNS[name]})
    fmt = opened(quoting=quoting)
    assert read(fmt, write(fmt, table), table.schema).equals(table)


def test_types_that_are_inferred_again() -> None:
    names = ["i64", "f64", "bool", "date", "ts", "utc"]
    table = pa.table({name: COLUMNS[name] for name in names})
    fmt = opened()
    assert read(fmt, write(fmt, table)).equals(table)


def test_columns_that_are_stored_otherwise_are_written_as_their_values() -> None:
    table = pa.table(
        {
            "d": pa.array(["x", None, "x"]).dictionary_encode(),
            "v": pa.array(["y", None, ""], pa.string_view()),
            "n": pa.nulls(3),
        }
    )
    fmt = opened()
    assert read(fmt, write(fmt, table)).to_pydict() == {
        "d": ["x", None, "x"],
        "v": ["y", None, ""],
        "n": [None, None, None],
    }


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.list_(pa.int64()), pa.struct([("x", pa.int64())]), pa.duration("s"), pa.binary(4)],
)
def test_types_without_a_text_are_refused_by_name(kind: pa.DataType) -> None:
    schema = pa.schema([("fine", pa.int64()), ("odd", kind)])
    with pytest.raises(SchemaMismatchError, match="column 'odd'"):
        opened().check(schema)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="2 columns are called 'a'"):
        opened().check(pa.schema([("a", pa.int64()), ("a", pa.int64())]))


def test_the_options_show_in_the_bytes() -> None:
    table = pa.table({"a b": [1, None], "c": ["x", "NA"]})
    assert write(opened(), table) == b'a b,c\n1,"x"\n,"NA"\n'
    written = write(opened(delimiter=";", line_ending="crlf", null_value="NA", quoting="all"), table)
    assert written == b'"a b";"c"\r\n"1";"x"\r\nNA;"NA"\r\n'
    assert write(opened(header=False, quoting="none"), table) == b"1,x\n,NA\n"


def test_quoting_none_refuses_what_it_cannot_write() -> None:
    fmt = opened(quoting="none")
    with pytest.raises(DataError, match="quoting=needed"):
        write(fmt, pa.table({"a": ["x,y"]}))
    with pytest.raises(SchemaMismatchError, match="column name"):
        fmt.check(pa.schema([("x,y", pa.int64())]))


def test_the_csv_module_reads_the_same() -> None:
    table = pa.table({'a "b"': ["x\ny", 'q"q', "c,d"], "n": [1, 2, 3]})
    text = write(opened(), table).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ['a "b"', "n"],
        ["x\ny", "1"],
        ['q"q', "2"],
        ["c,d", "3"],
    ]


def test_the_path_decides_what_the_options_leave_open() -> None:
    base = DelimitedFormat(DelimitedConfig())
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    fmt = base.for_path("out/a.tsv.gz")
    data = write(fmt, table, parts=3)
    assert gzip.decompress(data) == b'a\tb\n1\t"x"\n2\t"y"\n3\t"z"\n'
    assert read(base, data, path="a.tsv.gz").equals(table)


def test_other_encodings_are_written() -> None:
    table = pa.table({"ä": ["é"]})
    assert write(opened(encoding="cp1252"), table) == b'\xe4\n"\xe9"\n'
    with pytest.raises(DataError, match="cannot be written in cp1252"):
        write(opened(encoding="cp1252"), pa.table({"a": ["中"]}))


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
