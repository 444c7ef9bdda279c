"""DelimitedText datasets: each property of a dialect by what it does to the bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from copy_definitions import Made

from crossdock import DataError, SchemaMismatchError


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.mark.parametrize(
    ("properties", "content", "expected"),
    [
        ({"columnDelimiter": "||"}, b"1||x\n", ["1,x"]),
        ({"columnDelimiter": "\u0001", "rowDelimiter": "\u0002"}, b"1\x01x\x022\x01y\x02", ["1,x", "2,y"]),
        ({"rowDelimiter": "|"}, b"1,x|2,y|", ["1,x", "2,y"]),
        ({"rowDelimiter": "\n"}, b"1,x\n2,y\n", ["1,x", "2,y"]),
        ({"quoteChar": "'"}, b"1,'x'\n", ["1,x"]),
        ({"quoteChar": "'", "escapeChar": "'"}, b"1,'x''y'\n", ["1,x'y"]),
        ({"quoteChar": ""}, b"1,x\n", ["1,x"]),
        ({"nullValue": "a|b"}, b"1,a|b\n2,x\n", ["1,", "2,x"]),
        ({"encodingName": "UTF-16"}, "1,ż\n".encode("utf-16"), ["1,ż"]),
        ({"encodingName": "IBM037"}, "1,x\n".encode("cp037"), ["1,x"]),
        ({"encodingName": "IBM01141"}, bytes.fromhex("f16ba725"), ["1,x"]),
    ],
)
def test_what_is_read(made: Made, properties: dict[str, Any], content: bytes, expected: list[str]) -> None:
    made.write("in/a.txt", content)
    made.source = made.text("in", "a.txt", **properties)
    made.sink = made.text("out", "b.csv")
    made.run()
    assert made.out("b.csv") == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"columnDelimiter": "||"}, b'"1"||"x,y"\r\n'),
        ({"rowDelimiter": "|"}, b'"1","x,y"|'),
        ({"rowDelimiter": "\r"}, b'"1","x,y"\r'),
        ({"quoteChar": "'"}, b"'1','x,y'\r\n"),
        ({"quoteChar": "", "columnDelimiter": "|"}, b"1|x,y\r\n"),
        ({"encodingName": "UTF-16"}, '"1","x,y"\r\n'.encode("utf-16")),
        ({"encodingName": "UTF-32BE"}, '"1","x,y"\r\n'.encode("utf-32-be")),
        ({"encodingName": "UTF-8 without BOM"}, b'"1","x,y"\r\n'),
    ],
)
def test_what_is_written(made: Made, properties: dict[str, Any], expected: bytes) -> None:
    made.write("in/a.txt", '1,"x,y"\n')
    made.source = made.text("in", "a.txt")
    made.sink = made.text("out", "b.csv", **properties)
    made.run()
    assert (made.data / "out" / "b.csv").read_bytes() == expected


LINES = 'a, b\r\n"GET /" 200\n\nx\\"y'
ONE = ["a, b", '"GET /" 200', None, 'x\\"y']


@pytest.mark.parametrize("header", [False, True])
def test_a_line_may_be_one_column(made: Made, header: bool) -> None:
    made.write("in/a.txt", ("the line\n" if header else "") + LINES)
    made.source = made.text("in", "a.txt", columnDelimiter="", firstRowAsHeader=header)
    made.sink = made.dataset("Parquet", "out", "a.parquet")
    made.activity["sink"] = {"type": "ParquetSink"}
    made.run()
    name = "the line" if header else "Prop_0"
    assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {name: ONE}


def test_one_column_is_written_as_it_is(made: Made) -> None:
    made.write("in/a.txt", LINES)
    made.source = made.text("in", "a.txt", columnDelimiter="")
    made.sink = made.text("out", "b.txt", columnDelimiter="", rowDelimiter="\n")
    made.run()
    assert (made.data / "out/b.txt").read_text() == LINES.replace("\r\n", "\n") + "\n"
    made.source = made.text("in", "a.txt")
    made.write("in/a.txt", "1,2\n")
    with pytest.raises(SchemaMismatchError, match="2 columns cannot be written without a delimiter"):
        made.run()
    made.write("in/a.txt", '"1\n2"\n')
    with pytest.raises(DataError, match="a value holds the end of a row"):
        made.run()


def test_a_file_of_one_row_is_unsupported(made: Made) -> None:
    made.source = made.text("in", "a.txt", columnDelimiter="", rowDelimiter="")
    assert made.unsupported() == ["unsupported rowDelimiter"]
