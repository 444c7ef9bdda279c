"""What the formats of binary blocks share: files that a library reads, ranges of blocks, numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

_MAX_SHIFT = 63


class WatchedFile:
    """A file for pyarrow that keeps the exception which the file object raised.

    Reads into Arrow's own buffers, and never asks for more than the file has: a damaged length must
    not become an allocation. ``remembered``: what was read, with its offset, while it is a list.
    """

    closed = False

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._size: int | None = None
        self.error: BaseException | None = None
        self.remembered: list[tuple[int, pa.Buffer]] | None = None

    def reraise(self) -> None:
        """Raise what the file object raised, if it did: it came before whatever a library made of it."""
        if self.error is not None:
            raise self.error

    def recall(self, start: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``start``, of what is remembered."""
        for offset, buffer in self.remembered or ():
            if offset <= start < offset + buffer.size:
                return bytes(memoryview(buffer)[start - offset :][:size])
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._watch():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        with self._watch():
            return self._file.tell()

    def read_buffer(self, size: int) -> pa.Buffer:
        with self._watch():
            start = self._file.tell()
            if self._size is None:
                self._size = self._file.seek(0, 2)
                self._file.seek(start)
            buffer = pa.allocate_buffer(max(0, min(size, self._size - start)), resizable=True)
            filled = 0
            with memoryview(buffer) as view:
                while filled < len(view) and (count := self._file.readinto(view[filled:])):
                    filled += count
            if filled < buffer.size:
                buffer.resize(filled)
            if self.remembered is not None:
                self.remembered.append((start, buffer))
            return buffer

    def read(self, size: int) -> pa.Buffer:
        return self.read_buffer(size)

    def close(self) -> None:
        """The file belongs to the caller."""

    @contextmanager
    def _watch(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.error = error
            raise


def cut_evenly(sizes: Sequence[int], target: int, most: int | None) -> list[tuple[int, int]]:
    """Ranges of blocks of these ``sizes``, each of about ``target`` bytes; at least one, at most ``most``."""
    total = sum(sizes)
    count = max(1, min(round(total / target), len(sizes), most or len(sizes)))
    ranges: list[tuple[int, int]] = []
    first = before = last = 0
    for index, size in enumerate(sizes):
        # A block belongs to the piece in whose share of the bytes its middle lies.
        share = (2 * before + size) * count // (2 * total or 1)
        if index and share > last:
            ranges.append((first, index))
            first = index
        last = share
        before += size
    return [*ranges, (first, len(sizes))]


def first_line(error: BaseException) -> str:
    """What pyarrow says, without the stack of C++ that may follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned number of at most 64 bits and the position behind it."""
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while shift <= _MAX_SHIFT:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise IndexError("a number of more than 64 bits")


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
