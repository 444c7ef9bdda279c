"""DelimitedText: schema, values and what is said about bad files."""

from __future__ import annotations

import codecs
import datetime as dt
import gzip
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from crossdock import (
    ConfigError,
    DataError,
    FileFormat,
    InternalError,
    ObjectInfo,
    PlanHint,
    SchemaMismatchError,
    ShortReadError,
)
from crossdock_connectors.formats.delimited import SPEC

HINT = PlanHint(parallel=2, cheap_scan=True)


def opened(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(SPEC.config(**options))


def info(data: bytes, path: str = "a.csv") -> ObjectInfo:
    return ObjectInfo(path, len(data), "v1")


def read(data: bytes, path: str = "a.csv", target: int = 1 << 20, **options: Any) -> pa.Table:
    """All rows, through as many pieces as ``target`` asks for."""
    fmt, about = opened(**options), info(data, path)
    schema = fmt.schema(io.BytesIO(data), about)
    batches = []
    for piece in fmt.plan(io.BytesIO(data), about, HINT, target):
        with fmt.read(io.BytesIO(data), about, piece.token, schema) as items:
            batches += list(items)
    return pa.Table.from_batches(batches, schema)


def types(data: bytes, **options: Any) -> dict[str, str]:
    schema = opened(**options).schema(io.BytesIO(data), info(data))
    return {field.name: str(field.type) for field in schema}


def fails(data: bytes, path: str = "a.csv", target: int = 1 << 20, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(data, path, target, **options)
    return caught.value


def column(*values: str, **options: Any) -> str:
    return types("\n".join(["a,b", *(f"{value}," for value in values)]).encode(), **options)["a"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "-20", "0"), "int64"),
        (("1", "", "2.5"), "double"),
        (("00501", "10001"), "string"),
        (("00.5", "1.5"), "string"),
        (("0x1F", "0x20"), "string"),
        (("12345678901234567890", "1"), "string"),
        (("9007199254740993", "1.5"), "string"),
        (("9223372036854775807",), "int64"),
        (("true", "False"), "bool"),
        (("true", "1"), "string"),
        (("1", "2024-01-31"), "string"),
        (("2024-01-31", "1999-12-31"), "date32[day]"),
        (("2024-01-31 10:00:00",), "timestamp[us]"),
        (("2024-01-31T10:00:00.123456",), "timestamp[us]"),
        (("2024-01-31 10:00:00.123456789",), "timestamp[ns]"),
        (("0001-01-01 00:00:00.0", "9999-12-31 23:59:59.9999"), "timestamp[us]"),
        (("2024-01-31 10:00:00.0", "2024-01-32 10:00:00.0"), "string"),
        (("2024-01-31 10:00:00Z",), "timestamp[us, tz=UTC]"),
        (("10:00:00",), "time64[us]"),
        (("10:00:00.5", ""), "time64[us]"),
        (("25:00:00.5",), "string"),
        (("1234567890123456789.5", "1"), "string"),
        (("0.12345678901234567890", "1"), "double"),
        (("", ""), "string"),
        (("x", "1"), "string"),
    ],
)
def test_a_type_is_taken_only_where_the_text_survives_it(values: tuple[str, ...], expected: str) -> None:
    assert column(*values) == expected


def test_without_infer_all_columns_are_text() -> None:
    assert types(b"a,b\n1,2\n", infer=False) == {"a": "string", "b": "string"}


def test_declared_types_replace_inferred_ones() -> None:
    table = read(b"a,b,c\n00501,1.50,2024-01-31\n", types="a:string, b:decimal(10,2), c:timestamp(ms)")
    assert table.to_pylist() == [{"a": "00501", "b": Decimal("1.50"), "c": dt.datetime(2024, 1, 31)}]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a", "column:type"), ("a:strng", "did you mean string"), ("a:decimal(39,2)", "out of range")],
)
def test_types_that_make_no_sense_are_refused_at_once(text: str, said: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=said):
        opened(types=text)


def test_types_for_a_column_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"a\.csv has no column 'totl'; did you mean total\?"):
        types(b"total\n1\n", types="totl:string")


def test_types_come_from_the_whole_of_a_large_file() -> None:
    rows = b"".join(b"%d,x\n" % i for i in range(20_000))
    data = b"a,b\n" + rows + b"1.5,y\n" * 4000 + rows
    assert types(data, sample_bytes=4096)["a"] == "double"


def test_places_that_are_inside_a_quoted_value_teach_nothing() -> None:
    data = b"a,b\n" + b'1,"one\n2,two\n3,three"\n' * 20_000
    table = read(data, sample_bytes=2048, target=10_000)
    assert table.schema.field("a").type == pa.int64()
    assert table.column("b").unique().to_pylist() == ["one\n2,two\n3,three"]
    assert len(table) == 20_000


def test_an_empty_value_is_null_and_a_quoted_one_is_text() -> None:
    assert read(b'a,b\n1,""\n2,\n').column("b").to_pylist() == ["", None]


def test_several_null_values() -> None:
    table = read(b'a,b\n1,NA\nNULL,"NA"\n3,\n', null_value="NA|NULL")
    assert table.to_pydict() == {"a": [1, None, 3], "b": [None, "NA", ""]}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(ending: bytes, last: bool) -> None:
    data = ending.join([b"a,b", b"1,x", b"", b'2,"y"']) + (ending if last else b"")
    assert read(data, target=4).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_in_one_column_an_empty_line_is_null() -> None:
    assert read(b"a\n1\n\n3\n").column("a").to_pylist() == [1, None, 3]


@pytest.mark.parametrize("data", [b"a,b\n", b"a,b"])
def test_a_header_alone_is_no_rows(data: bytes) -> None:
    table = read(data)
    assert (table.column_names, len(table)) == (["a", "b"], 0)


@pytest.mark.parametrize("data", [b"", b"\n\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert str(fails(data)) == "a.csv is empty: it has no header line"


def test_two_columns_of_one_name_are_refused() -> None:
    assert str(fails(b"a,b,a\n1,2,3\n")) == "a.csv has 2 columns called 'a'; their names must differ"


def test_names_are_what_their_quotes_hold() -> None:
    assert read(b'"a ""x""","b\nc"\n1,2\n').column_names == ['a "x"', "b\nc"]


def test_without_header() -> None:
    assert read(b"1,x\n2,y\n", header=False).to_pydict() == {"Prop_0": [1, 2], "Prop_1": ["x", "y"]}


def test_without_header_the_first_null_of_one_column_stays() -> None:
    assert read(b"\n2\n", header=False).to_pydict() == {"Prop_0": [None, 2]}


def test_skipped_lines_may_be_anything() -> None:
    assert read(b'made by "x\n\na,b\n1,2\n', skip_lines=2).to_pydict() == {"a": [1], "b": [2]}


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("a.tsv", b"a\tb\n1\t,\n"),
        ("A.TSV", b"a\tb\n1\t,\n"),
        ("a.psv", b"a|b\n1|,\n"),
        ("a.txt", b'a,b\n1,","\n'),
    ],
)
def test_the_extension_chooses_the_delimiter(path: str, data: bytes) -> None:
    assert read(data, path).to_pydict() == {"a": [1], "b": [","]}


def test_a_delimiter_that_is_said_wins() -> None:
    assert read(b"a;b\n1;2\n", "a.tsv", delimiter=";").to_pydict() == {"a": [1], "b": [2]}
    assert read(b"a\tb\n1\t2\n", delimiter="\\t").to_pydict() == {"a": [1], "b": [2]}


def test_escaped_characters() -> None:
    data = b'a,b\n"x\\"y","1\n2"\nc\\,d,2\n'
    assert read(data, escape="\\").to_pydict() == {"a": ['x"y', "c,d"], "b": ["1\n2", "2"]}


def test_an_escape_before_quotes_only() -> None:
    data = b'a,b\n"x\\"y","C:\\temp"\n\\N,"z\\\\"\n'
    found = read(data, escape="\\", escapes="quotes", null_value="\\N").to_pydict()
    assert found == {"a": ['x"y', None], "b": ["C:\\temp", "z\\"]}


def test_a_long_run_of_escapes_over_the_ends_of_pieces() -> None:
    texts = ["\\" * 3 + "x" * (1 << 19), "\\" * ((1 << 20) + 1) + "y"]
    data = b"a,b\n" + b"".join(f'"{text}",1\n'.encode() for text in texts)
    assert read(data, escape="\\", escapes="quotes").to_pydict()["a"] == texts


def test_without_quotes_a_quote_is_a_character() -> None:
    assert read(b'a,b\n5" pipe,1\n"x,2\n', quote="").to_pydict() == {"a": ['5" pipe', '"x'], "b": [1, 2]}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "shift_jis"])
def test_encodings(encoding: str) -> None:
    text = "a,b\n1,ア\n" if encoding == "shift_jis" else "a,ö\n1,é\n"
    table = read(text.encode(encoding), target=4, encoding=encoding)
    assert [table.column_names, *table.to_pydict().values()] == [
        text.split("\n", maxsplit=1)[0].split(","),
        [1],
        [text.split("\n")[1].split(",")[1]],
    ]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_byte_order_mark_is_no_part_of_the_first_name(mark: bytes) -> None:
    assert read(mark + b"a,b\n1,2\n", target=4).to_pydict() == {"a": [1], "b": [2]}


def test_gzip_of_several_members() -> None:
    data = gzip.compress(b"a,b\n1,x\n", mtime=0) + gzip.compress(b"2,y\n")
    assert read(data, "a.csv.gz").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize("data", [gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], b"a,b\n1,2\n"])
def test_gzip_that_is_damaged(data: bytes) -> None:
    assert str(fails(data, "a.csv.gz")) == "a.csv.gz is not a complete gzip file"


def test_many_columns() -> None:
    names = [f"c{i}" for i in range(5000)]
    rows = [[str(i + row) for i in range(5000)] for row in range(3)]
    data = "\n".join(",".join(row) for row in [names, *rows]).encode()
    table = read(data)
    assert table.column_names == names
    assert table.column("c4999").to_pylist() == [4999, 5000, 5001]


def test_a_row_longer_than_the_block() -> None:
    long = "z" * 3_000_000
    data = f"a,b\n1,x\n2,{long}\n3,y\n".encode()
    table = read(data)
    assert table.column("a").to_pylist() == [1, 2, 3]
    assert table.column("b")[1].as_py() == long
    late = b"a,b\n" + b"1,x\n" * 600_000 + b'2,"' + long.encode() + b'"\n3,y\n'
    assert len(read(late)) == 600_002


@pytest.mark.parametrize("target", [1 << 30, 4096])
@pytest.mark.parametrize("before", [b"1,x\n", b'1,"x\ny"\n', b"1,x\n\n", b'1,"x\r\ny"\r\n'])
def test_a_ragged_row_is_named_by_its_line(before: bytes, target: int) -> None:
    times = 300_000
    data = b"a,b\n" + before * times + b"1,2,3\n" + b"1,2\n" * 9
    line = 2 + times * before.count(b"\n")
    assert str(fails(data, target=target)) == f"a.csv, line {line}: 3 columns where 2 are expected"


def test_a_ragged_row_in_the_sample_is_found_before_anything_is_read() -> None:
    data = b"a,b\n1,2\n3\n"
    with pytest.raises(DataError, match=r"a\.csv, line 3: 1 column where 2 are expected"):
        opened().schema(io.BytesIO(data), info(data))


@pytest.mark.parametrize("target", [1 << 30, 4096])
def test_a_value_that_does_not_convert_is_named(target: int) -> None:
    data = b"a,b\n" + b'1,"x\ny"\n' * 300_000 + b"oops,2\n" + b"1,2\n" * 400_000
    error = fails(data, target=target, sample_bytes=1024)
    assert error.message == "a.csv, line 600002, column 'a': 'oops' is not a value of type int64"
    assert error.hint.startswith("-s types=a:string ")
    assert read(data, target=target, types="a:string").column("a")[300_000].as_py() == "oops"


def test_a_decimal_that_does_not_fit_is_named() -> None:
    error = fails(b"a,b\n1.25,x\n1.255,y\n", types="a:decimal(5,2)")
    assert error.message.startswith("a.csv, line 3, column 'a': '1.255' does not fit")


@pytest.mark.parametrize("early", [True, False])
def test_text_that_is_not_in_the_encoding_is_named_by_its_line(early: bool) -> None:
    rows = b"1,x\n" * (0 if early else 900_000)
    error = fails(b"a,b\n" + rows + b"2,\xff\n" + rows, sample_bytes=1024)
    assert error.message == f"a.csv, line {2 + rows.count(b'1')}, column 'b': the text is not utf-8"
    assert "encoding=" in error.hint


def test_a_header_that_is_not_in_the_encoding() -> None:
    assert str(fails(b"\xe4,b\n1,2\n")).startswith("a.csv: the first row is not utf-8")


@pytest.mark.parametrize("target", [1 << 30, 4096])
@pytest.mark.parametrize("options", [{}, {"multiline": "false"}, {"escape": "\\"}])
def test_a_quote_that_is_never_closed_is_named_by_its_line(target: int, options: dict[str, str]) -> None:
    data = b"a,b\n" + b'1,"x\ny"\n' * 500_000 + b'2,"x\n' + b"3,y\n" * 2000
    if "multiline" in options:
        data = data.replace(b"x\ny", b"x")
    error = fails(data, target=target, sample_bytes=1024, **options)
    line = data[: data.index(b"2,")].count(b"\n") + 1
    assert error.message == f"a.csv, line {line}: a value goes on to the end of the file"
    assert "quote" in error.hint


def test_newlines_in_values_of_which_it_was_said_that_there_are_none() -> None:
    data = b"a,b\n" + b'1,"x\n' + b"y\n" * 2500 + b'"\n2,z\n'
    error = fails(data, target=2500, multiline="false")
    assert error.message == "a.csv, line 2: a value goes on to the end of the file"


def test_a_last_value_of_several_lines_is_fine() -> None:
    data = b'a,b\n1,x"y\n2,"x\ny"'
    assert read(data).to_pydict() == {"a": [1, 2], "b": ['x"y', "x\ny"]}


def test_a_quote_that_is_never_closed_does_not_take_all_memory() -> None:
    data = b"a,b\n" + b"1,x\n" * 500_000 + b'2,"x\n' + b"3,y\n" * 40_000_000
    error = fails(data, sample_bytes=1024, target=1 << 30)
    assert error.message == "a.csv, line 500002: the row is longer than 64 MiB"
    assert "quote" in error.hint


class Broken(io.BytesIO):
    """Fails as a store does, after some bytes."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() > 2_000_000:
            raise ShortReadError("the connection ended")
        return super().readinto(buffer)


def test_an_error_of_the_store_keeps_its_identity() -> None:
    data = b"a,b\n" + b"1,x\n" * 2_000_000
    fmt, about = opened(), info(data)
    schema = fmt.schema(io.BytesIO(data), about)
    (piece,) = fmt.plan(io.BytesIO(data), about, PlanHint(), 1 << 30)
    with fmt.read(Broken(data), about, piece.token, schema) as batches, pytest.raises(ShortReadError):
        list(batches)


def test_a_reader_that_is_left_early_lets_go_of_the_file() -> None:
    data = b"a,b\n" + b"1,x\n" * 2_000_000
    fmt, about, file = opened(), info(data), io.BytesIO(data)
    schema = fmt.schema(file, about)
    (piece,) = fmt.plan(file, about, PlanHint(), 1 << 30)
    with fmt.read(file, about, piece.token, schema) as batches:
        assert next(batches).num_rows > 0
    file.seek(0)
    assert file.read(3) == b"a,b"
    assert file.tell() == 3


def test_a_file_whose_columns_are_in_another_order_is_not_read() -> None:
    fmt, data = opened(), b"b,a\n1,2\n"
    (piece,) = fmt.plan(io.BytesIO(data), info(data), HINT, 1 << 20)
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    with (
        pytest.raises(SchemaMismatchError, match=r"a\.csv does not have the columns a, b in this order"),
        fmt.read(io.BytesIO(data), info(data), piece.token, schema),
    ):
        pass


def test_a_file_that_ends_before_its_size_is_a_short_read() -> None:
    fmt, data = opened(), b"a,b\n" + b"1,2\n" * 1000
    (piece,) = fmt.plan(io.BytesIO(data), info(data), HINT, 1 << 20)
    schema = fmt.schema(io.BytesIO(data), info(data))
    with (
        fmt.read(io.BytesIO(data[:-500]), info(data), piece.token, schema) as batches,
        pytest.raises(ShortReadError, match="500 bytes too early"),
    ):
        list(batches)


def test_a_plan_of_another_version_is_refused() -> None:
    fmt, data = opened(), b"a\n1\n"
    with (
        pytest.raises(InternalError, match="version 2"),
        fmt.read(io.BytesIO(data), info(data), b'{"v": 2}', pa.schema([])),
    ):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "\n"},
        {"delimiter": "a\nb"},
        {"row_delimiter": ","},
        {"quote": ","},
        {"delimiter": ";", "quote": ";"},
        {"escape": '"'},
        {"encoding": "utf-9"},
        {"delimeter": ","},
    ],
)
def test_options_that_make_no_sense(options: dict[str, str]) -> None:
    if options in ({"quote": ","}, {"row_delimiter": ","}):
        options |= {"delimiter": ","}
    with pytest.raises(ValidationError):
        opened(**options)


def test_every_option_is_described() -> None:
    assert [name for name, field in SPEC.config.model_fields.items() if not field.description] == []


def test_no_type_but_text_is_tried_on_long_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow writes the value into an error for each type that it is not."""
    from crossdock_connectors.formats import delimited_infer

    tried: list[dict[str, pa.DataType]] = []
    parse = delimited_infer._parse

    def recorded(rows: bytes, names: list[str], dialect: Any, kinds: dict[str, pa.DataType]) -> pa.Table:
        tried.append(kinds)
        return parse(rows, names, dialect, kinds)

    monkeypatch.setattr(delimited_infer, "_parse", recorded)
    data = b"id,word,n\n1,x,2\n2," + b"9" * 20_000 + b",3\n"
    assert types(data) == {"id": "int64", "word": "string", "n": "int64"}
    assert tried[-1] == {"word": pa.string()}
