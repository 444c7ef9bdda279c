"""The tail of an ORC file: what it says of stripes, and a tail that names only some of them.

pyarrow reads a stripe only as a whole, however large it becomes in memory; a file it reads in small batches.
So a piece is read as a file of its own: the bytes of the stripes where they are, and behind them a footer
that lists no other. Layout and field numbers: https://orc.apache.org/specification/ORCv1/
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .block_files import read_varint, varint

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# PostScript
_FOOTER_LENGTH, _COMPRESSION, _METADATA_LENGTH, _STATISTICS_LENGTH, _MAGIC = 1, 2, 5, 7, 8000
# Footer
_STRIPES, _ROWS, _ENCRYPTION = 3, 6, 10
# StripeInformation
_INDEX_LENGTH, _DATA_LENGTH, _STRIPE_FOOTER, _STRIPE_ROWS = 2, 3, 4, 5
# FileTail
_TAIL_POSTSCRIPT, _TAIL_FOOTER, _TAIL_POSTSCRIPT_LENGTH = 1, 2, 4
_CHUNK = 32 << 10

Field = tuple[int, int, int | bytes]


@dataclass(frozen=True, slots=True)
class Stripe:
    """One stripe: its ``rows``, its ``size`` in the file, and how the footer has it."""

    rows: int
    size: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Tail:
    """What stands behind the stripes, which end before ``start``."""

    start: int
    stripes: Sequence[Stripe]
    footer: bytes
    postscript: bytes
    compressed: bool

    def of(self, first: int, end: int) -> bytes:
        """The tail of a file of these stripes alone."""
        some = self.stripes[first:end]
        footer = self.footer + b"".join(_field(_STRIPES, stripe.raw) for stripe in some)
        footer += _field(_ROWS, sum(stripe.rows for stripe in some))
        if self.compressed:
            footer = b"".join(_stored(footer[at : at + _CHUNK]) for at in range(0, len(footer), _CHUNK))
        postscript = _field(_FOOTER_LENGTH, len(footer)) + self.postscript
        return footer + postscript + bytes([len(postscript)])


def parse(serialized: bytes, file_size: int) -> Tail:
    """Take pyarrow's copy of a tail apart. Raises ValueError or IndexError for what is not well-formed."""
    tail = {number: value for number, _, value in fields(serialized)}
    postscript, footer = tail[_TAIL_POSTSCRIPT], tail[_TAIL_FOOTER]
    if not isinstance(postscript, bytes) or not isinstance(footer, bytes):
        raise ValueError("the tail has no footer")
    known = {number: value for number, _, value in fields(postscript)}
    start = file_size - 1 - _number(tail, _TAIL_POSTSCRIPT_LENGTH) - _number(known, _FOOTER_LENGTH)
    if start < 0:
        raise ValueError("the footer is longer than the file")
    stripes, kept, rows = [], b"", 0
    for number, kind, value in fields(footer):
        if number == _STRIPES and isinstance(value, bytes):
            stripes.append(_stripe(value))
        elif number == _ROWS and isinstance(value, int):
            rows = value
        elif number == _ENCRYPTION:
            raise ValueError("encrypted")
        else:
            kept += _field(number, value, kind)
    if sum(stripe.rows for stripe in stripes) != rows:
        raise ValueError(f"{rows} rows in the file, {sum(stripe.rows for stripe in stripes)} in its stripes")
    dropped = (_FOOTER_LENGTH, _METADATA_LENGTH, _STATISTICS_LENGTH)
    rest = b"".join(_field(n, value, kind) for n, kind, value in fields(postscript) if n not in dropped)
    return Tail(start, stripes, kept, rest, bool(known.get(_COMPRESSION)))


def _stripe(raw: bytes) -> Stripe:
    known = {number: value for number, _, value in fields(raw)}
    size = sum(_number(known, part) for part in (_INDEX_LENGTH, _DATA_LENGTH, _STRIPE_FOOTER))
    return Stripe(_number(known, _STRIPE_ROWS), size, raw)


def _number(known: dict[int, int | bytes], number: int) -> int:
    value = known.get(number, 0)
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value


def fields(data: bytes) -> Iterator[Field]:
    """Number, wire type and value of each field of a Protocol Buffers message."""
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = read_varint(data, position)
            yield number, kind, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, position = read_varint(data, position)
        if size is None or position + size > len(data):
            raise ValueError(f"field {number} goes beyond its message")
        yield number, kind, data[position : position + size]
        position += size


def _field(number: int, value: int | bytes, kind: int | None = None) -> bytes:
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    kind = _BYTES if kind is None else kind
    length = varint(len(value)) if kind == _BYTES else b""
    return varint(number << 3 | kind) + length + value


def _stored(chunk: bytes) -> bytes:
    """A chunk of a compressed file that is itself not compressed."""
    return (len(chunk) << 1 | 1).to_bytes(3, "little") + chunk


class SplicedFile(io.RawIOBase):
    """The bytes of ``file`` up to ``start``, then those of ``tail``."""

    def __init__(self, file: io.RawIOBase, start: int, tail: bytes) -> None:
        self._file = file
        self._start = start
        self._tail = tail
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: self._start + len(self._tail)}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer = memoryview(buffer).cast("B")
        left = self._start - self._position
        if left > 0:
            self._file.seek(self._position)
            count = self._file.readinto(buffer[:left]) or 0
        else:
            part = self._tail[-left : len(buffer) - left]
            buffer[: len(part)] = part
            count = len(part)
        self._position += count
        return count
