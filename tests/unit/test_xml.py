"""XML: rows by path, attributes, namespaces, bounded memory, hostile files."""

from __future__ import annotations

import gzip
import io
import resource
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import ConfigError, DataError, NotSupportedError, ObjectInfo, PlanHint, ShortReadError
from crossdock_connectors.formats.xml import SPEC
from crossdock_connectors.formats.xml_config import XmlConfig

ORDERS = """<?xml version="1.0" encoding="{}"?>
<o:orders xmlns:o="urn:shop"><!-- a comment -->
  <head><made>today</made></head>
  <o:order id="1"><buyer><name>Żółw &amp; Co</name></buyer><total currency="EUR">1.50</total></o:order>
  <o:order id="2"><buyer><name/></buyer><total>2.25</total><note><![CDATA[a<b]]></note></o:order>
</o:orders>
"""


def read(data: bytes | str, path: str = "in/a.xml", size: int | None = None, **options: Any) -> list[Any]:
    data = data.encode() if isinstance(data, str) else data
    fmt = SPEC.open_format(XmlConfig(**options))
    info = ObjectInfo(path, len(data) if size is None else size, "v1")
    schema = fmt.schema(io.BytesIO(data), info)
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(parallel=4), 10)
    with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
        return pa.Table.from_batches(batches, schema).to_pylist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-2"])
def test_rows_by_path(encoding: str) -> None:
    data = ORDERS.format(encoding).encode(encoding)
    options = {
        "row_path": "/orders/order",
        "types": "@id:int64,total:decimal(10,2),total._text:decimal(10,2)",
    }
    one, two = read(data, **options)
    assert {name: value for name, value in one.items() if value is not None} == {
        "@id": 1, "buyer.name": "Żółw & Co", "total.@currency": "EUR", "total._text": Decimal("1.50"),
    }  # fmt: skip
    assert {name: value for name, value in two.items() if value is not None} == {
        "@id": 2, "total": Decimal("2.25"), "note": "a<b",
    }  # fmt: skip
    assert read(gzip.compress(data), "a.xml.gz", **options) == [one, two]


def test_namespaces_and_the_first_child() -> None:
    text = '<r xmlns="urn:x" xmlns:y="urn:y"><i y:k="1">a</i><i y:k="2">b</i></r>'
    assert read(text) == [{"@k": "1", "_text": "a"}, {"@k": "2", "_text": "b"}]
    (row, _) = read(text, namespaces=True, attribute_prefix="", text_column="t")
    assert row == {"{urn:y}k": "1", "t": "a"}
    with pytest.raises(ConfigError, match=r"in/a\.xml has no element /r/x; its root is /r"):
        read(text, row_path="/r/x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<r><i><a>1</a>\n</i>", "in/a.xml, line 2: "),
        ("<r><i><a>1</b></i></r>", "in/a.xml, line 1: Opening and ending tag mismatch"),
        ("", "in/a.xml, line "),
        ("{}", "in/a.xml, line 1: "),
        ("<r><i><a>1</a><a>2</a></i></r>", "in/a.xml, line 1: 'a' is there twice in one row"),
        ('<!DOCTYPE r [<!ENTITY e "x">]><r><i>&e;</i></r>', "in/a.xml has a DOCTYPE"),
        ('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r><i>1</i></r>', "in/a.xml has a DOCTYPE"),
        ('<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><i>&e;</i></r>', "in/a.xml has a DOCTYPE"),
        ("<r><i>&nbsp;</i></r>", "in/a.xml, line 1: "),
        ("<r>" + "<i>" * 5000, "in/a.xml, line 1: "),
    ],
)
def test_a_bad_or_hostile_file_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(DataError) as refusal:
        read(text)
    assert str(refusal.value).startswith(said)
    assert "\n" not in str(refusal.value)


def test_values_and_fields_that_do_not_fit() -> None:
    rows = "".join(f"<i><a>{n}</a></i>\n" for n in range(3000))
    with pytest.raises(DataError, match=r"in/a\.xml, line 3001: 'b' is not in the sample"):
        read(f"<r>{rows}<i><b>1</b></i></r>", sample_bytes=1024)
    assert len(read(f"<r>{rows}<i><b>1</b></i></r>", sample_bytes=1024, types="b:int64")) == 3001
    with pytest.raises(DataError, match=r"in/a\.xml, lines 1 to 1, column 'a': a value is no int64"):
        read("<r><i><a>x</a></i></r>", types="a:int64")
    with pytest.raises(ShortReadError, match="ended 5 bytes too early"):
        read("<r><i>1</i></r>", size=20)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_does_not_grow_with_the_file() -> None:
    class Endless(io.RawIOBase):
        """120 MB of rows, made as they are read."""

        left = 120_000

        def __init__(self) -> None:
            self._data = b"<r>"

        def readable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def read(self, size: int = -1) -> bytes:
            while len(self._data) < size and self.left:
                self._data += b"<i><a>" + b"x" * 1000 + b"</a></i>"
                self.left -= 1
                if not self.left:
                    self._data += b"</r>"
            found, self._data = self._data[:size], self._data[size:]
            return found

    fmt, info = SPEC.open_format(XmlConfig()), ObjectInfo("a.xml", 1, "v1")
    rows, before, most = 0, resident(), 0
    with fmt.read(Endless(), info, b"1", pa.schema({"a": pa.string()})) as batches:
        for batch in batches:
            rows += batch.num_rows
            most = max(most, resident() - before)
    assert rows == 120_000
    assert most < 60 << 20


def test_a_row_without_end_is_refused() -> None:
    text = "<r><i>" + f"<a>{'x' * 100_000}</a>" * 200
    with pytest.raises(DataError, match="a row is larger than 16 MiB; is row_path right"):
        read(text)


def test_a_copy_reads_and_never_writes_xml(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(ORDERS.format("utf-8").encode())
    crossdock.copy(
        tmp_path / "a.xml", tmp_path / "a.parquet", source_options={"row_path": "/orders/order"}, verify=True
    )
    assert pq.read_table(tmp_path / "a.parquet")["@id"].to_pylist() == ["1", "2"]
    with pytest.raises(NotSupportedError, match="XML is only read"):
        crossdock.copy(tmp_path / "a.parquet", tmp_path / "b.xml")
    (tmp_path / "cut.xml").write_text("<r><i>1</i>")
    with pytest.raises(DataError) as damage:
        crossdock.copy(tmp_path / "cut.xml", tmp_path / "c.parquet")
    assert damage.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir() if "xml" not in p.name) == ["a.parquet"]
