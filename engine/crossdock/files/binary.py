"""Byte for byte: an object is cut into ranges of one block each, read and written apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CrossdockError,
    NotFoundError,
    NotSupportedError,
    ShortReadError,
    SourceChangedError,
    VerificationError,
)
from ..limits import BUFFERS
from ..spi.data import Attempt, Begun, PlanHint, Receipt, Split, Target, Unit, UnitPage, WriteMode
from ..spi.endpoints import Copier, ReadBack, Remembering, Sink, Source, Writer
from ..spi.store import (
    Block,
    ObjectInfo,
    ObjectStore,
    RangeCopier,
    RemembersUploads,
    UploadRequest,
    WholeWriter,
)
from .existing import Existing
from .listing import Selection, of_version, version
from .names import flattened
from .objectfile import blocks_of

MIB = 1 << 20
DEFAULT_BLOCK = 8 * MIB
MANY = 1 << 16
LONGEST_ITEM = 32 * MIB
WHOLE = b"whole"


@dataclass(eq=False, repr=False)
class BinarySource(Source[memoryview]):
    """The bytes of the selected objects.

    ``pieces``: a split need not be one item; it is read as suits the store best. ``whole``: an object is one
    split.
    """

    store: ObjectStore
    selection: Selection
    pieces: bool = False
    whole: bool = False

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        return self.selection.units(after)

    def schema(self, unit: Unit) -> None:
        return None

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        size, block = unit.size or 0, hint.block or DEFAULT_BLOCK
        if hint.max_splits:
            block = max(block, -(-size // hint.max_splits))
        token = b"%d %b" % (size, unit.token)
        if self.whole:
            block = max(size, 1)
        for index in range(max(1, -(-size // block))):
            offset = index * block
            length = min(block, size - offset)
            # A split as long as its object would not fit into memory.
            memory = min(length, LONGEST_ITEM) if self.whole or hint.max_splits else length
            yield Split(unit.name, index, token, length, offset, length, memory)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[memoryview]]:
        info, size = split_info(split), split.length or 0
        with self.store.open_read(info.path, info) as reader:
            if self.pieces and reader.best_read:
                size = min(size, reader.best_read)
            size = min(size, split.memory or size)
            with BUFFERS.borrow(size) as buffer:
                yield self._items(reader.read_into, split, buffer)

    def _items(self, read_into, split: Split, buffer: memoryview) -> Iterator[memoryview]:  # type: ignore[no-untyped-def]
        start = split.offset or 0
        end = start + (split.length or 0)
        for at in range(start, end, len(buffer) or 1):
            piece = buffer[: end - at]
            got = read_into(at, piece)
            if got != len(piece):
                raise ShortReadError(f"{split.unit} ended after {at + got:,} bytes")
            yield piece

    def objects(self, splits: Sequence[Split]) -> Iterator[ObjectInfo]:
        """The objects of a whole plan, each once."""
        return (split_info(split) for split in splits if not split.index)

    def close(self) -> None:
        self.store.close()


def split_info(split: Split) -> ObjectInfo:
    """The version of the object that a binary split was planned for."""
    size, _, token = split.token.partition(b" ")
    return of_version(split.unit, int(size), token)


def _object_size(split: Split) -> int:
    return int(split.token.partition(b" ")[0])


@dataclass(eq=False, repr=False)
class FileTarget:
    """Where units go on a store: ``name`` for one object, else below the root under their own names.

    ``extension`` takes the place of ``replaces`` at the end of a name; other names get it added.
    ``flat``: all go into one folder.
    """

    store: ObjectStore
    where: str
    name: str = ""
    extension: str = ""
    replaces: str = ""
    flat: bool = False

    def __post_init__(self) -> None:
        self._existing = Existing(self.store)

    def path(self, unit: Unit) -> str:
        if self.name:
            return self.name
        name = self._stem(unit.name) + self.extension
        return flattened(name) if self.flat else name

    def _stem(self, name: str) -> str:
        stem = name[: len(name) - len(self.replaces)]
        # In its exact case: ``a.csv`` and ``a.CSV`` are two files and stay two.
        ends = self.replaces and name.endswith(self.replaces)
        return stem if ends and stem and not stem.endswith("/") else name

    def check(self, unit: Unit, mode: WriteMode, *, guarded: bool = False) -> None:
        """Refuse a mode that objects do not have, a path that the store cannot hold, and in mode ``error`` an
        object that exists.

        ``guarded``: the one request that writes the object refuses an existing one too.
        """
        self.check_path(self.path(unit), mode, guarded=guarded)

    def check_path(self, path: str, mode: WriteMode, *, guarded: bool = False) -> None:
        """As ``check``, of an object that is written there."""
        if mode is WriteMode.APPEND:
            raise NotSupportedError("files cannot be appended to; use --mode overwrite or another name")
        self.store.check_path(path)
        if mode is WriteMode.ERROR and self._exists(path, guarded):
            raise AlreadyExistsError(
                f"{path} exists already in {self.where}; use --mode overwrite to replace it"
            )

    def shared_name(self, unit: Unit) -> str | None:
        """The path where another unit could have the same: ``a`` and ``a.csv`` both become ``a.parquet``."""
        return self.path(unit) if self.replaces and not self.name else None

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        """As ``Remembering.committed``."""
        store, path = self.store, self.path(unit)
        assert isinstance(store, RemembersUploads)  # noqa: S101 - ``remembers`` said so
        if (found := store.committed(path, run_id)) is not None:
            return Receipt(b"", 1, found.size)
        store.abandon(path, run_id)
        return None

    def _exists(self, path: str, guarded: bool) -> bool:
        # To list for a single object is as dear as to ask for it.
        return self._existing.seen(path) if guarded and not self.name else path in self._existing


@dataclass(eq=False, repr=False)
class BinarySink(Sink[memoryview], Copier, ReadBack[memoryview], Remembering):
    """Objects, made of blocks at known offsets: of larger ones where an object has ``max_blocks`` only and
    the size is not ``fixed``.
    """

    store: ObjectStore
    target: FileTarget
    block: int = DEFAULT_BLOCK
    max_blocks: int | None = None
    largest_block: int | None = None
    fixed: bool = False

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.target.name)

    def check(self, unit: Unit, target: Target) -> None:
        if self.largest_block and self._block(unit) > self.largest_block:
            raise NotSupportedError(
                f"{unit.name} is too large for {self.target.where}: at most {self.max_blocks:,} blocks of "
                f"{self.largest_block:,} bytes make an object"
            )
        if self.fixed and self._block(unit) > self.block:
            count, least = -(-(unit.size or 0) // self.block), -(-self._block(unit) // MIB)
            raise NotSupportedError(
                f"{unit.name} needs {count:,} blocks of {self.block:,} bytes, and {self.target.where} takes "
                f"{self.max_blocks:,}; choose blocks of at least {least:,} MiB, or leave out block_size_in_mb"
            )
        self.target.check(unit, target.mode, guarded=self._whole(unit.size))

    def _whole(self, size: int | None) -> bool:
        """Whether an object of that size is written in one request."""
        return isinstance(self.store, WholeWriter) and size is not None and size <= self.store.whole_limit

    def _block(self, unit: Unit) -> int:
        return max(self.block, -(-(unit.size or 0) // self.max_blocks)) if self.max_blocks else self.block

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        path = self.target.path(unit)
        request = UploadRequest(run_id, target.mode is WriteMode.OVERWRITE, unit.size, target.attributes)
        upload = self.store.open_upload(path, request)
        handle = path.encode(errors="surrogateescape") + b"\0" + upload
        return Begun(handle, max_writers=MANY, block=self._block(unit))

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[memoryview]:
        store, upload = self.store, _upload(handle)
        size = split.length or 0
        if isinstance(store, WholeWriter) and self._whole(size) and size == _object_size(split):
            return _WholeWriter(store, upload, size)
        return _BinaryWriter(store, upload, split, attempt.number)

    def can_copy(self, source: Source[memoryview]) -> bool:
        return (
            isinstance(source, BinarySource)
            and isinstance(self.store, RangeCopier)
            and self.store.can_copy_from(source.store)
        )

    def copy(self, source: Source[memoryview], handle: bytes, split: Split, attempt: Attempt) -> Receipt:
        receipt = self._copy(source, handle, split, attempt, seen=None)
        assert receipt is not None  # noqa: S101 - only watching may be impossible
        return receipt

    def copy_seen(
        self,
        source: Source[memoryview],
        handle: bytes,
        split: Split,
        attempt: Attempt,
        *,
        seen: Callable[[memoryview], object],
    ) -> Receipt | None:
        return self._copy(source, handle, split, attempt, seen=seen)

    def _copy(
        self,
        source: Source[memoryview],
        handle: bytes,
        split: Split,
        attempt: Attempt,
        *,
        seen: Callable[[memoryview], object] | None,
    ) -> Receipt | None:
        assert isinstance(source, BinarySource)  # noqa: S101 - can_copy said so
        assert isinstance(self.store, RangeCopier)  # noqa: S101 - can_copy said so
        length, offset = split.length or 0, split.offset or 0
        if length:
            block = Block(split.index, attempt.number, 0, 0, length, offset)
            what = (source.store, split_info(split), offset, _upload(handle), block)
            try:
                if seen is None:
                    self.store.copy_block(*what)
                elif not self.store.copy_seen(*what, seen=seen):
                    return None
            except (NotFoundError, ShortReadError, SourceChangedError) as error:
                # A sink that lost something says StageLostError.
                error.side = "source"
                raise
            except AccessDeniedError as error:
                error.side = "source" if _may_not_read(source.store, split) else "sink"
                raise
        return _receipt(attempt.number, [length] if length else [])

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        blocks: list[Block] = []
        for split, receipt in receipts:
            if receipt.token == WHOLE:
                return
            attempt, *lengths = map(int, receipt.token.split())
            blocks += blocks_of(split.index, attempt, lengths, split.offset)
        self.store.commit(_upload(handle), blocks)

    def cleanup(self, handle: bytes) -> None:
        self.store.abort(_upload(handle))

    def abandon(self, unit: Unit, run_id: str) -> None:
        self.store.abandon(self.target.path(unit), run_id)

    def remembers(self) -> bool:
        return isinstance(self.store, RemembersUploads)

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        return self.target.committed(unit, run_id)

    def is_committed(self, handle: bytes) -> bool:
        return self.store.is_committed(_upload(handle))

    def target_name(self, unit: Unit) -> str | None:
        return self.target.shared_name(unit)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[memoryview], Unit]:
        info = self.store.stat(handle.partition(b"\0")[0].decode(errors="surrogateescape"))
        size = sum(receipt.bytes for _, receipt in receipts)
        if info.size != size:
            raise VerificationError(f"{info.path} has {info.size:,} bytes; {size:,} were written")
        selection = Selection(self.store, info.path, info.path)
        # What came in one split of any size is proved as one.
        source = BinarySource(self.store, selection, pieces=True, whole=len(receipts) == 1)
        return source, Unit(info.path, info.size, version(info))

    def close(self) -> None:
        self.store.close()


def _upload(handle: bytes) -> bytes:
    return handle.partition(b"\0")[2]


def _may_not_read(store: ObjectStore, split: Split) -> bool:
    """Whether it is the source that lets nobody in."""
    try:
        with store.open_read((info := split_info(split)).path, info) as reader:
            reader.read_into(0, memoryview(bytearray(1)))
    except AccessDeniedError:
        return True
    except CrossdockError:
        return False
    return False


def _receipt(attempt: int, lengths: list[int]) -> Receipt:
    return Receipt(" ".join(map(str, (attempt, *lengths))).encode(), len(lengths), sum(lengths))


class _WholeWriter(Writer[memoryview]):
    """A small object of one split: its only block is its commit, which saves a request."""

    def __init__(self, store: WholeWriter, upload: bytes, size: int) -> None:
        self._store, self._upload, self._size = store, upload, size

    def write(self, item: memoryview) -> None:
        if len(item) != self._size:
            raise ShortReadError(f"{len(item):,} bytes came where {self._size:,} were planned")
        self._store.put_whole(self._upload, item)

    def finish(self) -> Receipt:
        if not self._size:
            self._store.put_whole(self._upload, memoryview(b""))
        return Receipt(WHOLE, 1, self._size, visible=True)

    def abort(self) -> None:
        """Nothing is staged."""


class _BinaryWriter(Writer[memoryview]):
    def __init__(self, store: ObjectStore, upload: bytes, split: Split, attempt: int) -> None:
        self._store, self._upload, self._split, self._attempt = store, upload, split, attempt
        self._lengths: list[int] = []
        self._size = 0

    def write(self, item: memoryview) -> None:
        offset = None if self._split.offset is None else self._split.offset + self._size
        block = Block(self._split.index, self._attempt, len(self._lengths), self._size, len(item), offset)
        self._store.write_block(self._upload, block, item)
        self._lengths.append(len(item))
        self._size += len(item)

    def finish(self) -> Receipt:
        return _receipt(self._attempt, self._lengths)

    def abort(self) -> None:
        """Blocks of a failed attempt have names of their own; ``cleanup`` removes them."""
