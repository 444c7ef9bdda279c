"""Objects as streams, so that formats read and write files on any store."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..errors import ShortReadError
from ..limits import BUFFERS
from ..spi.store import Block, ObjectReader, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

    from ..digest_range import ByteDigest

# 50,000 blocks, of 8 MiB at first, are 2.4 TiB so.
GROWS = 10_000
LARGEST = 128 << 20


class ObjectFile(io.RawIOBase):
    """A seekable file over an open object. Closing it closes the reader."""

    def __init__(self, reader: ObjectReader) -> None:
        super().__init__()
        self._reader = reader
        self._size = reader.info.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        """Length of the object in bytes."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("cannot seek to before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        want = max(0, min(len(view), self._size - self._at))
        if not want:
            return 0
        got = self._reader.read_into(self._at, view[:want])
        if got < want:
            # To a format that would be the end of the file: rows would be missing, and nobody would know.
            raise ShortReadError(f"{self._reader.info.path} ended after {self._at + got:,} bytes")
        self._at += got
        return got

    def read(self, size: int | None = -1) -> bytes:
        # One buffer that Arrow takes over as it is; RawIOBase would copy it once more.
        left = max(0, self._size - self._at)
        buffer = bytearray(left if size is None or size < 0 else min(size, left))
        got = self.readinto(buffer)
        del buffer[got:]
        return buffer  # type: ignore[return-value]

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


class PartStream:
    """A sequential stream that sends what is written to a store in blocks of ``block`` bytes.

    Nobody knows how much it will be, and objects have a limit of blocks: the blocks of a long one grow.
    ``digest``: the bytes given to the store are digested on the way.
    """

    def __init__(
        self, store: ObjectStore, upload: bytes, split: int, attempt: int, block: int, *, digest: bool = False
    ) -> None:
        self._store, self._upload = store, upload
        self._split, self._attempt, self._block = split, attempt, block
        self._stack = ExitStack()
        self._buffer = self._stack.enter_context(BUFFERS.borrow(block))
        self._fill = 0
        self._sent = 0
        self.lengths: list[int] = []
        self.size = 0
        self._digest: ByteDigest | None = None
        if digest:
            from ..digest_range import ByteDigest

            self._digest = ByteDigest()

    def _grow(self) -> None:
        if self._fill or len(self.lengths) % GROWS or not self.lengths or self._block >= LARGEST:
            return
        self._stack.close()
        self._block = min(2 * self._block, LARGEST)
        self._buffer = self._stack.enter_context(BUFFERS.borrow(self._block))

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        view = memoryview(data).cast("B")
        at, total = 0, len(view)
        self.size += total
        while at < total:
            if not self._fill and total - at >= self._block:
                # A whole block goes out as it is.
                length = self._block
                self._send(view[at : at + length])
                at += length
                self._grow()
                continue
            step = min(total - at, self._block - self._fill)
            self._buffer[self._fill : self._fill + step] = view[at : at + step]
            self._fill += step
            at += step
            if self._fill == self._block:
                self._flush()
        return total

    def _flush(self) -> None:
        self._send(self._buffer[: self._fill])
        self._fill = 0
        self._grow()

    def _send(self, data: memoryview) -> None:
        block = Block(self._split, self._attempt, len(self.lengths), self._sent, len(data))
        if self._digest is not None:
            self._digest.update(data)
        self._store.write_block(self._upload, block, data)
        self.lengths.append(len(data))
        self._sent += len(data)

    def finish(self) -> list[int]:
        """Send the rest; returns the lengths of the blocks."""
        if self._fill:
            self._flush()
        self.abort()
        return self.lengths

    def digest_text(self) -> str:
        """The digest of all that was sent; empty where none was asked for."""
        return "" if self._digest is None else str(self._digest)

    def abort(self) -> None:
        """Give the buffer back. May be called twice."""
        self._stack.close()


def blocks_of(split: int, attempt: int, lengths: list[int], offset: int | None = None) -> list[Block]:
    """The blocks that a split was written as; with ``offset``, where they lie in the object."""
    blocks, start = [], 0
    for index, length in enumerate(lengths):
        blocks.append(Block(split, attempt, index, start, length, None if offset is None else offset + start))
        start += length
    return blocks
