"""Excel and Xml datasets: each of their properties by what it does to rows."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path)
    found.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    found.sink = found.dataset("Parquet", "out", "a.parquet")
    return found


def book() -> bytes:
    workbook, out = openpyxl.Workbook(), io.BytesIO()
    first = workbook.active
    assert first is not None
    first.title = "first"
    for row in (["id", "name"], [1, "a"], [2, "-"]):
        first.append(row)
    second = workbook.create_sheet("second")
    second.append(["x"])
    workbook.save(out)
    return out.getvalue()


def excel(made: Made, **properties: Any) -> Json:
    made.write("in/a.xlsx", book())
    made.activity["source"]["type"] = "ExcelSource"
    made.source = made.dataset("Excel", "in", "a.xlsx", **properties)
    made.run()
    found: Json = pq.read_table(made.data / "out/a.parquet").to_pydict()
    return found


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"firstRowAsHeader": True}, {"id": [1, 2], "name": ["a", "-"]}),
        ({"sheetName": "first"}, {"Prop_0": ["id", "1", "2"], "Prop_1": ["name", "a", "-"]}),
        ({"sheetIndex": 1}, {"Prop_0": ["x"]}),
        ({"sheetName": "first", "range": "A2:A3"}, {"Prop_0": [1, 2]}),
        ({"range": "B2", "nullValue": "-"}, {"Prop_0": ["a", None]}),
    ],
)
def test_a_sheet_is_read_as_its_dataset_says(made: Made, properties: Json, expected: Json) -> None:
    assert excel(made, **properties) == expected


def test_a_workbook_may_be_compressed(made: Made) -> None:
    for codec, content in (("gzip", gzip.compress(book())), ("bzip2", bz2.compress(book()))):
        made.write("in/b.bin", content)
        made.activity["source"]["type"] = "ExcelSource"
        made.source = made.dataset(
            "Excel", "in", "b.bin", firstRowAsHeader=True, compression={"type": codec, "level": "Fastest"}
        )
        made.run()
        assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {"id": [1, 2], "name": ["a", "-"]}


def test_workbooks_and_xml_are_not_written(made: Made) -> None:
    for kind in ("Excel", "Xml"):
        made.sink = made.dataset(kind, "out", "a.bin")
        made.activity["sink"]["type"] = f"{kind}Sink"
        assert f"{kind}Sink does not go with {kind}" in " ".join(e.message for e in made.plan()[1])


XML = '<r xmlns:p="urn:p"><row i="1"><p:n>7</p:n><d>0.5</d><t u="x">-</t></row></r>'


def xml(made: Made, content: bytes = XML.encode(), dataset: Json | None = None, **settings: Any) -> Json:
    made.write("in/a.xml", content)
    made.activity["source"] |= {
        "type": "XmlSource",
        "formatSettings": {"type": "XmlReadSettings", "validationMode": "none"} | settings,
    }
    made.source = made.dataset("Xml", "in", "a.xml", **(dataset or {}))
    made.run()
    found: Json = pq.read_table(made.data / "out/a.parquet").to_pydict()
    return found


def test_names_have_their_namespaces_or_prefixes(made: Made) -> None:
    texts = {"@i": ["1"], "d": ["0.5"], "t.@u": ["x"], "t._value_": ["-"]}
    assert xml(made) == texts | {"{urn:p}n": ["7"]}
    assert xml(made, namespaces=False) == texts | {"n": ["7"]}
    assert xml(made, namespacePrefixes={"urn:p": "q"}) == texts | {"q:n": ["7"]}


def test_numbers_are_found_where_they_are_wanted(made: Made) -> None:
    found = xml(made, dataset={"nullValue": "-"}, detectDataType=True, namespaces=False)
    assert found == {"@i": [1], "n": [7], "d": [0.5], "t.@u": ["x"]}
    content = b"<r><e a='007'>true</e><e a='1'>FALSE</e></r>"
    assert xml(made, content, detectDataType=True) == {"@a": ["007", "1"], "_value_": [True, False]}


def test_the_encoding_of_the_dataset_goes_before_that_of_the_file(made: Made) -> None:
    content = "<?xml version='1.0' encoding='utf-8'?><r><e>ż</e></r>".encode("iso-8859-2")
    assert xml(made, content, {"encodingName": "ISO-8859-2"}) == {"_value_": ["ż"]}


def test_xml_in_an_archive(made: Made) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("a.xml", "<r><e>1</e></r>")
        packed.writestr("b.xml", "<r><e>2</e></r>")
    found = xml(
        made, out.getvalue(), {"compression": {"type": "ZipDeflate", "level": "Optimal"}},
        compressionProperties={"type": "ZipDeflateReadSettings", "preserveZipFileNameAsFolder": True},
    )  # fmt: skip
    assert found == {"_value_": ["1", "2"]}


def test_validation_is_not_done_and_said(made: Made) -> None:
    made.activity["source"] |= {
        "type": "XmlSource",
        "formatSettings": {"type": "XmlReadSettings", "validationMode": "xsd"},
    }
    made.source = made.dataset("Xml", "in", "a.xml")
    assert made.unsupported() == ["unsupported validationMode"]
