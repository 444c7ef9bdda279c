"""Binary copies that unpack archives and compressed files, or pack files."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copy_definitions import Made

import crossdock
from crossdock import CancelledError, ConfigError, DataError, Split
from crossdock.packing.unpacked import UnpackedSource

FILES = {"a.txt": b"one\n", "deep/er/b.bin": bytes(range(256)) * 40_000, "empty": b""}


def zipped(files: dict[str, bytes], **more: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", more.get("method", zipfile.ZIP_DEFLATED)) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: Any = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def tree(root: Path) -> dict[str, bytes]:
    return {str(each.relative_to(root)): each.read_bytes() for each in root.rglob("*") if each.is_file()}


def copy(source: Path, sink: Path, **options: Any) -> crossdock.CopyResult:
    given = {"source_options": {}, "sink_options": {}} | options
    return crossdock.copy(
        str(source), f"{sink}/", source_format="binary", sink_format="binary",
        home=sink.parent / "home", **given,
    )  # fmt: skip


ARCHIVES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zipDeflate": zipped,
    "tar": tarred,
    "tarGZip": lambda files: tarred(files, "w:gz"),
}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("codec", ARCHIVES)
def test_every_file_of_an_archive_becomes_a_file(tmp_path: Path, codec: str, verify: bool) -> None:
    (tmp_path / "in" / "x").mkdir(parents=True)
    (tmp_path / "in" / "x" / "one.pack").write_bytes(ARCHIVES[codec](FILES))
    (tmp_path / "in" / "two.pack").write_bytes(ARCHIVES[codec]({"a.txt": b"two"}))
    options = {"unpack": codec}
    copy(tmp_path / "in", tmp_path / "out", source_options=options, verify=verify, block_size=1 << 20)
    expected = {f"x/one.pack/{name}": content for name, content in FILES.items()}
    assert tree(tmp_path / "out") == expected | {"two.pack/a.txt": b"two"}


@pytest.mark.parametrize("codec", ARCHIVES)
def test_without_a_folder_files_of_one_name_are_refused(tmp_path: Path, codec: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_bytes(ARCHIVES[codec](FILES))
    options = {"unpack": codec, "archive_folder": "false"}
    copy(tmp_path / "in", tmp_path / "out", source_options=options)
    assert tree(tmp_path / "out") == FILES
    (tmp_path / "in" / "two").write_bytes(ARCHIVES[codec]({"a.txt": b"two"}))
    with pytest.raises(ConfigError, match=r"both hold a\.txt"):
        copy(tmp_path / "in", tmp_path / "again", source_options=options)
    assert not (tmp_path / "again").exists() or tree(tmp_path / "again") == {}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("codec", "ending", "pack"),
    [("gzip", ".gz", gzip.compress), ("bzip2", ".bz2", bz2.compress), ("deflate", ".deflate", deflated)],
)
def test_a_compressed_file_becomes_the_file(
    tmp_path: Path, codec: str, ending: str, pack: Any, verify: bool
) -> None:
    content = random.Random(7).randbytes(3 << 20)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"a.bin{ending}").write_bytes(pack(content))
    copy(
        tmp_path / "in", tmp_path / "out", source_options={"unpack": codec}, verify=verify,
        block_size=1 << 20,
    )  # fmt: skip
    assert tree(tmp_path / "out") == {"a.bin": content}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("level", ["Optimal", "Fastest"])
@pytest.mark.parametrize(
    ("codec", "ending"),
    [("gzip", ".gz"), ("bzip2", ".bz2"), ("deflate", ".deflate"), ("zipDeflate", ".zip"), ("tar", ".tar"),
     ("tarGZip", ".tar.gz"), ("snappy", ".snappy"), ("lz4", ".lz4")],
)  # fmt: skip
def test_what_is_packed_is_unpacked_again(
    tmp_path: Path, codec: str, ending: str, level: str, verify: bool
) -> None:
    for name, content in FILES.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    options = {"pack": codec, "pack_level": level}
    copy(tmp_path / "in", tmp_path / "packed", sink_options=options, verify=verify, block_size=1 << 20)
    assert tree(tmp_path / "packed").keys() == {f"{name}{ending}" for name in FILES}
    options = {"unpack": codec, "archive_folder": "false"}
    copy(tmp_path / "packed", tmp_path / "out", source_options=options)
    assert tree(tmp_path / "out") == FILES


def test_other_programs_unpack_what_is_packed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"content")
    found = {}
    for codec in ("gzip", "bzip2", "zipDeflate", "tar", "tarGZip"):
        copy(tmp_path / "in", tmp_path / codec, sink_options={"pack": codec})
        found[codec] = next((tmp_path / codec).iterdir())
    assert gzip.decompress(found["gzip"].read_bytes()) == b"content"
    assert bz2.decompress(found["bzip2"].read_bytes()) == b"content"
    with zipfile.ZipFile(found["zipDeflate"]) as packed:
        assert packed.read("a.txt") == b"content"
        assert packed.testzip() is None
    for name in ("tar", "tarGZip"):
        with tarfile.open(found[name]) as unpacked:
            member = unpacked.extractfile("a.txt")
            assert member is not None
            assert member.read() == b"content"


def linked(kind: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        packed.addfile(info)
    return out.getvalue()


def zipped_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    return out.getvalue()


def overlapping() -> bytes:
    """Two names for the same bytes."""
    data = bytearray(zipped({"a": b"x" * 100, "b": b"x" * 100}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)
    return bytes(data)


def lying() -> bytes:
    """The directory says that there is less than comes."""
    data = bytearray(zipped({"a": b"x" * 10_000}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("codec", "content"),
    [
        *((codec, ARCHIVES[codec]({name: b"x"})) for codec in ARCHIVES
          for name in ("../a", "a/../../b", "/etc/a", "C:/a", "a\\b")),
        ("tar", linked(tarfile.SYMTYPE)),
        ("tar", linked(tarfile.LNKTYPE)),
        ("tar", linked(tarfile.CHRTYPE)),
        ("zipDeflate", zipped_link()),
        ("zipDeflate", overlapping()),
        ("zipDeflate", lying()),
        ("zipDeflate", b"no archive"),
        ("tar", b"no archive" * 100),
        ("tarGZip", b"no archive"),
        ("gzip", b"no archive"),
        ("zipDeflate", zipped(FILES)[:-50]),
        ("tarGZip", tarred(FILES, "w:gz")[:-50]),
        ("tar", tarred({"a": b"x" * 5000})[:2000]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_dangerous_or_damaged_is_refused(tmp_path: Path, codec: str, content: bytes) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_bytes(content)
    with pytest.raises(DataError):
        copy(tmp_path / "in", tmp_path / "out", source_options={"unpack": codec})
    assert {each.name for each in tmp_path.iterdir()} <= {"in", "out", "home"}
    written = tree(tmp_path / "out") if (tmp_path / "out").exists() else {}
    assert not any(each.startswith("one/a") for each in written)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    layer = bz2.compress(bytes(50 << 20))
    (tmp_path / "in" / "one.bz2").write_bytes(layer * 30)
    with pytest.raises(DataError, match="times as large"):
        copy(tmp_path / "in", tmp_path / "out", source_options={"unpack": "bzip2"})


def test_an_archive_of_many_files_does_not_go_into_one(tmp_path: Path) -> None:
    (tmp_path / "one.zip").write_bytes(zipped(FILES))
    (tmp_path / "two.zip").write_bytes(zipped({"only": b"1"}))
    given: Any = {
        "source_format": "binary", "sink_format": "binary", "home": tmp_path / "home",
        "source_options": {"unpack": "zipDeflate"},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="holds 3 files"):
        crossdock.copy(str(tmp_path / "one.zip"), str(tmp_path / "out"), **given)
    crossdock.copy(str(tmp_path / "two.zip"), str(tmp_path / "out"), **given)
    assert (tmp_path / "out").read_bytes() == b"1"


@pytest.mark.parametrize(
    "options",
    [
        {"source_options": {"unpack": "gzip", "delete_files_after_completion": "true"}},
        {"source_options": {"unpack": "gzip"}, "sink_options": {"copy_behavior": "MergeFiles"}},
        {"source_options": {"unpack": "rar"}},
    ],
)
def test_what_does_not_go_together_is_a_wrong_request(tmp_path: Path, options: Any) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.gz").write_bytes(gzip.compress(b"1"))
    with pytest.raises(ConfigError):
        copy(tmp_path / "in", tmp_path / "out", **options)


@pytest.mark.parametrize("codec", ARCHIVES)
def test_a_resumed_copy_unpacks_only_what_is_missing(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    files = {f"f{i}": random.Random(i).randbytes(300_000) for i in range(8)}
    (tmp_path / "in" / "one").write_bytes(ARCHIVES[codec](files))
    ended, reads, read = threading.Event(), [], UnpackedSource.read

    def counted(self: UnpackedSource, split: Split) -> Any:
        reads.append(split.unit)
        if len(reads) == 4:
            ended.set()
        return read(self, split)

    monkeypatch.setattr(UnpackedSource, "read", counted)
    given: Any = {"source_options": {"unpack": codec}, "parallel_copies": 1, "cancel": ended}
    with pytest.raises(CancelledError) as stopped:
        copy(tmp_path / "in", tmp_path / "out", **given)
    kept = [name for name in tree(tmp_path / "out") if name.startswith("one/")]
    assert len(kept) == 3
    assert stopped.value.run_id is not None
    crossdock.resume(stopped.value.run_id, home=tmp_path / "home")
    assert tree(tmp_path / "out") == {f"one/{name}": data for name, data in files.items()}
    # Nothing that had become a file is read again.
    assert [reads.count(name) for name in kept] == [1, 1, 1]


# -- through a definition -------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path)
    found.activity = {
        "source": {
            "type": "BinarySource",
            "storeSettings": {"type": "FileServerReadSettings"},
            "formatSettings": {"type": "BinaryReadSettings"},
        },
        "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
    }
    found.source, found.sink = found.dataset("Binary", "in"), found.dataset("Binary", "out")
    return found


@pytest.mark.parametrize("kept", [None, True, False])
def test_a_definition_unpacks_archives(made: Made, kept: bool | None) -> None:
    made.write("in/a.zip", zipped(FILES))
    made.source = made.dataset(
        "Binary", "in", "a.zip", compression={"type": "ZipDeflate", "level": "Optimal"}
    )
    properties = {} if kept is None else {"preserveZipFileNameAsFolder": kept}
    made.activity["source"]["formatSettings"]["compressionProperties"] = {
        "type": "ZipDeflateReadSettings",
        **properties,
    }
    made.run()
    folder = "" if kept is False else "a.zip/"
    assert tree(made.data / "out") == {f"{folder}{name}": content for name, content in FILES.items()}


def test_a_definition_packs_files(made: Made) -> None:
    made.write("in/a.txt", "1")
    made.sink = made.dataset("Binary", "out", compression={"type": "GZip", "level": "Fastest"})
    made.run()
    assert gzip.decompress((made.data / "out/a.txt.gz").read_bytes()) == b"1"


def test_a_dataset_of_the_first_model_unpacks_too(made: Made) -> None:
    made.write("in/a.txt.gz", gzip.compress(b"1"))
    for side, folder in (("source", "in"), ("sink", "out")):
        more = {"compression": {"type": "GZip", "level": "Optimal"}} if side == "source" else {}
        dataset = made.dataset("FileShare", folder) | {
            "typeProperties": {"folderPath": folder, **more},
        }
        setattr(made, side, dataset)
    made.activity = {"source": {"type": "FileSystemSource"}, "sink": {"type": "FileSystemSink"}}
    made.run()
    assert tree(made.data / "out") == {"a.txt": b"1"}
