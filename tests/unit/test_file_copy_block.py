"""The local file store: blocks copied from another file, by the kernel or without it."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
from file_samples import RUN, plant

from crossdock import (
    Block,
    ShortReadError,
    SourceChangedError,
    UploadRequest,
)
from crossdock_connectors.stores import file_bytes
from crossdock_connectors.stores.file_store import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path / "root"))


@pytest.mark.parametrize("kernel", ["copies", "refuses", "stops early", "is not asked"])
@pytest.mark.parametrize("layout", ["offsets", "parts"])
def test_copy_block(tmp_path: Path, monkeypatch, kernel: str, layout: str) -> None:
    store, data = FileStore(str(tmp_path / "to")), os.urandom(3_000_000)
    (tmp_path / "from").mkdir()
    (tmp_path / "from/src").write_bytes(data)
    source = FileStore(str(tmp_path / "from"))
    if kernel in ("refuses", "stops early"):
        real = os.copy_file_range

        def other(src: int, dst: int, count: int, offset: int, at: int) -> int:
            if kernel == "refuses":
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return real(src, dst, 1000, offset, at) if offset % 7 else 0

        monkeypatch.setattr(os, "copy_file_range", other)
    assert store.can_copy_from(source)
    info = source.stat("src")
    upload = store.open_upload("copy", UploadRequest("r", size=len(data)))
    cuts = [0, 1_000_001, 2_500_000, len(data)]
    blocks = []
    for split, (at, end) in reversed([*enumerate(itertools.pairwise(cuts))]):
        block = Block(split, 1, 0, 0, end - at, at if layout == "offsets" else None)
        if kernel == "is not asked":
            seen = bytearray()
            assert store.copy_seen(source, info, at, upload, block, seen=seen.extend)
            assert seen == data[at:end]
        else:
            store.copy_block(source, info, at, upload, block)
        blocks.insert(0, block)
    store.commit(upload, blocks)
    assert (tmp_path / "to/copy").read_bytes() == data


def test_copy_block_of_a_changed_or_shorter_source(store: FileStore, tmp_path: Path, monkeypatch) -> None:
    plant(tmp_path, "src")
    source = FileStore(str(tmp_path))
    info = source.stat("src")
    upload = store.open_upload("copy", RUN)
    with pytest.raises(ShortReadError):
        store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 4, 0))
    real = os.copy_file_range

    def meanwhile(*args: int) -> int:
        os.truncate(tmp_path / "src", 1)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "copy_file_range", meanwhile)
        with pytest.raises(SourceChangedError):
            store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 3, 0))
    with pytest.raises(SourceChangedError):
        store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 3, 0))


def test_a_portable_copy_says_where_the_source_ends(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delattr(os, "copy_file_range")
    (tmp_path / "a").write_bytes(b"12345")
    source, target = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    try:
        assert file_bytes.copy_range(source, 1, target, 2, 100) == 4
    finally:
        os.close(source)
        os.close(target)
    assert (tmp_path / "b").read_bytes() == b"\0\0" + b"2345"
