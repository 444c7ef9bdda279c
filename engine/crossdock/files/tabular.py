"""Tables in files: a format on a store, as a source and as a sink."""

from __future__ import annotations

import json
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import NotFoundError, SchemaMismatchError, VerificationError
from ..spi.data import Attempt, Begun, PlanHint, Receipt, Split, Target, Unit, UnitPage, WriteMode
from ..spi.endpoints import ReadBack, Remembering, Sink, Source, Writer
from ..spi.format import FileFormat, Part
from ..spi.skipping import RowSkips, SkippingSource
from ..spi.store import Block, ObjectInfo, ObjectStore, RemembersUploads, UploadRequest
from .binary import DEFAULT_BLOCK, MANY, FileTarget
from .listing import Selection, info_of, version
from .objectfile import ObjectFile, PartStream, blocks_of
from .partitions import Keys, Partitions, with_keys, without_keys
from .parts import Written, WrittenFile

if TYPE_CHECKING:
    import pyarrow as pa

SMALLEST_SPLIT = 4 << 20
LARGEST_SPLIT = 32 << 20
SCHEMA_FILES = 32
WRITER_MEMORY = 48 << 20


@dataclass
class FormatSource(Source["pa.RecordBatch"], SkippingSource):
    """Record batches of the selected files: a unit per file, or with ``merge`` one unit of all.

    The token of that one is the number of files.

    ``fixed`` is the schema to read with where it is known (reading back); else the format finds it.
    ``agreed`` is the merged one, where another process has found it. ``partitions`` add columns to it.
    ``encoded``: who takes the batches takes dictionary arrays for values.
    """

    store: ObjectStore
    format: FileFormat
    selection: Selection
    merge: bool = False
    fixed: pa.Schema | None = None
    partitions: Partitions | None = None
    agreed: pa.Schema | None = None
    encoded: bool = False
    _schemas: dict[str, pa.Schema] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        return self.selection.merged(after) if self.merge else self.selection.units(after)

    def schema(self, unit: Unit) -> pa.Schema:
        if self.fixed is not None:
            return self.fixed
        if not self.merge:
            return self._with_partitions(info_of(unit))
        return self.merged_schema()

    def _with_partitions(self, info: ObjectInfo) -> pa.Schema:
        schema = self._schema_of(info)
        return schema if self.partitions is None else self.partitions.extend(schema, info.path)

    def _schema_of(self, info: ObjectInfo) -> pa.Schema:
        key = f"{info.path} {info.etag}"
        with self._mutex:
            known = self._schemas.get(key)
        if known is None:
            with ObjectFile(self.store.open_read(info.path, info)) as file:
                known = self.format.schema(file, info)
            with self._mutex:
                if len(self._schemas) > 1000:
                    self._schemas.clear()
                self._schemas[key] = known
        return known

    def merged_schema(self) -> pa.Schema:
        """What the first files agree on: integers widen to floats, other types must be the same.

        No columns where there is no file.
        """
        import pyarrow as pa

        if self.agreed is not None:
            return self.agreed
        infos = [info for _, info in zip(range(SCHEMA_FILES), self.selection.infos(), strict=False)]
        if not infos:
            return pa.schema([])
        merged = self._with_partitions(infos[0])
        for info in infos[1:]:
            other = self._with_partitions(info)
            if other.names != merged.names:
                raise SchemaMismatchError(
                    f"{info.path} has other columns than {infos[0].path}, so they cannot go into one "
                    f"target: {_difference(merged.names, other.names)}"
                )
            try:
                merged = pa.unify_schemas([merged, other], promote_options="permissive")
            except pa.ArrowException as error:
                raise SchemaMismatchError(f"{info.path} does not fit {infos[0].path}: {error}") from error
        self.agreed = merged
        return merged

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        infos = self.selection.infos() if self.merge else iter([info_of(unit)])
        share = (unit.size or 0) // (4 * hint.parallel)
        target = max(hint.min_split_bytes, min(LARGEST_SPLIT, max(SMALLEST_SPLIT, share)))
        last = sys.maxsize
        if hint.max_splits:
            last, target = hint.max_splits - 1, max(target, (unit.size or 0) // hint.max_splits)
        group: list[Any] = []
        index = weight = memory = 0
        for path, piece in self._pieces(infos, hint, target):
            if group and weight + piece.weight > target and index < last:
                yield _split(unit, index, group, weight, memory)
                index, group, weight, memory = index + 1, [], 0, 0
            group.append([path, b64encode(piece.token).decode()])
            weight += piece.weight
            memory = max(memory, piece.memory)
        yield _split(unit, index, group, weight, memory)

    def _pieces(self, infos: Iterator[ObjectInfo], hint: PlanHint, target: int) -> Iterator[tuple[Any, Any]]:
        for info in infos:
            with ObjectFile(self.store.open_read(info.path, info)) as file:
                for piece in self.format.plan(file, info, hint, target):
                    yield [info.path, info.size, info.etag, info.modified], piece

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        yield self._batches(json.loads(split.token))

    @contextmanager
    def read_skipping(self, split: Split, skips: RowSkips) -> Iterator[Iterator[pa.RecordBatch]]:
        yield self._batches(json.loads(split.token), skips)

    def _batches(self, group: list[Any], skips: RowSkips | None = None) -> Iterator[pa.RecordBatch]:
        for place, token in group:
            info = ObjectInfo(*place)
            keys = {} if self.partitions is None else self.partitions.of(info.path)
            schema = self.fixed or self._own_schema(info, keys)
            read = self.format.read_encoded if self.encoded else self.format.read
            if skips is not None:
                read = partial(self.format.read_skipping, skips=skips)
            with (
                ObjectFile(self.store.open_read(info.path, info)) as file,
                read(file, info, b64decode(token), schema) as batches,
            ):
                yield from (with_keys(batch, keys) for batch in batches) if keys else batches

    def _own_schema(self, info: ObjectInfo, keys: Keys) -> pa.Schema:
        """What the file is read with: its part of the merged schema, or its own."""
        return without_keys(self.merged_schema(), keys) if self.merge else self._schema_of(info)

    def notes(self) -> Sequence[str]:
        return self.format.notes()

    def close(self) -> None:
        self.store.close()


def _split(unit: Unit, index: int, group: list[Any], weight: int, memory: int) -> Split:
    token = json.dumps(group).encode()
    return Split(unit.name, index, token, max(1, weight), length=weight, memory=memory)


def _difference(expected: list[str], actual: list[str]) -> str:
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    if missing or extra:
        return f"missing {missing or 'none'}, more {extra or 'none'}"
    return "the same in another order"


@dataclass
class FormatSink(Sink["pa.RecordBatch"], ReadBack["pa.RecordBatch"], Remembering):
    """Files of one format. Parts are written apart and joined at commit where the format allows it.

    ``digest``: receipts get a digest of all bytes of their part, which ``written_file`` needs.
    ``by_parts``: there is a ``written_file``.
    """

    by_parts: ClassVar[bool] = True

    store: ObjectStore
    format: FileFormat
    target: FileTarget
    block: int = DEFAULT_BLOCK
    digest: bool = False

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.target.name)

    def check(self, unit: Unit, target: Target) -> None:
        if target.schema is not None:
            self._format(self.target.path(unit)).check(target.schema)
        self.target.check(unit, target.mode)

    def _format(self, path: str) -> FileFormat:
        return self.format.for_path(path)

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        assert target.schema is not None  # noqa: S101 - tabular units have one
        path = self.target.path(unit)
        overwrite = target.mode is WriteMode.OVERWRITE
        upload = self.store.open_upload(path, UploadRequest(run_id, overwrite, attributes=target.attributes))
        handle = _pack(path, upload, target.schema)
        memory = WRITER_MEMORY + self.block
        if self._format(path).joinable:
            return Begun(handle, max_writers=MANY, block=self.block, memory=memory)
        return Begun(handle, max_writers=1, max_splits=1, block=self.block, memory=memory)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        path, upload, schema = _unpack(handle)
        stream = PartStream(self.store, upload, split.index, attempt.number, self.block, digest=self.digest)
        return _FormatWriter(self._format(path), stream, schema, split.index, attempt.number)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        path, upload, schema = _unpack(handle)
        file_format = self._format(path)
        blocks: list[Block] = []
        parts: list[Part] = []
        for split, receipt in receipts:
            written = Written.decode(receipt)
            blocks += blocks_of(split.index, written.attempt, written.lengths)
            parts.append(written.part)
        tail = file_format.tail(schema, parts)
        if not receipts:
            tail = file_format.head(schema) + tail
        if tail:
            # Named by its content: a late committer has other receipts, and must not change our block.
            number = int.from_bytes(blake2b(tail, digest_size=6).digest(), "big")
            last = Block(receipts[-1][0].index + 1 if receipts else 0, number, 0, 0, len(tail))
            self.store.write_block(upload, last, memoryview(tail))
            blocks.append(last)
        self.store.commit(upload, blocks)

    def cleanup(self, handle: bytes) -> None:
        self.store.abort(_unpack(handle)[1])

    def settle(self, handle: bytes) -> None:
        """Make an object of what only has blocks, which no store deletes; for a target that is given up."""
        path = _unpack(handle)[0]
        try:
            self.store.stat(path)
        except NotFoundError:
            upload = self.store.open_upload(path, UploadRequest("given-up"))
            self.store.commit(upload, [])
            self.store.abort(upload)

    def abandon(self, unit: Unit, run_id: str) -> None:
        self.store.abandon(self.target.path(unit), run_id)

    def remembers(self) -> bool:
        return isinstance(self.store, RemembersUploads)

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        return self.target.committed(unit, run_id)

    def is_committed(self, handle: bytes) -> bool:
        return self.store.is_committed(_unpack(handle)[1])

    def target_name(self, unit: Unit) -> str | None:
        return self.target.shared_name(unit)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        path, _, schema = _unpack(handle)
        source, unit = self._reading(path, schema)
        if (unit.size or 0) < sum(receipt.bytes for _, receipt in receipts):
            raise VerificationError(f"{path} is shorter than what was written")
        return source, unit

    def reading(self, unit: Unit) -> tuple[FormatSource, Unit]:
        """A source that reads the file which the unit has become."""
        return self._reading(self.target.path(unit))

    def _reading(self, path: str, schema: pa.Schema | None = None) -> tuple[FormatSource, Unit]:
        info, selection = self.store.stat(path), Selection(self.store, path, path)
        source = FormatSource(self.store, self.format, selection, fixed=schema)
        return source, Unit(path, info.size, version(info))

    def written_file(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> WrittenFile:
        """The committed file, to be compared part by part. Raises VerificationError for another size."""
        path, _, schema = _unpack(handle)
        info, parts = self.store.stat(path), [Written.decode(receipt) for _, receipt in receipts]
        return WrittenFile(self.store, info, self._format(path), schema, parts, self.block)

    def notes(self) -> Sequence[str]:
        return self.format.notes()

    def close(self) -> None:
        self.store.close()


def packed(schema: pa.Schema) -> str:
    """A schema as text, for journals, handles and other processes."""
    return b64encode(memoryview(schema.serialize())).decode()


def unpacked(text: str) -> pa.Schema:
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(b64decode(text)))


def _pack(path: str, upload: bytes, schema: pa.Schema) -> bytes:
    return json.dumps([path, b64encode(upload).decode(), packed(schema)]).encode()


def _unpack(handle: bytes) -> tuple[str, bytes, pa.Schema]:
    path, upload, schema = json.loads(handle)
    return path, b64decode(upload), unpacked(schema)


class _FormatWriter(Writer["pa.RecordBatch"]):
    def __init__(
        self, file_format: FileFormat, stream: PartStream, schema: pa.Schema, index: int, attempt: int
    ) -> None:
        self._stream, self._attempt = stream, attempt
        self._rows = self._batches = 0
        if index == 0 and file_format.joinable:
            stream.write(file_format.head(schema))
        self._head = stream.size
        self._writer = file_format.writer(stream, schema)

    def write(self, item: pa.RecordBatch) -> None:
        self._writer.write(item)
        self._rows += item.num_rows
        self._batches += 1

    def finish(self) -> Receipt:
        token = self._writer.finish()
        lengths = self._stream.finish()
        size = self._stream.size - self._head
        written = Written(self._attempt, lengths, Part(size, token), self._stream.digest_text())
        return Receipt(written.encode(), self._batches, self._stream.size, self._rows)

    def abort(self) -> None:
        self._writer.abort()
        self._stream.abort()
