"""A table in files that have at most so many rows each (``max_rows_per_file``)."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar

from ..errors import AlreadyExistsError, NotFoundError, VerificationError
from ..spi.data import Attempt, Begun, Receipt, Split, Target, Unit, WriteMode
from ..spi.endpoints import Source, Writer
from ..spi.format import FileFormat, FormatWriter, Part
from ..spi.record import record
from ..spi.store import ObjectAttributes, ObjectInfo, RemembersUploads, UploadRequest
from .listing import Selection
from .objectfile import PartStream, blocks_of
from .tabular import WRITER_MEMORY, FormatSink, FormatSource, packed, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

_ENDING = re.compile(r"(?<=[^/])\.[A-Za-z0-9]+(?:\.gz)?\Z")
_FIRST_ATTEMPT = 1
_ATTEMPTS = 1000  # of one process, by whose number the engine counts them


def numbered(path: str, number: int) -> str:
    """``a/b.csv`` is ``a/b_00000.csv`` first; Data Factory's names."""
    found = _ENDING.search(path)
    stem = path[: found.start()] if found else path
    return f"{stem}_{number:05}{found[0] if found else ''}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a handle says. ``staged_by`` names the uploads of this unit, and of no other one."""

    path: str
    staged_by: str
    overwrite: bool
    schema: pa.Schema
    attributes: ObjectAttributes | None = None

    def encode(self) -> bytes:
        kept = None if self.attributes is None else asdict(self.attributes)
        fields = [self.path, self.staged_by, self.overwrite, packed(self.schema), kept]
        return json.dumps(fields).encode()

    @classmethod
    def decode(cls, handle: bytes) -> _Plan:
        path, staged_by, overwrite, schema, kept = json.loads(handle)
        return cls(path, staged_by, overwrite, unpacked(schema), kept and ObjectAttributes(**kept))

    def request(self) -> UploadRequest:
        return UploadRequest(self.staged_by, self.overwrite, attributes=self.attributes)


@dataclass(frozen=True, slots=True)
class _File:
    """One file that is staged: the handle of its upload, the attempt, and the lengths of its blocks."""

    path: str
    upload: bytes
    attempt: int
    lengths: list[int]

    @property
    def size(self) -> int:
        return sum(self.lengths)


def paths_of(token: bytes) -> list[str]:
    """The files that a receipt with that token stands for."""
    return [path for path, *_ in json.loads(token)]


def _files(receipt: Receipt) -> list[_File]:
    found = json.loads(receipt.token)
    return [_File(path, b64decode(upload), attempt, lengths) for path, upload, attempt, lengths in found]


@dataclass
class DividedSink(FormatSink):
    """Files are numbered in the order of the rows, which one worker writes. ``prefix`` names them all.

    All are staged before the first is visible; each becomes visible by itself, in order. Files of an earlier
    run with higher numbers stay.
    """

    by_parts: ClassVar[bool] = False

    most_rows: int = 1
    prefix: str = ""
    _begun: set[bytes] = field(default_factory=set)
    _committed: dict[bytes, tuple[list[bytes], bool]] = field(default_factory=dict)

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.target.name or self.prefix)

    def _path(self, unit: Unit) -> str:
        return f"{self.prefix}{self.target.extension}" if self.prefix else self.target.path(unit)

    def check(self, unit: Unit, target: Target) -> None:
        first = numbered(self._path(unit), 0)
        if target.schema is not None:
            self._format(first).check(target.schema)
        self.target.check_path(first, target.mode)

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        assert target.schema is not None  # noqa: S101 - tabular units have one
        path = self._path(unit)
        digest = blake2b(f"{run_id}\0{path}".encode(errors="surrogateescape"), digest_size=8).hexdigest()
        plan = _Plan(
            path,
            f"{run_id[:60]}-{digest}",
            target.mode is WriteMode.OVERWRITE,
            target.schema,
            target.attributes,
        )
        handle = plan.encode()
        self._begun.add(handle)
        return Begun(handle, max_writers=1, max_splits=1, block=self.block, memory=WRITER_MEMORY + self.block)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        return _DividedWriter(self, _Plan.decode(handle), split.index, attempt.number)

    def opened(self, path: str) -> FileFormat:
        """The format as it writes that file."""
        return self._format(path)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        found = [(split, file) for split, receipt in receipts for file in _files(receipt)]
        plan = _Plan.decode(handle)
        try:
            if not plan.overwrite:
                self._refuse_others(plan, [file.path for _, file in found])
            for split, file in found:
                self.store.commit(file.upload, blocks_of(split.index, file.attempt, file.lengths))
        except AlreadyExistsError:
            # All of them or none: a half of the table would be taken for it.
            for _, file in found:
                if (own := self._committed_before(plan, file.path)) is not None:
                    self.store.delete_version(own)
            raise
        # Of other attempts, nobody here knows which files they have begun.
        known = handle in self._begun and all(f.attempt % _ATTEMPTS == _FIRST_ATTEMPT for _, f in found)
        self._committed[handle] = [file.upload for _, file in found], known

    def _refuse_others(self, plan: _Plan, paths: Sequence[str]) -> None:
        """Raise AlreadyExistsError for a file of somebody else, before any is visible."""
        if not isinstance(self.store, RemembersUploads):
            return  # nor could be told which are our own
        for path in paths:
            with suppress(NotFoundError):
                self.store.stat(path)
                if self._committed_before(plan, path) is None:
                    raise AlreadyExistsError(
                        f"{path} exists already in {self.target.where}; use --mode overwrite to replace it"
                    )

    def _committed_before(self, plan: _Plan, path: str) -> ObjectInfo | None:
        """The file of that path if it is this unit's."""
        store = self.store
        return store.committed(path, plan.staged_by) if isinstance(store, RemembersUploads) else None

    def cleanup(self, handle: bytes) -> None:
        uploads, known = self._committed.pop(handle, ([], False))
        for upload in uploads:
            self.store.abort(upload)
        if not known:
            self.store.abandon_all(_Plan.decode(handle).staged_by)
        self._begun.discard(handle)

    def settle(self, handle: bytes) -> None:
        """No stage is written so."""

    def abandon(self, unit: Unit, run_id: str) -> None:
        """Before the first row nothing is staged."""

    def is_committed(self, handle: bytes) -> bool:
        return handle in self._committed

    def remembers(self) -> bool:
        """No: which files there are to be only the receipt says. To overwrite them again is the same."""
        return False

    def target_name(self, unit: Unit) -> str | None:
        return self.prefix or super().target_name(unit)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        infos = []
        for file in (file for _, receipt in receipts for file in _files(receipt)):
            infos.append(self.store.stat(file.path))
            if infos[-1].size != file.size:
                raise VerificationError(
                    f"{file.path} has {infos[-1].size:,} bytes, {file.size:,} were written; copy it again"
                )
        plan = _Plan.decode(handle)
        selection = _Exactly(self.store, plan.path, objects=tuple(infos))
        source = FormatSource(self.store, self.format, selection, merge=True, fixed=plan.schema)
        return source, Unit(plan.path, sum(info.size for info in infos))


@record
class _Exactly(Selection):
    """These objects, in their order."""

    objects: tuple[ObjectInfo, ...] = ()

    def infos(self) -> Iterator[ObjectInfo]:
        return iter(self.objects)


class _DividedWriter(Writer["pa.RecordBatch"]):
    """Writes one file after another; a table without rows is one file without rows."""

    def __init__(self, sink: DividedSink, plan: _Plan, split: int, attempt: int) -> None:
        self._sink, self._plan, self._split, self._attempt = sink, plan, split, attempt
        self._files: list[_File] = []
        self._file: _Open | None = None
        self._rows = self._batches = 0

    def write(self, item: pa.RecordBatch) -> None:
        at = 0
        while at < item.num_rows:
            file = self._file or self._open()
            step = min(item.num_rows - at, self._sink.most_rows - file.rows)
            file.write(item.slice(at, step))
            at += step
            if file.rows == self._sink.most_rows:
                self._close(file)
        self._rows += item.num_rows
        self._batches += 1

    def _open(self) -> _Open:
        path = numbered(self._plan.path, len(self._files))
        self._sink.store.check_path(path)
        upload = self._sink.store.open_upload(path, self._plan.request())
        stream = PartStream(self._sink.store, upload, self._split, self._attempt, self._sink.block)
        self._file = _Open(path, upload, stream, self._sink.opened(path), self._plan.schema)
        return self._file

    def _close(self, file: _Open) -> None:
        self._files.append(_File(file.path, file.upload, self._attempt, file.close()))
        self._file = None

    def finish(self) -> Receipt:
        if self._file is not None or not self._files:
            self._close(self._file or self._open())
        token = [[f.path, b64encode(f.upload).decode(), f.attempt, f.lengths] for f in self._files]
        size = sum(file.size for file in self._files)
        return Receipt(json.dumps(token).encode(), self._batches, size, self._rows)

    def abort(self) -> None:
        if self._file is not None:
            self._file.abort()


class _Open:
    """The file that is being written: its head, its rows, and its tail."""

    def __init__(
        self, path: str, upload: bytes, stream: PartStream, file_format: FileFormat, schema: pa.Schema
    ) -> None:
        self.path, self.upload, self._stream = path, upload, stream
        self._format, self._schema, self.rows = file_format, schema, 0
        if file_format.joinable:
            stream.write(file_format.head(schema))
        self._head = stream.size
        self._writer: FormatWriter = file_format.writer(stream, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write(batch)
        self.rows += batch.num_rows

    def close(self) -> list[int]:
        """The lengths of its blocks."""
        token = self._writer.finish()
        part = Part(self._stream.size - self._head, token)
        self._stream.write(self._format.tail(self._schema, [part]))
        return self._stream.finish()

    def abort(self) -> None:
        self._writer.abort()
        self._stream.abort()
