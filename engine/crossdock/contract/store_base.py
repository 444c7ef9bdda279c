"""What the checks of a store share: opening it, putting, getting, and cutting content into blocks."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from ..errors import NotFoundError
from ..spi import Block, ObjectStore, UploadRequest
from .opening import open_store
from .spec_checks import SpecContract

Piece = tuple[Block, bytes]


def noise(size: int, seed: int = 0) -> bytes:
    """Content that differs in every block and for every seed."""
    return random.Random(f"{seed}/{size}").randbytes(size)  # noqa: S311 - not for secrets


class StoreBase(SpecContract):
    """Fixtures and small operations; contains no check of its own."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[ObjectStore]:
        with closing(self.open(url)) as store:
            yield store

    def open(self, url: str) -> ObjectStore:
        return open_store(self.spec, self.options, url)

    def change(self, url: str, path: str, data: bytes) -> None:
        """Somebody else replaces the object. Override it to do so without the connector."""
        with closing(self.open(url)) as store:
            self.put(store, path, data)

    @property
    def block_size(self) -> int:
        """A size that the store takes for any block, and small."""
        smallest, largest = self.spec.capabilities.block_range or (1, 1 << 30)
        return min(max(smallest, 1000), largest)

    def request(self, *, overwrite: bool = False, size: int | None = None) -> UploadRequest:
        return UploadRequest(run_id=f"run-{uuid.uuid4().hex[:12]}", overwrite=overwrite, size=size)

    def cut(self, *splits: bytes, attempt: int = 1, offsets: bool = False) -> list[Piece]:
        """Blocks of ``block_size`` for the given splits, with offsets in the object or without."""
        pieces, before = [], 0
        for number, data in enumerate(splits):
            for index, start in enumerate(range(0, len(data), self.block_size)):
                part = data[start : start + self.block_size]
                offset = before + start if offsets else None
                pieces.append((Block(number, attempt, index, start, len(part), offset), part))
            before += len(data)
        return pieces

    def stage(
        self, store: ObjectStore, path: str, pieces: Sequence[Piece], *, overwrite: bool = False
    ) -> bytes:
        """Begin an upload and write the pieces; returns the handle."""
        upload = store.open_upload(path, self.request(overwrite=overwrite))
        for block, data in pieces:
            store.write_block(upload, block, memoryview(data))
        return upload

    def put(self, store: ObjectStore, path: str, data: bytes) -> None:
        """Write an object whole, replacing one that is there."""
        pieces = self.cut(data)
        upload = self.stage(store, path, pieces, overwrite=True)
        store.commit(upload, [block for block, _ in pieces])
        store.abort(upload)

    def get(self, store: ObjectStore, path: str) -> bytes:
        with store.open_read(path) as reader:
            buffer = bytearray(reader.info.size)
            done = 0
            while done < len(buffer):
                count = reader.read_into(done, memoryview(buffer)[done:])
                assert count > 0, f"read_into stopped at {done} of {len(buffer)} bytes"
                done += count
        return bytes(buffer)

    def names(self, store: ObjectStore, prefix: str = "", after: str | None = None) -> list[str]:
        return [info.path for page in store.list(prefix, after) for info in page]

    def assert_absent(self, store: ObjectStore, path: str) -> None:
        """Neither ``stat``, ``open_read`` nor ``list`` shows the object."""
        with self.raises(NotFoundError):
            store.stat(path)
        with self.raises(NotFoundError), store.open_read(path):
            pass
        assert path not in self.names(store), f"{path!r} is listed"
