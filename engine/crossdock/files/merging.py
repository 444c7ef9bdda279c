"""Many files become one, byte behind byte (``MergeFiles`` of a binary copy)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import ShortReadError, SourceChangedError
from ..limits import BUFFERS
from ..spi.data import PlanHint, Split, Unit, UnitPage
from ..spi.endpoints import Source
from ..spi.store import ObjectInfo, ObjectStore
from .listing import Selection

BLOCK = 8 << 20


@dataclass(eq=False, repr=False)
class MergedSource(Source[memoryview]):
    """The bytes of the selected objects in the order of the listing, as one unit.

    A split is a range of the merged file; its token names the pieces of objects that fill it.
    """

    store: ObjectStore
    selection: Selection

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        return self.selection.merged(after)

    def schema(self, unit: Unit) -> None:
        return None

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        size, block = unit.size or 0, hint.block or BLOCK
        if hint.max_splits:
            block = max(block, -(-size // hint.max_splits))
        index = offset = fill = 0
        pieces: list[list[Any]] = []
        for info, at, length in self._pieces(block):
            pieces.append([info.path, info.size, info.etag, info.modified, at, length])
            fill += length
            if fill == block:
                yield _split(unit, index, offset, fill, pieces)
                index, offset, fill, pieces = index + 1, offset + fill, 0, []
        if pieces or not index:
            yield _split(unit, index, offset, fill, pieces)
        if offset + fill != size:
            raise SourceChangedError("the files changed while they were listed; copy them again")

    def _pieces(self, block: int) -> Iterator[tuple[ObjectInfo, int, int]]:
        """Every object, cut where a block of the merged file ends; an empty one is one piece."""
        room = block
        for info in self.selection.infos():
            at = 0
            while at < info.size or not at:
                length = min(room, info.size - at)
                yield info, at, length
                room = room - length or block
                at += length
                if not info.size:
                    break

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[memoryview]]:
        with BUFFERS.borrow(split.length or 0) as buffer:
            yield self._items(split, buffer)

    def _items(self, split: Split, buffer: memoryview) -> Iterator[memoryview]:
        fill = 0
        for info, at, length in _pieces_of(split):
            if not length:
                continue
            with self.store.open_read(info.path, info) as reader:
                got = reader.read_into(at, buffer[fill : fill + length])
            if got != length:
                raise ShortReadError(f"{info.path} ended after {at + got:,} bytes")
            fill += got
        if fill:
            yield buffer

    def objects(self, splits: Sequence[Split]) -> Iterator[ObjectInfo]:
        """The objects of a whole plan, each once."""
        return (info for split in splits for info, at, _ in _pieces_of(split) if not at)

    def close(self) -> None:
        self.store.close()


def _split(unit: Unit, index: int, offset: int, length: int, pieces: list[list[Any]]) -> Split:
    # It begins as the token of any binary split does: with the size of the whole unit and a time.
    token = b"%d 0.0 %b" % (unit.size or 0, json.dumps(pieces).encode())
    return Split(unit.name, index, token, max(1, length), offset, length, length)


def _pieces_of(split: Split) -> Iterator[tuple[ObjectInfo, int, int]]:
    for path, size, etag, modified, at, length in json.loads(split.token.split(b" ", 2)[2]):
        yield ObjectInfo(path, size, etag, modified), at, length
