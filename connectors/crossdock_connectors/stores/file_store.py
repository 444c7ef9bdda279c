"""Local files: a folder is the store, the files below it are its objects.

Beyond the contract: symbolic links are followed as long as they end below the folder; file names may
hold anything but control characters other than tab and line ends.
"""

from __future__ import annotations

import errno
import os
import pathlib
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from crossdock import (
    AlreadyExistsError,
    Attributes,
    Block,
    Browsable,
    ConfigError,
    Described,
    EntryPage,
    Facts,
    Fetchable,
    Folders,
    InternalError,
    NotFoundError,
    NotSupportedError,
    ObjectAttributes,
    ObjectInfo,
    ObjectStore,
    RangeCopier,
    Reached,
    RemembersUploads,
    ShortReadError,
    SourceChangedError,
    StagedFile,
    UploadRequest,
)

from .file_browse import level, reached
from .file_bytes import BINARY, copy_range, copy_through, reserve, sync_folder, write_at
from .file_errors import fault
from .file_fence import Fence
from .file_list import RESERVED, Tree, folders
from .file_places import Places
from .file_read import READ, FileReader, read_fault, regular
from .file_upload import (
    Upload,
    check_names,
    commit,
    create,
    discard,
    discard_all,
    is_published,
    was_published,
)

_BAD_PATH = re.compile(
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\A/|(?:\A|/)\.{0,2}(?:/|\Z)|(?:\A|/)" + re.escape(RESERVED)
)
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class FileStore(
    ObjectStore, RangeCopier, Attributes, Described, Folders, Fetchable, Browsable, RemembersUploads
):
    """The files below the folder ``root``, which need not exist yet."""

    keeps = frozenset({"mode", "modified_ns"})

    def __init__(self, root: str, *, sync: bool = False) -> None:
        self._root = os.path.realpath(root)
        self._within = self._root.rstrip("/") + "/"
        self._sync = sync
        self._fence = Fence(self._root)
        self._places = Places(self._root, self._fence)
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
            raise read_fault(error, full) from error
        return regular(path, full, found)

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        with self.open_read(info.path, info) as reader:
            found = os.fstat(reader.fd)
        return ObjectAttributes(modified_ns=found.st_mtime_ns, mode=found.st_mode & 0o777)

    def facts(self, path: str) -> Facts:
        from .file_facts import facts_of  # late: ctypes is for this question only

        folder = path.rstrip("/")
        if path and folder == path:
            self.stat(path)
        elif not self.is_folder(path):
            raise NotFoundError(f"{os.path.join(self._root, folder)} is not a folder")
        full = self._path(folder) if folder else self._root
        try:
            self._fence.check(full)
            return facts_of(full, os.stat(full), file=bool(path) and folder == path)
        except OSError as error:
            raise read_fault(error, full) from error

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
            fd = os.open(full, READ)
        except OSError as error:
            raise read_fault(error, full) from error
        try:
            self._fence.check(full, fd)
            found = regular(path, full, os.fstat(fd))
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
            folder, missing = self._places.of(os.path.dirname(full))
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
            folder, missing = self._places.of(os.path.dirname(full))
            discard(Upload.new(full, folder, UploadRequest(run_id), sync=self._sync, missing=missing))
        except NotADirectoryError:
            return  # where a file is in the way of a folder, nothing can be staged
        except OSError as error:
            raise fault(error, full) from error

    def abandon_all(self, run_id: str) -> None:
        try:
            discard_all(self._root, run_id)
        except OSError as error:
            raise fault(error, self._root) from error

    def is_committed(self, upload: bytes) -> bool:
        begun = Upload.decode(upload)
        try:
            return is_published(begun)
        except OSError as error:
            raise fault(error, begun.final) from error

    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        full = self._path(path)
        try:
            folder, missing = self._places.of(os.path.dirname(full))
            upload = Upload.new(full, folder, UploadRequest(run_id), sync=self._sync, missing=missing)
            return self.stat(path) if was_published(upload) else None
        except NotADirectoryError:
            return None
        except OSError as error:
            raise fault(error, full) from error

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
