"""JSON lines: schema, values, cuts, and what is said about bad files."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crossdock import ConfigError, DataError, FileFormat, InternalError, ObjectInfo, PlanHint, ShortReadError
from crossdock_connectors.formats.jsonlines import SPEC


def opened(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(SPEC.config(**options))


def info(data: bytes, path: str = "a.jsonl") -> ObjectInfo:
    return ObjectInfo(path, len(data), "v1")


def read(data: bytes, path: str = "a.jsonl", target: int = 1 << 20, **options: Any) -> pa.Table:
    fmt, about = opened(**options), info(data, path)
    schema = fmt.schema(io.BytesIO(data), about)
    batches = []
    for piece in fmt.plan(io.BytesIO(data), about, PlanHint(parallel=2), target):
        with fmt.read(io.BytesIO(data), about, piece.token, schema) as items:
            batches += list(items)
    return pa.Table.from_batches(batches, schema)


def fails(data: bytes, path: str = "a.jsonl", **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(data, path, **options)
    return caught.value


def kind(*values: str, **options: Any) -> str:
    data = "".join(f'{{"a":{value}}}\n' for value in values).encode()
    return str(opened(**options).schema(io.BytesIO(data), info(data)).field("a").type)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "-2"), "int64"),
        (("1", "2.5", "null"), "double"),
        (("true",), "bool"),
        (('"x"', '"1"'), "string"),
        (('"2024-01-31"',), "string"),
        (('"2024-01-31 10:00:00"',), "string"),
        (("null",), "string"),
        (("12345678901234567890", "1"), "decimal128(38, 0)"),
        (("1234567890123456789.25", "1"), "decimal128(38, 2)"),
        (("1e300", "1"), "double"),
        (("1234567890123456", "1.5"), "double"),
        (("[1,2]", "[]"), "list<item: int64>"),
        (('[{"x":"2024-01-31"}]',), "list<item: struct<x: string>>"),
        (('{"x":{"y":[12345678901234567890]}}',), "struct<x: struct<y: list<item: decimal128(38, 0)>>>"),
    ],
)
def test_types_of_a_sample(values: tuple[str, ...], expected: str) -> None:
    assert kind(*values) == expected


def test_large_numbers_keep_every_digit() -> None:
    assert read(b'{"a":12345678901234567890}\n{"a":1}\n').column("a").to_pylist() == [
        Decimal("12345678901234567890"),
        Decimal(1),
    ]


def test_declared_types() -> None:
    table = read(
        b'{"a":"2024-01-31","b":1.50,"c":"2024-01-31T10:00:00.5","d":"10:00:00.5"}\n{}\n',
        types="a:date,b:decimal(10,2),c:timestamp,d:time,rare:int32",
    )
    assert table.to_pylist() == [
        {
            "a": dt.date(2024, 1, 31),
            "b": Decimal("1.50"),
            "c": dt.datetime(2024, 1, 31, 10, 0, 0, 500000),
            "d": dt.time(10, 0, 0, 500000),
            "rare": None,
        },
        dict.fromkeys(["a", "b", "c", "d", "rare"]),
    ]
    assert table.schema.field("rare").type == pa.int32()


def test_types_that_make_no_sense_are_refused_at_once() -> None:
    with pytest.raises((ConfigError, ValidationError), match="did you mean date"):
        opened(types="a:dat")


def test_fields_may_come_in_any_order_and_be_absent() -> None:
    assert read(b'{"a":1,"b":"x"}\n{"b":"y","a":2}\n\n{"b":"z"}').to_pydict() == {
        "a": [1, 2, None],
        "b": ["x", "y", "z"],
    }


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
ROW = st.fixed_dictionaries({"n": st.none() | st.integers(-9, 9), "s": TEXT})


@given(rows=st.lists(ROW, max_size=20), target=st.integers(1, 90), ascii_only=st.booleans())
def test_pieces_of_any_size_hold_each_row_once(
    rows: list[dict[str, Any]], target: int, ascii_only: bool
) -> None:
    rows = [{"n": 0, "s": ""}, *rows]
    data = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows).encode()
    assert read(data, target=target).to_pylist() == rows


def test_a_file_is_cut_without_being_read() -> None:
    data = b'{"a":1}\n' * 100_000
    fmt = opened()
    pieces = list(fmt.plan(io.BytesIO(data), info(data), PlanHint(parallel=1), 100_000))
    assert len(pieces) == 8
    assert sum(piece.weight for piece in pieces) == len(data)
    assert fmt.notes() == []
    assert (
        list(fmt.plan(io.BytesIO(data), info(data), PlanHint(4, max_splits=2), 1))[1].weight == len(data) // 2
    )


def test_gzip_of_several_members_is_one_piece() -> None:
    data = gzip.compress(b'{"a":1}\n', mtime=0) + gzip.compress(b'{"a":2}\n')
    fmt = opened()
    assert len(list(fmt.plan(io.BytesIO(data), info(data, "a.jsonl.gz"), PlanHint(2), 1))) == 1
    assert fmt.notes() == ["a.jsonl.gz was read by one worker because it is compressed"]
    assert read(data, "a.jsonl.gz").column("a").to_pylist() == [1, 2]


@pytest.mark.parametrize("data", [gzip.compress(b'{"a":1}\n' * 99, mtime=0)[:-4], b'{"a":1}\n'])
def test_gzip_that_is_damaged(data: bytes) -> None:
    assert str(fails(data, "a.jsonl.gz")) == "a.jsonl.gz is not a complete gzip file"


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_rows(data: bytes) -> None:
    assert read(data).schema == pa.schema([])
    assert read(data, types="a:int64").to_pydict() == {"a": []}


def test_rows_without_a_field_are_refused() -> None:
    assert str(fails(b"{}\n{}\n")) == "a.jsonl has no row that names a column"


def test_a_line_longer_than_the_block() -> None:
    long = "z" * 3_000_000
    data = b'{"a":"x"}\n' * 200_000 + json.dumps({"a": long}).encode() + b'\n{"a":"y"}\n'
    values = read(data, target=1 << 30).column("a")
    assert (len(values), values[200_000].as_py(), values[200_001].as_py()) == (200_002, long, "y")


def test_a_line_without_end_does_not_take_all_memory() -> None:
    data = b'{"a":"x"}\n' * 200_000 + b'{"a":"' + b"z" * 140_000_000
    error = fails(data, sample_bytes=1024, target=1 << 40)
    assert str(error) == "a.jsonl, line 200001: the line is longer than 64 MiB"


MANY = b'{"a":1,"b":"x"}\n' * 100_000


@pytest.mark.parametrize("target", [1 << 30, 100_000])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a":"x"}', ", column 'a': string where number is expected"),
        (b'{"a":1.5}', ": 1.5 is not a value of type int64"),
        (b'{"a":12345678901234567890}', ": 12345678901234567890 is not a value of type int64"),
        (b'{"a":1', ": Missing a comma or '}' after an object member"),
        (b"[1]", ": array where object is expected"),
        (b'{"b":"\xff"}', ": the text is not UTF-8"),
        (b'{"a":1,"c":2}', ": the field 'c' is not in the sample that columns are taken from"),
    ],
)
def test_a_bad_line_is_named(line: bytes, said: str, target: int) -> None:
    data = MANY + b"\n" + line + b"\n" + MANY + MANY
    error = fails(data, target=target, sample_bytes=1024)
    assert error.message == "a.jsonl, line 100002" + said


def test_a_date_that_is_none_is_named() -> None:
    error = fails(b'{"a":"2024-01-31"}\n{"a":"2024-1-31"}\n', types="a:date")
    assert error.message == "a.jsonl, line 2: '2024-1-31' is not a value of type date32[day]"


def test_values_that_do_not_go_together_are_named_by_the_line_of_the_second() -> None:
    data = b'{"a":1}\n' * 70 + b'\n{"a":"x"}\n' + b'{"a":1}\n' * 9
    assert fails(data).message == "a.jsonl, line 72, column 'a': string where number is expected"


def test_unexpected_fields_are_ignored_where_asked() -> None:
    data = MANY + b'{"a":2,"c":[3]}\n' + MANY * 2
    table = read(data, sample_bytes=1024, unexpected_fields="ignore")
    assert table.column_names == ["a", "b"]
    assert table.column("a")[100_000].as_py() == 2


def test_a_rare_column_is_named_by_types() -> None:
    data = MANY + b'{"a":2,"c":"x"}\n' + MANY * 2
    assert read(data, sample_bytes=1024, types="c:string").column("c").drop_null().to_pylist() == ["x"]


class Broken(io.BytesIO):
    """Fails as a store does, after some bytes."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() > 2_000_000:
            raise ShortReadError("the connection ended")
        return super().readinto(buffer)


def test_an_error_of_the_store_keeps_its_identity() -> None:
    data = MANY * 4
    fmt, about = opened(), info(data)
    schema = fmt.schema(io.BytesIO(data), about)
    (piece,) = fmt.plan(io.BytesIO(data), about, PlanHint(), 1 << 30)
    with fmt.read(Broken(data), about, piece.token, schema) as batches, pytest.raises(ShortReadError):
        list(batches)


def test_a_plan_of_another_version_is_refused() -> None:
    with (
        pytest.raises(InternalError, match="version 3"),
        opened().read(io.BytesIO(b""), info(b""), b'{"v": 3}', pa.schema([])),
    ):
        pass


def test_every_option_is_described() -> None:
    assert [name for name, field in SPEC.config.model_fields.items() if not field.description] == []
