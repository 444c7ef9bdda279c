"""ObjectStore: what a store connector implements; it then gets binary and every tabular format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from types import TracebackType
from typing import Literal, Self

from ..errors import NotFoundError, SourceChangedError
from .record import record


@record(slots=True)
class ObjectInfo:
    """One object. ``path`` is relative to the store, ``/``-separated; ``size`` in bytes.

    ``etag`` names the version: it changes whenever the content does. ``modified``: seconds since 1970.
    """

    path: str
    size: int
    etag: str
    modified: float = 0.0


@record(slots=True)
class Block:
    """Where a piece of an upload belongs.

    (``split``, ``attempt``, ``index``) names it: the same name is the same content. ``start`` is its
    offset in bytes within the split; ``offset`` its offset within the object, None while the sizes
    of the splits before it are unknown. Blocks of an object have an offset all or none, and those with
    one may be written in place: two attempts at a pinned source write the same bytes there.
    """

    split: int
    attempt: int
    index: int
    start: int
    length: int
    offset: int | None = None


@record(slots=True)
class ObjectAttributes:
    """What an object has beside its bytes; None and empty where it has not.

    ``headers`` are content headers under the names ``content_type``, ``content_language``,
    ``content_encoding``, ``content_disposition`` and ``cache_control``; ``metadata`` is the user's own.
    ``modified_ns``: nanoseconds since 1970. ``mode``: POSIX permissions. ``tier``: the access tier or storage
    class that was chosen for the object. The others are texts of the stores.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    modified_ns: int | None = None
    mode: int | None = None
    tier: str | None = None
    acl: str | None = None
    owner: str | None = None
    group: str | None = None


@record(slots=True)
class UploadRequest:
    """What an upload is told when it begins. ``size`` in bytes where it is known.

    ``attributes``: only for stores with the ability ``Attributes``, and then no more than they keep.
    """

    run_id: str
    overwrite: bool = False
    size: int | None = None
    attributes: ObjectAttributes | None = None


class ObjectReader(ABC):
    """One version of one object, open for reading at any offset. Safe to use from several threads."""

    info: ObjectInfo
    best_read: int = 0
    """How many bytes are best read at once by somebody who reads them all; 0: the more, the better."""

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from ``offset``; returns the count, less than asked only at the object's end.

        Raises ShortReadError when the store ends early, SourceChangedError when the version is
        no longer the one that was opened.
        """

    @abstractmethod
    def close(self) -> None:
        """May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ObjectStore(ABC):
    """A place for objects. Blocking methods, safe to use from several threads.

    Errors: NotFoundError, AccessDeniedError, AuthError, NoSpaceError, TransientError; a path that
    leaves the store's root (``..``, absolute) or that the store cannot hold is a ConfigError.
    """

    @abstractmethod
    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        """Pages of all objects whose path starts with ``prefix``, ordered by path, behind ``after``.

        Staged data of any run is not listed. An empty or missing prefix gives no pages.
        """

    @abstractmethod
    def stat(self, path: str) -> ObjectInfo:
        """Raises NotFoundError."""

    @abstractmethod
    def open_read(self, path: str, info: ObjectInfo | None = None) -> ObjectReader:
        """Open the object. With ``info``, exactly that version: another raises SourceChangedError."""

    def check_path(self, path: str) -> None:  # noqa: B027 - where looking the path up says it too
        """Raise ConfigError for a path that the store cannot hold. Asks nobody: called for every object."""

    @abstractmethod
    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        """Begin to write an object; returns a handle for any process. Nothing becomes visible."""

    @abstractmethod
    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        """Make one block durable (not visible). Twice with the same block is the same as once."""

    @abstractmethod
    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        """Make the object of exactly these blocks, in this order, visible in one step.

        Finds its own earlier commit. Without ``overwrite`` an object of somebody else at the
        target raises AlreadyExistsError, also when it appeared after ``open_upload``. Raises
        StageLostError when a block is gone.
        """

    @abstractmethod
    def abort(self, upload: bytes) -> None:
        """Remove what is staged, after commit too. Idempotent; never touches a committed object."""

    def abandon(self, path: str, run_id: str) -> None:  # noqa: B027 - where open_upload stages nothing
        """Remove what ``open_upload`` of that run may have staged for the path, whose handle was lost."""

    def abandon_all(self, run_id: str) -> None:  # noqa: B027 - where nothing stays in anybody's way
        """Remove what uploads of that run have staged for any path; none of them goes on after that."""

    def is_committed(self, upload: bytes) -> bool:
        """Whether the object at the target is this upload's. Here: not known; a WholeWriter overrides it."""
        return False

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove the object; one that does not exist is fine."""

    def delete_version(self, info: ObjectInfo) -> None:
        """Remove the object if it is still that version; one that does not exist is fine.

        Another version raises SourceChangedError. Here: looks first, and somebody who replaces the object in
        between loses; stores that can do both at once override this.
        """
        try:
            found = self.stat(info.path)
        except NotFoundError:
            return
        if found.etag != info.etag:
            raise SourceChangedError(f"{info.path} is no longer the version that was listed")
        self.delete(info.path)

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder. Here: something lies below it; stores with real folders ask."""
        return next(iter(self.list(path.rstrip("/") + "/")), None) is not None

    def close(self) -> None:  # noqa: B027 - optional
        """Let go of connections. May be called twice."""


class Attributes(ABC):
    """Ability of a store: objects have attributes, which can be read and given to an upload."""

    keeps: frozenset[str]
    """The fields of ObjectAttributes that its objects have; ``attributes`` fills no others."""

    @abstractmethod
    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        """The attributes of that version. Raises NotFoundError, SourceChangedError."""


@record(slots=True)
class Facts:
    """What a store knows of an object or a folder; None where it does not, or not of folders.

    ``modified`` and ``created``: seconds since 1970. ``md5`` is the digest of the content that is kept.
    """

    size: int | None = None
    modified: float | None = None
    created: float | None = None
    md5: bytes | None = None


class Described(ABC):
    """Ability of a store: it tells more of an object or a folder than listings do."""

    @abstractmethod
    def facts(self, path: str) -> Facts:
        """Of an object, of a folder where ``path`` ends in ``/``, of the root where it is empty.

        Raises NotFoundError, also where the one is the other.
        """


class Folders(ABC):
    """Ability of a store: folders exist by themselves, with owners and access of their own."""

    folder_keeps: frozenset[str] = frozenset()
    """The fields of ObjectAttributes that folders have, of ``acl``, ``owner`` and ``group``."""

    @abstractmethod
    def folders(self) -> Iterator[tuple[str, bool]]:
        """The path of each folder below the root, without a ``/`` at its end, and whether it is empty.

        A folder comes before those in it. Staged data of any run does not count.
        """

    @abstractmethod
    def folder_attributes(self, path: str) -> ObjectAttributes:
        """What the folder has of ``folder_keeps``. Raises NotFoundError."""

    @abstractmethod
    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        """Make the folder and those above it; it gets the attributes also where it was there.

        Raises AlreadyExistsError where an object is in the way.
        """

    def remove_folder(self, path: str) -> None:  # noqa: B027 - a store may keep its empty folders
        """Remove the folder if it is there and empty; else nothing happens."""


@record(slots=True)
class StagedFile:
    """An object that somebody else may fetch: ``url`` without a secret, and what lets them in.

    ``credential``: ``none``, ``sas`` (a signature as a query), ``account key``, or ``identity`` (the own one
    of whoever fetches); ``secret`` belongs into no text. ``format`` is the name of its format, ``size`` is in
    bytes.
    """

    url: str
    format: str
    size: int
    credential: Literal["none", "sas", "account key", "identity"] = "none"
    secret: str = field(default="", repr=False)


class Fetchable(ABC):
    """Ability of a store: others can fetch its objects. ``Capabilities.fetched_by`` is the URL's scheme."""

    @abstractmethod
    def fetchable(self, info: ObjectInfo, file_format: str) -> StagedFile:
        """Where that object is, and what lets others in. Asks nobody."""


class RemembersUploads(ABC):
    """Ability of a store: it knows which run an object was committed by, until ``abort`` at least."""

    @abstractmethod
    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        """The object at that path, if it was made by an upload of that run; None where it was not."""


class WholeWriter(ABC):
    """Ability of a store: a small object is written and committed in one request."""

    whole_limit: int
    """The largest object in bytes that this is worth it for."""

    @abstractmethod
    def put_whole(self, upload: bytes, data: memoryview) -> None:
        """Make the object of exactly ``data``, visible at once; ``write_block`` and ``commit`` in one.

        Guards as ``commit`` does and finds its own earlier call. ``commit`` is then not called.
        """


class RangeCopier(ABC):
    """Ability of a store: bytes go from one store to another without passing through this process."""

    @abstractmethod
    def can_copy_from(self, source: ObjectStore) -> bool:
        """Whether ``copy_block`` works from that store."""

    @abstractmethod
    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        """As ``write_block``, with ``block.length`` bytes at ``offset`` of the given version.

        Raises SourceChangedError when the source is another version, ShortReadError when it ends, and
        NotSupportedError when this store cannot fetch from there after all: the bytes then go through us.
        """

    def copy_seen(
        self,
        source: ObjectStore,
        info: ObjectInfo,
        offset: int,
        upload: bytes,
        block: Block,
        *,
        seen: Callable[[memoryview], object],
    ) -> bool:
        """As ``copy_block``; ``seen`` gets the bytes as they were read, in order, for a digest.

        False: that is not possible here, and nothing was done. The source is then read once more.
        """
        return False
