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

from crossdock import DataError


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
    plain = {"@i": [1], "d": [0.5], "t.@u": ["x"], "t._value_": ["-"]}
    assert xml(made) == plain | {"p:n": [7]}
    assert xml(made, namespaces=False) == plain | {"n": [7]}
    assert xml(made, namespacePrefixes={"urn:p": "q"}) == plain | {"q:n": [7]}
    two = b"<r xmlns='urn:d' xmlns:a='urn:a'><row a:i='1'><n>7</n></row></r>"
    assert xml(made, two) == {"@a:i": [1], "n": [7]}


def test_numbers_are_found_unless_texts_are_wanted(made: Made) -> None:
    found = xml(made, dataset={"nullValue": "-"}, detectDataType=False, namespaces=False)
    assert found == {"@i": ["1"], "n": ["7"], "d": ["0.5"], "t.@u": ["x"]}
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
    assert found == {"_value_": [1, 2]}


XSD = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="part.xsd"/>
<xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="n" maxOccurs="unbounded"/></xs:sequence>
</xs:complexType></xs:element></xs:schema>"""
PART = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="n" type="xs:int"/></xs:schema>"""
DTD = b"<!ELEMENT r (n+)><!ELEMENT n (#PCDATA)>"
NAMES_XSD = (
    b'<r xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:noNamespaceSchemaLocation="a.xsd">%b</r>'
)
TWO = b"""<r xmlns="urn:r" xmlns:m="urn:m" xmlns:x="http://www.w3.org/2001/XMLSchema-instance"
x:schemaLocation="urn:r r.xsd urn:m m.xsd">%b</r>"""
OF_R = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:r">
<xs:element name="r"><xs:complexType><xs:sequence><xs:any namespace="urn:m" maxOccurs="unbounded"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""
OF_M = PART.replace(b"<xs:schema ", b'<xs:schema targetNamespace="urn:m" ')


@pytest.mark.parametrize(
    ("mode", "content", "row", "wrong", "said"),
    [
        ("xsd", NAMES_XSD, b"<n>1</n>", b"\n<n>x</n>", "line 2: Element 'n': 'x' is not a valid value"),
        ("xsd", TWO, b"<m:n>1</m:n>", b"<m:n>x</m:n>", "'x' is not a valid value"),
        ("dtd", b"<!DOCTYPE r SYSTEM 'a.dtd'><r>%b</r>", b"<n>1</n>", b"\n<m/>", "line 2: No declaration"),
        ("dtd", b"<!DOCTYPE r [" + DTD + b"]><r>%b</r>", b"<n>1</n>", b"t", "does not follow the DTD"),
    ],
)
def test_files_are_validated(
    made: Made, mode: str, content: bytes, row: bytes, *, wrong: bytes, said: str
) -> None:
    schemas(made)
    (values,) = xml(made, content % row, namespaces=False, validationMode=mode).values()
    assert values == [1]
    with pytest.raises(DataError, match=said):
        xml(made, content % (row + wrong), namespaces=False, validationMode=mode)


@pytest.mark.parametrize(
    ("mode", "content", "said"),
    [
        ("xsd", b"<r><n>1</n></r>", "names no XML schema"),
        ("xsd", NAMES_XSD.replace(b"a.xsd", b"b.xsd") % b"<n>1</n>", r"b\.xsd cannot be read"),
        ("xsd", NAMES_XSD.replace(b"a.xsd", b"../a.xsd") % b"<n>1</n>", "not below the folder"),
        ("xsd", NAMES_XSD.replace(b"a.xsd", b"http://127.0.0.1:9/a.xsd") % b"<n>1</n>", "cannot be read"),
        ("dtd", b"<r><n>1</n></r>", "no DTD found"),
        ("dtd", b"<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/a.dtd'><r><n>1</n></r>", "not below the folder"),
        ("dtd", b"<!DOCTYPE r [" + DTD + b"<!ENTITY e SYSTEM '/etc/passwd'>]><r><n>&e;</n></r>", "an entity"),
        ("dtd", b"<!DOCTYPE r [" + DTD + b"<!ENTITY e 'x'>]><r><n>&e;</n></r>", "an entity"),
    ],
)
def test_schemas_are_beside_the_file_and_entities_stay_what_they_are(
    made: Made, mode: str, content: bytes, said: str
) -> None:
    schemas(made)
    with pytest.raises(DataError, match=said):
        xml(made, content, namespaces=False, validationMode=mode)


def schemas(made: Made) -> None:
    made.write("a.xsd", XSD)
    beside = {"a.xsd": XSD, "part.xsd": PART, "a.dtd": DTD, "r.xsd": OF_R, "m.xsd": OF_M}
    for name, text in beside.items():
        made.write(f"in/{name}", text)
