"""Objects that are compressed, or archives of one file, from the bytes of files."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from ..files.binary import BinarySink
from ..files.listing import Selection
from ..files.objectfile import PartStream, blocks_of
from ..spi.data import Attempt, Begun, Receipt, Split, Target, Unit
from ..spi.endpoints import Source, Writer
from ..spi.store import Block
from .archives import unpacked_name
from .unpacked import UnpackedSource
from .writing import Packer, packer


@dataclass
class PackedBytesSink(BinarySink):
    """A unit is one split, whose bytes are compressed as they come."""

    codec: str = "gzip"
    level: str = "Optimal"

    def _whole(self, size: int | None) -> bool:
        return False

    def can_copy(self, source: Source[memoryview]) -> bool:
        return False

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(Unit(unit.name, None, unit.token), target, run_id)
        return Begun(begun.handle, max_writers=1, max_splits=1, block=begun.block, memory=2 * self.block)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[memoryview]:
        path, _, upload = handle.partition(b"\0")
        stream = PartStream(self.store, upload, split.index, attempt.number, self.block)
        name = unpacked_name(path.decode(errors="replace"), self.codec)
        return _PackedWriter(
            stream, packer(stream, self.codec, self.level, posixpath.basename(name)), attempt.number
        )

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        blocks: list[Block] = []
        for split, receipt in receipts:
            attempt, *lengths = map(int, receipt.token.split())
            blocks += blocks_of(split.index, attempt, lengths)
        self.store.commit(handle.partition(b"\0")[2], blocks)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[memoryview], Unit]:
        path = handle.partition(b"\0")[0].decode(errors="surrogateescape")
        source = UnpackedSource(self.store, Selection(self.store, path, path), self.codec)
        # A compressed file does not say how much is in it: as much as was taken.
        return source, source.of_size(sum(receipt.bytes for _, receipt in receipts))


class _PackedWriter(Writer[memoryview]):
    def __init__(self, stream: PartStream, packed: Packer, attempt: int) -> None:
        self._stream, self._packed, self._attempt = stream, packed, attempt
        self._items = self._taken = 0

    def write(self, item: memoryview) -> None:
        self._packed.write(item)
        self._items, self._taken = self._items + 1, self._taken + len(item)

    def finish(self) -> Receipt:
        self._packed.finish()
        lengths = self._stream.finish()
        token = " ".join(map(str, (self._attempt, *lengths))).encode()
        # The bytes that were taken: what a unit is checked by.
        return Receipt(token, self._items, self._taken)

    def abort(self) -> None:
        self._packed.abort()
        self._stream.abort()
