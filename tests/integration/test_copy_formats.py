"""Json, Parquet, Avro and Orc datasets: their properties by what is in the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made
from pyarrow import orc


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.write("in/a.csv", "a,b\n1,ż\n")
    return made


def sink(made: Made, kind: str, dataset: Json | None = None, **settings: Any) -> Path:
    file = made.data / "out" / f"a.{kind.lower()}"
    made.sink = made.dataset(kind, "out", file.name, **(dataset or {}))
    made.activity["sink"] = {
        "type": f"{kind}Sink",
        "formatSettings": {"type": f"{kind}WriteSettings"} | settings,
    }
    made.run()
    return file


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-2"])
@pytest.mark.parametrize("pattern", ["setOfObjects", "arrayOfObjects"])
def test_json_has_its_encoding_and_its_pattern(made: Made, encoding: str, pattern: str) -> None:
    file = sink(made, "Json", {"encodingName": encoding}, filePattern=pattern)
    row = {"a": "1", "b": "ż"}
    assert json.loads(file.read_bytes().decode(encoding)) == ([row] if pattern == "arrayOfObjects" else row)
    made.source = made.dataset("Json", "out", "a.json", encodingName=encoding)
    made.activity["source"] = {"type": "JsonSource"}
    made.sink = made.text("out", "b.csv", firstRowAsHeader=True)
    made.activity["sink"] = {"type": "DelimitedTextSink"}
    made.run()
    assert made.out("b.csv") == ["a,b", "1,ż"]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "zstd"])
def test_parquet_has_its_codec(made: Made, codec: str) -> None:
    found = pq.ParquetFile(sink(made, "Parquet", {"compressionCodec": codec})).metadata
    expected = "UNCOMPRESSED" if codec == "none" else codec.upper()
    assert found.row_group(0).column(0).compression == expected


@pytest.mark.parametrize(("codec", "written"), [("none", "null"), ("deflate", "deflate"), ("xz", "xz")])
def test_avro_has_its_codec(made: Made, codec: str, written: str) -> None:
    with sink(made, "Avro", {"avroCompressionCodec": codec}).open("rb") as file:
        metadata: Any = fastavro.reader(file).metadata
    assert metadata["avro.codec"] == written


@pytest.mark.parametrize(
    ("codec", "written"), [("none", "UNCOMPRESSED"), ("zlib", "ZLIB"), ("snappy", "SNAPPY")]
)
def test_orc_has_its_codec(made: Made, codec: str, written: str) -> None:
    assert orc.ORCFile(sink(made, "Orc", {"orcCompressionCodec": codec})).compression == written
