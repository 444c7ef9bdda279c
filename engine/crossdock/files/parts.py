"""What a file of a format is made of, and reading it back part by part.

Its bytes are those of its parts, in order, and of the format's tail. All of them are compared with what
was handed to the store. A few parts are decoded as well: that shows that the bytes mean the rows.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..errors import DataError, SchemaMismatchError, ShortReadError, SourceChangedError, VerificationError
from ..limits import BUFFERS
from ..spi.data import PlanHint, Receipt, Split
from ..spi.format import FileFormat, Part
from ..spi.store import ObjectInfo, ObjectReader, ObjectStore
from .objectfile import ObjectFile

if TYPE_CHECKING:
    import pyarrow as pa

_DECODING = 64 << 20
_WINDOW = 8 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """One part as its receipt has it: ``lengths`` of its blocks, and the digest of all its bytes.

    ``part.length`` is without the head of the file, which the first part begins with. ``digest`` is empty
    where nobody asked for it.
    """

    attempt: int
    lengths: list[int]
    part: Part
    digest: str = ""

    def encode(self) -> bytes:
        token = b64encode(self.part.token).decode()
        return json.dumps([self.attempt, self.lengths, self.part.length, token, self.digest]).encode()

    @classmethod
    def decode(cls, receipt: Receipt) -> Written:
        attempt, lengths, size, token, digest = json.loads(receipt.token)
        return cls(attempt, lengths, Part(size, b64decode(token)), digest)


@dataclass
class WrittenFile:
    """A committed file, open to be compared with its parts."""

    store: ObjectStore
    info: ObjectInfo
    format: FileFormat
    schema: pa.Schema
    written: Sequence[Written]
    window: int = _WINDOW

    def __post_init__(self) -> None:
        self.parts = [each.part for each in self.written]
        # Without any part there is still a tail: one range of nothing in front of it.
        lengths = [sum(each.lengths) for each in self.written] or [0]
        self._starts = [0, *accumulate(lengths)]
        tail = self.format.tail(self.schema, self.parts)
        self._tail = tail if self.written else self.format.head(self.schema) + tail
        expected = self._starts[-1] + len(self._tail)
        if self.info.size != expected:
            raise VerificationError(
                f"{self.info.path} has {self.info.size:,} bytes, {expected:,} were written; copy it again"
            )

    def pieces(self) -> list[tuple[int, str]]:
        """Lengths and digests of all its bytes, in order: those that were written."""
        from ..digest_range import ByteDigest

        tail = ByteDigest()
        tail.update(self._tail)
        parts = [(sum(each.lengths), each.digest) for each in self.written]
        return [*parts, (len(self._tail), str(tail))]

    def bytes_of(self, index: int) -> Split:
        """All bytes of a part; those of the last one with the file's tail."""
        start, end = self._starts[index], self._starts[index + 1]
        return self._split(["bytes", index], end - start, min(self.window, end - start) or 1)

    def rows_of(self, index: int, rows: int | None) -> Split:
        """The first rows of a part (None: all), decoded."""
        return self._split(["rows", index, rows], self._starts[index + 1] - self._starts[index], _DECODING)

    def _split(self, token: list[Any], weight: int, memory: int) -> Split:
        return Split(self.info.path, 0, json.dumps(token).encode(), max(1, weight), memory=memory)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[Any]]:
        kind, index, *rows = json.loads(split.token)
        with self._blamed(), self.store.open_read(self.info.path, self.info) as reader:
            yield self._bytes(reader, index) if kind == "bytes" else self._rows(reader, index, rows[0])

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """What is wrong with the data is what verification was asked to find."""
        try:
            yield
        except (VerificationError, SourceChangedError):
            raise
        except (DataError, SchemaMismatchError) as error:
            raise VerificationError(
                f"{self.info.path} cannot be read back; copy it again", detail=str(error)
            ) from error

    def _bytes(self, reader: ObjectReader, index: int) -> Iterator[memoryview]:
        start, end = self._starts[index], self._starts[index + 1]
        tail = self._tail if end == self._starts[-1] else b""
        size = max(1, min(reader.best_read or self.window, max(end - start, len(tail))))
        with BUFFERS.borrow(size) as buffer:
            yield from self._range(reader, buffer, start, end)
            at = end
            for piece in self._range(reader, buffer, end, end + len(tail)):
                if bytes(piece) != tail[at - end : at - end + len(piece)]:
                    raise self._differs(at)
                at += len(piece)

    def _range(self, reader: ObjectReader, buffer: memoryview, start: int, end: int) -> Iterator[memoryview]:
        for at in range(start, end, len(buffer)):
            piece = buffer[: min(len(buffer), end - at)]
            if reader.read_into(at, piece) < len(piece):
                raise ShortReadError(f"{self.info.path} ended before {end:,} bytes")
            yield piece

    def _rows(self, reader: ObjectReader, index: int, rows: int | None) -> Iterator[pa.RecordBatch]:
        token = self.format.part_piece(self.parts, index)
        if token is None:
            reader = self._alone(reader, index)
        file, info = ObjectFile(reader), reader.info
        pieces = self.format.plan(file, info, PlanHint(max_splits=1), info.size or 1)
        for each in [token] if token is not None else [piece.token for piece in pieces]:
            with self.format.read(file, info, each, self.schema) as batches:
                for batch in batches:
                    if rows is None:
                        yield batch
                        continue
                    yield batch[:rows]
                    rows -= batch.num_rows
                    if rows <= 0:
                        return

    def _alone(self, whole: ObjectReader, index: int) -> ObjectReader:
        """One part as a file: between a head, which the first part begins with, and a tail of its own."""
        head = self.format.head(self.schema) if index else b""
        tail = self.format.tail(self.schema, [self.parts[index]])
        place = (self._starts[index], self._starts[index + 1])
        return _PartReader(whole, f"{self.info.etag} part {index}", [head, place, tail])

    def check_bytes(self, index: int, digest: str) -> None:
        """Raise VerificationError unless the bytes that ``bytes_of`` gave have the part's digest."""
        if index < len(self.written) and digest != self.written[index].digest:
            raise self._differs(self._starts[index])

    def _differs(self, offset: int) -> VerificationError:
        return VerificationError(
            f"{self.info.path}: the bytes from {offset:,} on are not those that were written; copy it again"
        )

    def found(self, index: int) -> int | None:
        """How many rows the file itself says that the part has, where it says so."""
        return self.format.part_rows(self.parts[index])


class _PartReader(ObjectReader):
    """Bytes from memory and ranges of an object, behind each other, as an object of their own."""

    def __init__(self, whole: ObjectReader, version: str, pieces: Sequence[bytes | tuple[int, int]]) -> None:
        self._whole = whole
        self._pieces: list[tuple[int, bytes | tuple[int, int]]] = []
        size = 0
        for piece in pieces:
            self._pieces.append((size, piece))
            size += len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
        self.info = ObjectInfo(whole.info.path, size, version, whole.info.modified)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        done, want = 0, min(len(buffer), self.info.size - offset)
        while done < want:
            begin, piece = next(each for each in reversed(self._pieces) if each[0] <= offset + done)
            at = offset + done - begin
            if isinstance(piece, bytes):
                got = piece[at : at + want - done]
                buffer[done : done + len(got)] = got
                done += len(got)
            else:
                start, end = piece
                length = min(want - done, end - start - at)
                if self._whole.read_into(start + at, buffer[done : done + length]) < length:
                    raise ShortReadError(f"{self.info.path} ended before {end:,} bytes")
                done += length
        return done

    def close(self) -> None:
        """The whole object belongs to the caller."""
