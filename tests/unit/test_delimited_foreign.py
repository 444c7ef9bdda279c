"""Delimited text that Arrow has no options for: delimiters, quotes and row ends of any length, encodings."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from test_delimited_write import opened, read, write

import crossdock
from crossdock import DataError, ObjectInfo, PlanHint
from crossdock_connectors.formats.codec_names import codec_name
from crossdock_connectors.formats.delimited_foreign import PLAIN, Syntax, Translator

TEXTS = [
    "",
    "a",
    None,
    "x||y",
    'q"q',
    "it's",
    "new\nline",
    "cr\r\nlf",
    "~",
    "\\",
    "\\'",
    "tail\\",
    "¦",
    "''",
    "\x1f",
    " ",
]
TABLE = pa.table({"id": list(range(len(TEXTS))), "te||xt": TEXTS, "more": TEXTS[::-1]})
FOREIGN: list[dict[str, Any]] = [
    {"delimiter": "||"},
    {"delimiter": "¦"},
    {"delimiter": "||", "quote": "'"},
    {"delimiter": "||", "quote": "''"},
    {"quote": "'"},
    {"quote": "'", "escape": "\\"},
    {"quote": "'", "escape": "\\", "escapes": "quotes"},
    {"delimiter": "ab", "row_delimiter": "~"},
    {"row_delimiter": "#\n", "escape": "^"},
    {"row_delimiter": "\r"},
    {"delimiter": "\x1f", "quote": "§", "escape": "¬", "escapes": "quotes"},
    {"delimiter": "||", "quoting": "all", "line_ending": "crlf"},
    {"delimiter": "||", "encoding": "utf-16", "compression": "gzip"},
    {"encoding": "utf-16"},
    {"encoding": "utf-16-be"},
    {"encoding": "utf-32"},
    {"encoding": "iso2022_jp", "delimiter": "||"},
]


@pytest.mark.parametrize("options", FOREIGN, ids=str)
def test_what_is_written_is_read_back(options: dict[str, Any]) -> None:
    table = TABLE
    if "jp" in options.get("encoding", ""):
        table = pa.table({"id": [1, 2], "te||xt": ["日本", "||"], "more": ["語", None]})
    fmt = opened(infer=False, **options)
    data = write(fmt, table, parts=3)
    schema = pa.schema([(name, pa.string()) for name in table.column_names])
    found = read(fmt, data)
    assert found.equals(table.cast(schema)), data


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"delimiter": "||"}, "a||b\n1||x|y\n", {"a": ["1"], "b": ["x|y"]}),
        ({"delimiter": "||"}, '\ufeffa||b\r\n"1||""2"||\r\n', {"a": ['1||"2'], "b": [None]}),
        ({"row_delimiter": "~"}, "a,b~1,x\ny~2,", {"a": ["1", "2"], "b": ["x\ny", None]}),
        ({"delimiter": "::", "quote": ""}, 'a::b\n"1::"2\n', {"a": ['"1'], "b": ['"2']}),
        ({"delimiter": "::", "quote": "", "escape": "\\"}, "a::b\n1\\::2::3\n", {"a": ["1::2"], "b": ["3"]}),
        ({"delimiter": "::", "quote": "'"}, "a::b\n''::'x'y\n", {"a": [""], "b": ["xy"]}),
        ({"delimiter": "::", "skip_lines": 1}, "junk\na::b\n1::2\n", {"a": ["1"], "b": ["2"]}),
        ({"delimiter": "::", "null_value": '["|", "-"]'}, "a::b\n|::-\n", {"a": [None], "b": [None]}),
        ({"row_delimiter": ";"}, "a,b;1,2;3,4", {"a": ["1", "3"], "b": ["2", "4"]}),
    ],
)
def test_rows_of_other_programs(options: dict[str, Any], text: str, expected: dict[str, Any]) -> None:
    for encoding in ("utf-8", "utf-16"):
        fmt = opened(infer=False, encoding=encoding, **options)
        assert read(fmt, text.encode(encoding)).to_pydict() == expected


def test_a_value_may_begin_anywhere_in_a_piece() -> None:
    """However the text is cut into pieces, the same comes out."""
    syntax = Syntax("||", ("\r\n", "\n", "\r"), "''", "\\", True)
    text = b"a||''b||\\'' ''||c\r\n''x''''y''||\r\n||''''\n"
    whole = Translator(syntax, PLAIN).of(text, ended=True)
    for seed in range(200):
        rest, out, shuffled = text, b"", random.Random(seed)
        translator = Translator(syntax, PLAIN)
        while rest:
            size = shuffled.randint(1, 5)
            out, rest = out + translator.of(rest[:size]), rest[size:]
        assert out + translator.of(b"", ended=True) == whole


def test_a_quote_that_is_not_closed_is_an_error() -> None:
    fmt = opened(delimiter="||")
    with pytest.raises(DataError, match="quote is not closed"):
        read(fmt, b'a||b\n1||"x\n')


def test_nothing_is_quoted_where_that_is_forbidden() -> None:
    fmt = opened(delimiter="||", quoting="none")
    assert write(fmt, pa.table({"a": ["x|"], "b": [1]})) == b"a||b\nx|||1\n"
    with pytest.raises(DataError, match="quoting=none"):
        write(fmt, pa.table({"a": ["x||y"]}))


def test_the_mark_of_an_encoding_comes_once() -> None:
    table = pa.table({"a": ["x", "y", "z"]})
    data = write(opened(encoding="utf-16", quoting="none"), table, parts=3)
    assert data == b"\xff\xfe" + "a\nx\ny\nz\n".encode("utf-16-le")
    assert write(opened(encoding="utf-32", header=False, quoting="none"), table)[:4] == b"\xff\xfe\0\0"


def test_such_a_file_is_one_piece_and_the_report_says_why() -> None:
    fmt = opened(delimiter="||")
    data = b"a||b\n" + b"1||2\n" * 1000
    pieces = list(
        fmt.plan(io.BytesIO(data), ObjectInfo("a.csv", len(data), "v"), PlanHint(4, cheap_scan=True), 64)
    )
    assert len(pieces) == 1
    assert "such delimiters" in fmt.notes()[0]


# The names that Data Factory's documents list.
NAMES = """UTF-8;UTF-8 without BOM;UTF-16;UTF-16BE;UTF-32;UTF-32BE;US-ASCII;UTF-7;BIG5;EUC-JP;EUC-KR;
GB2312;GB18030;JOHAB;SHIFT-JIS;CP875;CP866;IBM00858;IBM037;IBM273;IBM437;IBM500;IBM737;IBM775;
IBM850;IBM852;IBM855;IBM857;IBM860;IBM861;IBM863;IBM864;IBM865;IBM869;IBM870;IBM01140;
IBM01141;IBM01142;IBM01143;IBM01144;IBM01145;IBM01146;IBM01147;IBM01148;IBM01149;ISO-2022-JP;
ISO-2022-KR;ISO-8859-1;ISO-8859-2;ISO-8859-3;ISO-8859-4;ISO-8859-5;ISO-8859-6;ISO-8859-7;
ISO-8859-8;ISO-8859-9;ISO-8859-13;ISO-8859-15;WINDOWS-874;WINDOWS-1250;WINDOWS-1251;
WINDOWS-1252;WINDOWS-1253;WINDOWS-1254;WINDOWS-1255;WINDOWS-1256;WINDOWS-1257;WINDOWS-1258"""


@pytest.mark.parametrize("name", [each.strip() for each in NAMES.replace("\n", "").split(";")])
def test_every_encoding_of_data_factory(name: str) -> None:
    assert "".encode(codec_name(name)) is not None
    table = pa.table({"a": ["x,1", "y"], "b": ["1", "2"]})
    fmt = opened(encoding=name, infer=False)
    assert read(fmt, write(fmt, table, parts=2)).equals(table)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("IBM870", "Łódź[", "bace84b74a"), ("IBM01141", "Üß{€", "5aa1439f"), ("IBM01142", "Åæ€", "5bc05a"),
        ("IBM01143", "Äö€", "7b6a5a"), ("IBM01144", "è]€", "d0519f"), ("IBM01145", "Ññ€", "7b6a9f"),
        ("IBM01146", "£$€", "5b4a9f"), ("IBM01147", "éà€", "c07c9f"), ("IBM01148", "[]€", "4a5a9f"),
        ("IBM01149", "Þð€", "4a799f"),
    ],
)  # fmt: skip
def test_ebcdic_pages_that_python_lacks(name: str, text: str, expected: str) -> None:
    codec = codec_name(name)
    assert text.encode(codec).hex() == expected
    assert bytes.fromhex(expected).decode(codec) == text
    every = bytes(range(256))
    assert every.decode(codec).encode(codec) == every
    with pytest.raises(UnicodeEncodeError):
        "日".encode(codec)


def test_a_copy_between_two_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress("id¦té\r\n1¦'x¦y'\r\n".encode("cp1252")))
    crossdock.copy(
        str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), home=tmp_path / "home",
        source_options={"delimiter": "¦", "quote": "'", "encoding": "cp1252", "compression": "gzip"},
        sink_options={"delimiter": "||", "encoding": "utf-16", "row_delimiter": "~", "quote": "§"},
        verify=True,
    )  # fmt: skip
    assert (tmp_path / "b.csv").read_bytes().decode("utf-16") == "id||té~1||§x¦y§~"
