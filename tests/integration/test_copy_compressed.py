"""Tables in compressed files and archives, read and written on local files and through definitions."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from copy_definitions import Made

import crossdock
from crossdock import DataError

CODECS = ["gzip", "bzip2", "deflate", "zipDeflate", "tar", "tarGZip", "snappy", "lz4"]
ROWS = pa.table({"id": pa.array(range(5_000)), "name": [f"näme {i % 97}" for i in range(5_000)]})


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def zipped(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, str], mode: Any = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            packed.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def untarred(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        found = packed.extractfile("a.csv")
        assert found is not None
        return found.read()


def deflated(text: str) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text.encode()) + packer.flush()


@pytest.mark.parametrize("level", ["Optimal", "Fastest"])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["delimited", "jsonlines"])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str, codec: str, level: str) -> None:
    pq.write_table(ROWS, tmp_path / "in.parquet", row_group_size=1_000)
    options = {"compression": codec, "compression_level": level}
    home = tmp_path / "home"
    crossdock.copy(
        str(tmp_path / "in.parquet"), str(tmp_path / "x"), sink_format=kind, sink_options=options, home=home
    )
    crossdock.copy(
        str(tmp_path / "x"), str(tmp_path / "out.parquet"), source_format=kind, home=home,
        source_options={"compression": codec},
    )  # fmt: skip
    assert pq.read_table(tmp_path / "out.parquet").sort_by("id").equals(ROWS)


@pytest.mark.parametrize(
    ("codec", "unpack"),
    [
        ("gzip", gzip.decompress),
        ("bzip2", bz2.decompress),
        ("deflate", lambda data: zlib.decompress(data, -15)),
        ("zipDeflate", lambda data: zipfile.ZipFile(io.BytesIO(data)).read("a.csv")),
        ("tar", untarred),
        ("tarGZip", untarred),
    ],
)
def test_other_programs_read_what_a_definition_asks_for(made: Made, codec: str, unpack: Any) -> None:
    made.write("in/a.csv", "id\n1\n2\n")
    made.sink["typeProperties"] |= {"compressionCodec": codec, "compressionLevel": "Fastest"}
    made.sink["typeProperties"]["location"]["fileName"] = (
        "a.csv.zip"
        if codec == "zipDeflate"
        else ("a.csv.tar.gz" if codec == "tarGZip" else "a.csv.tar" if codec == "tar" else "a.csv.x")
    )
    made.source = made.text("in", "a.csv", firstRowAsHeader=True)
    made.run()
    (written,) = (made.data / "out").iterdir()
    assert unpack(written.read_bytes()).replace(b'"', b"") == b"id\r\n1\r\n2\r\n"


@pytest.mark.parametrize(
    ("codec", "content"),
    [
        ("GZip", gzip.compress(b"id\n1\n") + gzip.compress(b"2\n")),
        ("BZip2", bz2.compress(b"id\n1\n") + bz2.compress(b"2\n")),
        ("Deflate", deflated("id\n1\n2\n")),
        ("ZipDeflate", zipped({"d/a.csv": "id\n1\n", "b.csv": "id\n2\n"})),
        ("Tar", tarred({"a.csv": "id\n1\n", "./b.csv": "id\n2\n"})),
        ("TarGZip", tarred({"a.csv": "id\n1\n", "b.csv": "id\n2\n"}, "w:gz")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_definition_reads_what_other_programs_wrote(made: Made, codec: str, content: bytes) -> None:
    made.write("in/a.packed", content)
    made.source = made.text("in", "a.packed", firstRowAsHeader=True, compressionCodec=codec)
    made.activity["source"]["formatSettings"] = {
        "type": "DelimitedTextReadSettings",
        "compressionProperties": {"type": "ZipDeflateReadSettings", "preserveZipFileNameAsFolder": False},
    }
    made.sink["typeProperties"]["location"]["fileName"] = "b.csv"
    made.run()
    assert made.out("b.csv") == ["id", "1", "2"]


def test_json_is_compressed_as_its_dataset_says(made: Made) -> None:
    made.write("in/a.json", bz2.compress(b'{"a": 1}\n{"a": 2}\n'))
    made.source = made.dataset("Json", "in", "a.json", compression={"type": "bzip2", "level": "Optimal"})
    made.activity["source"]["type"] = "JsonSource"
    made.sink = made.dataset("Json", "out", "b.json", compression={"type": "ZipDeflate"})
    made.activity["sink"] = {"type": "JsonSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.run()
    packed = zipfile.ZipFile(made.data / "out" / "b.json")
    assert packed.read(packed.namelist()[0]) == b'{"a":1}\n{"a":2}\n'


def test_a_table_without_rows_is_an_archive_with_its_header(tmp_path: Path) -> None:
    pq.write_table(ROWS.slice(0, 0), tmp_path / "in.parquet")
    for codec in ("zipDeflate", "gzip"):
        crossdock.copy(
            str(tmp_path / "in.parquet"), str(tmp_path / codec), sink_format="delimited",
            sink_options={"compression": codec}, home=tmp_path / "home",
        )  # fmt: skip
    packed = zipfile.ZipFile(tmp_path / "zipDeflate")
    assert packed.read(packed.namelist()[0]) == b"id,name\n"
    assert gzip.decompress((tmp_path / "gzip").read_bytes()) == b"id,name\n"


@pytest.mark.parametrize("codec", ["gzip", "bzip2", "deflate", "zipDeflate", "tarGZip", "snappy", "lz4"])
def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path, codec: str) -> None:
    pq.write_table(ROWS, tmp_path / "in.parquet")
    options, home = {"compression": codec}, tmp_path / "home"
    crossdock.copy(
        str(tmp_path / "in.parquet"), str(tmp_path / "x"), sink_format="delimited", sink_options=options,
        home=home,
    )  # fmt: skip
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(DataError, match=r"not a complete|damaged"):
        crossdock.copy(
            str(tmp_path / "x"), str(tmp_path / "out.parquet"), source_format="delimited",
            source_options=options, home=home,
        )  # fmt: skip
    assert not (tmp_path / "out.parquet").exists()


def test_hadoops_and_snappys_own_framing_are_read(made: Made) -> None:
    text = b"id\n1\n2\n"
    packed = pa.compress(text, "snappy", asbytes=True)
    framed = b"\xff\x06\x00\x00sNaPpY\x00" + (len(packed) + 4).to_bytes(3, "little") + bytes(4) + packed
    blocks = len(text).to_bytes(4, "big") + len(packed).to_bytes(4, "big") + packed
    raw = pa.compress(text, "lz4_raw", asbytes=True)
    lz4 = len(text).to_bytes(4, "big") + len(raw).to_bytes(4, "big") + raw
    for codec, content in (("snappy", framed), ("snappy", blocks), ("lz4", lz4)):
        made.write("in/a.packed", content)
        made.source = made.text("in", "a.packed", firstRowAsHeader=True, compressionCodec=codec)
        made.sink["typeProperties"]["location"]["fileName"] = "b.csv"
        made.run()
        assert made.out("b.csv") == ["id", "1", "2"]
