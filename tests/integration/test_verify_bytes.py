"""``--verify`` of files byte for byte: what is staged is read back at once, the rest after the commit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import crossdock
from crossdock import VerificationError
from crossdock_connectors.stores import file_store
from crossdock_connectors.stores.file_store import FileStore

SIZE = 3 * (1 << 20) + 17


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "from.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the objects that are opened to be read."""
    found: list[str] = []
    real = FileStore.open_read

    def open_read(self: FileStore, path: str, info: Any = None) -> Any:
        found.append(path)
        return real(self, path, info)

    monkeypatch.setattr(FileStore, "open_read", open_read)
    return found


def copied(source: Path, sink: Path) -> None:
    result = crossdock.copy(str(source), str(sink), block_size=1 << 20, verify=True, parallel_copies=2)
    assert result.verification == {"bytes": "all"}


def test_nothing_is_read_back_after_the_commit(source: Path, tmp_path: Path, opened: list[str]) -> None:
    copied(source, tmp_path / "to.bin")
    assert (tmp_path / "to.bin").read_bytes() == source.read_bytes()
    assert "from.bin" in opened
    assert "to.bin" not in opened


@pytest.mark.parametrize("damaged", ["written", "read_back"])
def test_a_byte_that_differs(
    source: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    """A wrong byte on the disk is found; one that only the first reading had is proved after the commit."""
    if damaged == "written":
        real_write = file_store.copy_through

        def write(source: int, offset: int, target: int, at: int, length: int, **more: Any) -> int:
            done = real_write(source, offset, target, at, length, **more)
            if offset == 1 << 20:
                os.pwrite(target, b"eight more", at + 5)
            return done

        monkeypatch.setattr(file_store, "copy_through", write)
        with pytest.raises(VerificationError, match=r"from 1,048,576 on differ"):
            copied(source, tmp_path / "to.bin")
        return
    real_read = file_store.read_through

    def read(fd: int, at: int, length: int, seen: Any) -> None:
        if at == 1 << 20:
            seen(memoryview(b"x"))
        real_read(fd, at, length, seen)

    monkeypatch.setattr(file_store, "read_through", read)
    copied(source, tmp_path / "to.bin")
    assert "to.bin" in opened
