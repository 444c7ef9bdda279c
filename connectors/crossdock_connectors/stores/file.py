"""Local files: a folder is the store, the files below it are its objects.

Beyond the contract: symbolic links are followed as long as they end below the folder; file names may
hold anything but control characters other than tab and line ends.
"""

from __future__ import annotations

import builtins
import errno
import os
import pathlib
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pydantic import Field

from crossdock import (
    AlreadyExistsError,
    Attributes,
    Block,
    Browsable,
    Capabilities,
    ConfigError,
    ConnectorConfig,
    ConnectorSpec,
    EntryPage,
    Fetchable,
    Folders,
    InternalError,
    Location,
    NotFoundError,
    NotSupportedError,
    ObjectAttributes,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    RangeCopier,
    Reached,
    ShortReadError,
    SourceChangedError,
    StagedFile,
    UploadRequest,
    WriteMode,
)

from .file_browse import level, reached
from .file_bytes import BINARY, copy_range, copy_through, read_at, reserve, sync_folder, write_at
from .file_errors import classify, fault
from .file_fence import Fence
from .file_list import RESERVED, Tree, etag, folders, info_of
from .file_upload import Upload, check_names, commit, create, discard, is_published

# A path may not leave the root, nor be a second spelling of another, nor reach into staged data.
_BAD_PATH = re.compile(
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\A/|(?:\A|/)\.{0,2}(?:/|\Z)|(?:\A|/)" + re.escape(RESERVED)
)
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_READ = os.O_RDONLY | BINARY | getattr(os, "O_NONBLOCK", 0)
_KNOWN_FOLDERS = 10_000


class FileConfig(ConnectorConfig):
    """Options of the local file store."""

    sync: bool = Field(
        default=False,
        description="Force data and names to disk before a block or a commit counts, so that a resumed run "
        "survives a power failure too; a killed process loses nothing without it",
    )


class FileReader(ObjectReader):
    """An open file. ``fd`` is its descriptor, for copies within the kernel."""

    # What is read once more stays in the processor's cache: four times as fast as in pieces of 32 MiB.
    best_read = 1 << 20

    def __init__(self, path: str, fd: int, info: ObjectInfo) -> None:
        self._path, self.fd, self.info = path, fd, info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        want = max(0, min(len(buffer), self.info.size - offset))
        try:
            got = read_at(self.fd, buffer[:want], offset)
            self.check()
        except OSError as error:
            raise fault(error, self._path) from error
        if got < want:
            raise ShortReadError(f"{self._path} ended after {offset + got:,} of {self.info.size:,} bytes")
        return got

    def check(self) -> None:
        """Raises SourceChangedError when the file was written to since it was opened."""
        if etag(os.fstat(self.fd)) != self.info.etag:
            raise SourceChangedError(f"{self._path} changed while it was read")

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


class FileStore(ObjectStore, RangeCopier, Attributes, Folders, Fetchable, Browsable):
    """The files below the folder ``root``, which need not exist yet."""

    keeps = frozenset({"mode", "modified_ns"})

    def __init__(self, root: str, *, sync: bool = False) -> None:
        self._root = os.path.realpath(root)
        self._within = self._root.rstrip("/") + "/"
        self._sync = sync
        self._fence = Fence(self._root)
        self._places: dict[str, tuple[str, int]] = {}
        self._made: set[str] = set()
        self._parts: dict[str, set[str]] = {}
        self._settled: set[str] = set()

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        start = prefix[: prefix.rfind("/")] if "/" in prefix else ""
        if start or prefix.startswith("/"):
            self._path(start)
        try:
            yield from Tree(self._within, prefix, after).pages()
        except OSError as error:
            raise fault(error, error.filename or self._root) from error

    def test(self) -> Reached:
        return reached(self._root)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        folder = path.rstrip("/")
        if folder:
            self._path(folder)
        return level(self._root, f"{folder}/" if folder else "", after, most)

    def stat(self, path: str) -> ObjectInfo:
        full = self._path(path)
        try:
            self._fence.check_folder(os.path.dirname(full))
            check_names(self._root, path)
            found = os.lstat(full)
            if stat.S_ISLNK(found.st_mode):
                self._fence.check(full)
                found = os.stat(full)
        except OSError as error:
            raise _read_fault(error, full) from error
        return _regular(path, full, found)

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        with self.open_read(info.path, info) as reader:
            found = os.fstat(reader.fd)
        return ObjectAttributes(modified_ns=found.st_mtime_ns, mode=found.st_mode & 0o777)

    def folders(self) -> Iterator[tuple[str, bool]]:
        try:
            yield from folders(self._within)
        except OSError as error:
            raise fault(error, error.filename or self._root) from error

    def folder_attributes(self, path: str) -> ObjectAttributes:
        if not self.is_folder(path):
            raise NotFoundError(f"{self._path(path)} is not a folder")
        return ObjectAttributes()

    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        full = self._path(path)
        try:
            self._fence.check(full)
            os.makedirs(full, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise AlreadyExistsError(f"{full} leads through a file where a folder should be") from error
        except OSError as error:
            raise fault(error, full) from error

    def remove_folder(self, path: str) -> None:
        full = self._path(path)
        try:
            self._fence.check(os.path.dirname(full))
            os.rmdir(full)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise fault(error, full) from error

    def fetchable(self, info: ObjectInfo, file_format: str) -> StagedFile:
        return StagedFile(pathlib.Path(self._path(info.path)).as_uri(), file_format, info.size)

    def is_folder(self, path: str) -> bool:
        path = path.rstrip("/")
        return os.path.isdir(self._path(path)) if path else os.path.isdir(self._root)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> FileReader:
        full = self._path(path)
        try:
            fd = os.open(full, _READ)
        except OSError as error:
            raise _read_fault(error, full) from error
        try:
            self._fence.check(full, fd)
            found = _regular(path, full, os.fstat(fd))
            if info is not None and info.etag != found.etag:
                raise SourceChangedError(f"{full} is no longer the version that was listed")
        except BaseException:
            os.close(fd)
            raise
        return FileReader(full, fd, found)

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        full = self._path(path)
        if not _RUN_ID.fullmatch(request.run_id):
            raise ConfigError(f"the run id {request.run_id!r} may hold letters, digits and . _ - only")
        try:
            check_names(self._root, path)
            folder, missing = self._place(os.path.dirname(full))
            upload = Upload.new(full, folder, request, sync=self._sync, missing=missing)
            # Here and not with the first block: a block that finds it gone then knows that data was lost.
            fd = create(upload.data)
            try:
                reserve(fd, request.size or 0)
            finally:
                os.close(fd)
            if self._sync:
                sync_folder(folder)
        except OSError as error:
            raise fault(error, full) from error
        return upload.encode()

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        if len(data) != block.length:
            raise InternalError(f"a block of {block.length:,} bytes came with {len(data):,}")
        begun = Upload.decode(upload)
        try:
            fd, at = self._open_block(begun, block)
            try:
                write_at(fd, data, at)
                if self._sync:
                    os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise fault(error, begun.final) from error

    def can_copy_from(self, source: ObjectStore) -> bool:
        return isinstance(source, FileStore)

    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        self._copy(source, info, offset, upload, block, how=copy_range)

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
        self._copy(source, info, offset, upload, block, how=partial(copy_through, seen=seen))
        return True

    def _copy(
        self,
        source: ObjectStore,
        info: ObjectInfo,
        offset: int,
        upload: bytes,
        block: Block,
        *,
        how: Callable[[int, int, int, int, int], int],
    ) -> None:
        begun = Upload.decode(upload)
        with source.open_read(info.path, info) as reader:
            if not isinstance(reader, FileReader):
                raise NotSupportedError("files are copied from another local folder only")
            try:
                fd, at = self._open_block(begun, block)
                try:
                    got = how(reader.fd, offset, fd, at, block.length)
                    if self._sync:
                        os.fsync(fd)
                finally:
                    os.close(fd)
                reader.check()
            except OSError as error:
                raise fault(error, begun.final) from error
        if got < block.length:
            raise ShortReadError(f"{info.path} ended after {offset + got:,} of {info.size:,} bytes")

    def _open_block(self, upload: Upload, block: Block) -> tuple[int, int]:
        """The staged file that the block goes to, and where in it."""
        if block.offset is not None:
            path, at = upload.data, block.offset
        else:
            path, at = upload.part(block), block.start
            parts = self._parts.setdefault(upload.stem, set())
            if path not in parts:
                fd = create(path)
                parts.add(path)
                if self._sync:
                    sync_folder(upload.parts)
                    sync_folder(os.path.dirname(upload.parts))
                return fd, at
        try:
            return os.open(path, os.O_WRONLY | BINARY), at
        except FileNotFoundError:
            raise upload.lost("the file is missing") from None

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        begun = Upload.decode(upload)
        try:
            if commit(begun, blocks, sync=self._sync):
                self._settled.add(begun.stem)
        except OSError as error:
            raise fault(error, begun.final) from error

    def abort(self, upload: bytes) -> None:
        begun = Upload.decode(upload)
        self._parts.pop(begun.stem, None)
        settled = begun.stem in self._settled
        self._settled.discard(begun.stem)
        try:
            discard(begun, settled=settled)
        except OSError as error:
            raise fault(error, begun.final) from error

    def abandon(self, path: str, run_id: str) -> None:
        full = self._path(path)
        try:
            folder, missing = self._place(os.path.dirname(full))
            discard(Upload.new(full, folder, UploadRequest(run_id), sync=self._sync, missing=missing))
        except NotADirectoryError:
            return  # where a file is in the way of a folder, nothing can be staged
        except OSError as error:
            raise fault(error, full) from error

    def is_committed(self, upload: bytes) -> bool:
        begun = Upload.decode(upload)
        try:
            return is_published(begun)
        except OSError as error:
            raise fault(error, begun.final) from error

    def delete(self, path: str) -> None:
        full = self._path(path)
        try:
            self._fence.check(os.path.dirname(full))
            os.unlink(full)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise fault(error, full) from error

    def _path(self, path: str) -> str:
        if _BAD_PATH.search(path) or (os.sep == "\\" and ("\\" in path or ":" in path)):
            raise ConfigError(f"{path!r} is not the path of a file below {self._root}")
        return self._within + path

    def _place(self, folder: str) -> tuple[str, int]:
        """Where to stage what goes into ``folder``, and how many folders down to it had to be made.

        That is the root, else (another file system is mounted in between) the lowest folder that exists.
        """
        if (known := self._places.get(folder)) is not None:
            return known
        if len(self._places) >= _KNOWN_FOLDERS:
            self._places.clear()
            self._made.clear()
        self._fence.check(folder)
        missing, found = self._missing(folder)
        lowest = os.path.dirname(missing[-1]) if missing else folder
        stage = self._root
        if (lowest + "/").startswith(self._within) and found.st_dev != os.stat(self._root).st_dev:
            stage = lowest
        self._made.update(missing)
        return self._places.setdefault(folder, (stage, len(missing)))

    def _missing(self, folder: str) -> tuple[Sequence[str], os.stat_result]:
        """The folder and those above it that do not exist or that this store made, and what is above them."""
        missing: builtins.list[str] = []
        while True:
            try:
                found = os.stat(folder)
                if not stat.S_ISDIR(found.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
                if folder not in self._made:
                    return missing, found
            except FileNotFoundError:
                pass
            missing.append(folder)
            folder = os.path.dirname(folder)


def _read_fault(error: OSError, full: str) -> Exception:
    """For reading, a path that runs through a file does not exist."""
    if isinstance(error, NotADirectoryError):
        return NotFoundError(f"{full} does not exist", detail=str(error))
    return fault(error, full)


def _regular(path: str, full: str, found: os.stat_result) -> ObjectInfo:
    if stat.S_ISREG(found.st_mode):
        return info_of(path, found)
    if stat.S_ISDIR(found.st_mode):
        raise NotFoundError(f"{full} is a folder, not a file")
    raise NotSupportedError(f"{full} is a device, pipe or socket, not a file")


def _open(config: FileConfig, location: Location) -> FileStore:
    if location.authority not in ("", "localhost"):
        raise ConfigError(
            f"{location.url} names the host {location.authority!r}; a local path has three slashes: file:///..."
        )
    if "\0" in location.path:
        raise ConfigError("a path cannot hold a NUL character")
    return FileStore(location.path or ".", sync=config.sync)


def _absolute(location: Location) -> Location:
    path = os.path.abspath(location.path or ".")
    folder = location.path.endswith(("/", "/.", "/..")) and not path.endswith("/")
    return location.with_path(path + "/" if folder else path)


SPEC = ConnectorSpec(
    name="file",
    summary="Files of this machine and of mounted shares",
    kind="store",
    config=FileConfig,
    schemes=("file", ""),
    adf_types=(
        "FileServer",
        "FileServerLocation",
        "FileServerReadSettings",
        "FileServerWriteSettings",
        "LocalServer",
    ),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
        visibility="per_object",
        private_staging=True,
        # Larger is no faster for a copy within the kernel; smaller costs more for the splits.
        best_block=32 << 20,
        read_back="after_commit",
        cheap_scan=True,
        fetched_by="file",
    ),
    open_store=_open,
    classify=classify,
    absolute=_absolute,
    example="crossdock copy 'data/*.csv' archive/ --sink-format parquet",
)
