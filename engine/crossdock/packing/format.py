"""A format within compressed files and archives."""

from __future__ import annotations

import io
import json
import posixpath
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..errors import DataError
from ..spi.data import PlanHint
from ..spi.format import ByteSink, FileFormat, FormatWriter, Part, Piece
from ..spi.store import ObjectInfo
from .archives import Entry, entries, open_entry, unpacked_name
from .codecs import ARCHIVES, PackedSink
from .packed_file import PackedFile
from .writing import Packer, packer

if TYPE_CHECKING:
    import pyarrow as pa

    from ..spi.skipping import RowSkips

_JOINABLE = frozenset({"gzip", "bzip2", "snappy", "lz4"})
_ENDLESS = 1 << 62
_WHOLE = PlanHint(parallel=1, max_splits=1)


def packed_format(inner: FileFormat, codec: str, level: str = "Optimal") -> FileFormat:
    """``inner`` in files that ``codec`` compresses: each is read from its start to its end by one worker.

    Of an archive all files are read, one after another; one that is written has one file. ``codec`` is one of
    Data Factory's names, ``none`` gives ``inner`` itself. Reading raises DataError for a file that is not
    compressed so, or damaged.
    """
    return inner if codec == "none" else PackedFormat(inner, codec, level)


class PackedFormat(FileFormat):
    """A piece's token is JSON: the entry of the archive, and the inner format's own piece of it."""

    def __init__(self, inner: FileFormat, codec: str, level: str, name: str = "") -> None:
        self._inner, self._codec, self._level, self._name = inner, codec, level, name
        self.joinable = inner.joinable and codec in _JOINABLE
        self.typed = inner.typed

    def for_path(self, path: str) -> PackedFormat:
        name = unpacked_name(path, self._codec)
        return PackedFormat(self._inner.for_path(name), self._codec, self._level, name)

    @contextmanager
    def read_skipping(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema, skips: RowSkips
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        found = json.loads(token)
        opened, inside = self._open(file, info, Entry(**found["entry"]))
        piece = b64decode(found["piece"])
        with self._inner.read_skipping(opened, inside, piece, schema, skips) as batches:
            yield batches

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        return self._inner.schema(*self._open(file, info, self._entries(file, info)[0]))

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        for entry in self._entries(file, info):
            opened, inside = self._open(file, info, entry)
            for piece in self._inner.plan(opened, inside, _WHOLE, target_bytes):
                token = {"entry": asdict(entry), "piece": b64encode(piece.token).decode()}
                weight = min(piece.weight, entry.packed or entry.size or info.size)
                yield Piece(json.dumps(token).encode(), max(1, weight), piece.memory)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        found = json.loads(token)
        opened, inside = self._open(file, info, Entry(**found["entry"]))
        with self._inner.read(opened, inside, b64decode(found["piece"]), schema) as batches:
            yield batches

    def _entries(self, file: io.RawIOBase, info: ObjectInfo) -> list[Entry]:
        found = entries(file, info.size, self._codec, info.path)
        if not found:
            raise DataError(f"{info.path} holds no file")
        return found

    def _open(self, file: io.RawIOBase, info: ObjectInfo, entry: Entry) -> tuple[PackedFile, ObjectInfo]:
        self._inner.skips_rows, self._inner.wanted = self.skips_rows, self.wanted
        self._inner.beside = self.beside
        opened = open_entry(file, info.size, self._codec, entry, info.path)
        folder = info.path if self._codec in ARCHIVES else posixpath.dirname(info.path)
        size = _ENDLESS if entry.size is None else entry.size
        return opened, ObjectInfo(posixpath.join(folder, entry.name), size, info.etag, info.modified)

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        if self.joinable:
            sink = PackedSink(out, self._codec, self._level)
            return _PartWriter(sink, self._inner.writer(sink, schema))
        packed = packer(out, self._codec, self._level, self._name or "data")
        return _WholeWriter(packed, self._inner, schema)

    def check(self, schema: pa.Schema) -> None:
        self._inner.check(schema)

    def head(self, schema: pa.Schema) -> bytes:
        return self._packed(self._inner.head(schema)) if self.joinable else b""

    def tail(self, schema: pa.Schema, parts: Sequence[Part]) -> bytes:
        if parts or self.joinable:
            return self._packed(self._inner.tail(schema, parts)) if self.joinable else b""
        written = bytearray()
        writer = self.writer(_Collecting(written), schema)  # no split wrote anything: a file without rows
        writer.finish()
        return bytes(written)

    def _packed(self, data: bytes) -> bytes:
        if not data:
            return b""
        written = bytearray()
        sink = PackedSink(_Collecting(written), self._codec, self._level)
        sink.write(data)
        sink.finish()
        return bytes(written)

    def part_rows(self, part: Part) -> int | None:
        return self._inner.part_rows(part)

    def notes(self) -> Sequence[str]:
        return self._inner.notes()


class _Collecting:
    def __init__(self, into: bytearray) -> None:
        self._into = into

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        view = memoryview(data)
        self._into += view
        return len(view)


class _PartWriter(FormatWriter):
    """A part that is compressed by itself."""

    def __init__(self, sink: PackedSink, inner: FormatWriter) -> None:
        self._sink, self._inner = sink, inner

    def write(self, batch: pa.RecordBatch) -> None:
        self._inner.write(batch)

    def finish(self) -> bytes:
        token = self._inner.finish()
        self._sink.finish()
        return token

    def abort(self) -> None:
        self._inner.abort()


class _Counting:
    """The sink of a whole file's rows."""

    def __init__(self, whole: _WholeWriter) -> None:
        self.write = whole.take


class _WholeWriter(FormatWriter):
    """A whole file, with what stands before and behind its rows."""

    def __init__(self, packed: Packer, inner: FileFormat, schema: pa.Schema) -> None:
        self._packed, self._format, self._schema = packed, inner, schema
        self._length = 0
        if inner.joinable:
            packed.write(inner.head(schema))
        self._inner = inner.writer(_Counting(self), schema)

    def take(self, data: bytes | memoryview | pa.Buffer) -> int:
        self._length += memoryview(data).nbytes
        return self._packed.write(data)

    def write(self, batch: pa.RecordBatch) -> None:
        self._inner.write(batch)

    def finish(self) -> bytes:
        token = self._inner.finish()
        if self._format.joinable:
            self._packed.write(self._format.tail(self._schema, [Part(self._length, token)]))
        self._packed.finish()
        return token

    def abort(self) -> None:
        self._inner.abort()
        self._packed.abort()
