"""The object store over ADLS Gen2: the files of one file system, below a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from crossdock import (
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
    ObjectAttributes,
    ObjectInfo,
    ObjectStore,
    RangeCopier,
    Reached,
    RemembersUploads,
    SourceChangedError,
    StagedFile,
    StageLostError,
    UploadRequest,
    WholeWriter,
)

from . import adls_access, blob_upload, browse
from .address import Place
from .adls_append import remove_tree
from .adls_list import RESERVED, Tree
from .adls_upload import BlobStage, Publisher, Stage, Upload
from .blob_list import moment
from .blob_store import BlobReader, BlobStore, CopySource
from .facts import facts
from .wire import Wire

_RESERVED = re.compile(r"(?:\A|/)" + re.escape(RESERVED))
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KNOWN = 10_000


class AdlsReader(BlobReader):
    """One version of a file, read at the dfs endpoint."""

    range_header = "Range"


class AdlsStore(
    ObjectStore,
    RangeCopier,
    WholeWriter,
    RemembersUploads,
    Attributes,
    Described,
    Folders,
    Fetchable,
    Browsable,
    CopySource,
):
    """Files below a folder of a file system. ``blobs``: the same place at the blob endpoint."""

    whole_limit = 8 << 20
    keeps = frozenset({"metadata", "headers", "mode", "acl", "owner", "group"})
    folder_keeps = frozenset({"acl", "owner", "group"})

    def __init__(self, wire: Wire, place: Place, blobs: BlobStore, stage: Stage) -> None:
        self.wire, self.place, self.blobs, self._stage = wire, place, blobs, stage
        self.server_copy = blobs.server_copy and isinstance(stage, BlobStage)
        if _RESERVED.search(place.root):
            raise ConfigError(f"{place.root!r} is a name of staged data")
        self._publisher = Publisher(wire, place)
        self._missing: dict[str, int] = {}
        self._done: set[bytes] = set()

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        if prefix.startswith("/") or "/../" in f"/{prefix}":
            raise ConfigError(f"{prefix!r} is not the beginning of a path")
        return Tree(self.wire, self._system(), prefix, after).pages()

    def test(self) -> Reached:
        if not self.place.container:
            return self.blobs.test()
        query = {"resource": "filesystem", "recursive": "false", "maxResults": "1"}
        return browse.reached(self.wire, self.place, query)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        if not self.place.container:
            return self.blobs.browse(path, after, most)
        return browse.path_level(self.wire, self.place, path, after, most)

    def is_folder(self, path: str) -> bool:
        if not self.place.container:
            return "/" not in path.strip("/")
        full = (self.place.root + path).strip("/")
        if full:
            return adls_access.is_folder(self._publisher.head(full))
        answer = self.wire.call("HEAD", f"/{self.place.container}", {"resource": "filesystem"}, accept=(404,))
        return answer.status == 200

    def stat(self, path: str) -> ObjectInfo:
        if not self.place.container:
            raise NotFoundError(f"{path} is a file system, not a file")
        url = self._url(path)
        answer = self.wire.call("HEAD", url)
        if adls_access.is_folder(answer):
            raise NotFoundError(f"{self.wire.shown(url)} is a folder, not a file")
        headers = answer.headers
        size, etag = int(headers.get("content-length", "0")), headers.get("etag", "").strip('"')
        return ObjectInfo(path, size, etag, moment(headers.get("last-modified", "")))

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        url, pinned = self._url(info.path), {"If-Match": f'"{info.etag}"'}
        properties = self.wire.call("HEAD", url, {}, pinned)
        access = self.wire.call("HEAD", url, {"action": "getAccessControl"}, pinned)
        return adls_access.found(properties.headers, access.headers)

    def facts(self, path: str) -> Facts:
        full = (self._system().root + path).rstrip("/")
        url = self.place.url_path(full) if full else f"/{self.place.container}"
        answer = self.wire.call("HEAD", url, {} if full else {"resource": "filesystem"})
        folder = not full or adls_access.is_folder(answer)
        if folder != (not path or path.endswith("/")):
            raise NotFoundError(f"{self.wire.shown(url)} is a {'folder, not a file' if folder else 'file'}")
        size = None if folder else int(answer.headers.get("content-length", "0"))
        return facts(answer.headers, size)

    def folders(self) -> Iterator[tuple[str, bool]]:
        return Tree(self.wire, self._system()).folders()

    def folder_attributes(self, path: str) -> ObjectAttributes:
        access = self.wire.call("HEAD", self._url(path), {"action": "getAccessControl"})
        return replace(adls_access.found({}, access.headers), mode=None)

    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        full = self._full(path)
        self._publisher.make_folder(full)
        self._publisher.set_access(full, adls_access.control(attributes))

    def remove_folder(self, path: str) -> None:
        self._delete(self._url(path), {})

    def fetchable(self, info: ObjectInfo, file_format: str) -> StagedFile:
        return self.blobs.fetchable(info, file_format)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> AdlsReader:
        return AdlsReader(self.wire, self._url(path), info or self.stat(path))

    def check_path(self, path: str) -> None:
        self._full(path)

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        full = self._full(path)
        if not _RUN_ID.fullmatch(request.run_id):
            raise ConfigError(f"the run id {request.run_id!r} may hold letters, digits and . _ - only")
        small = request.size is not None and request.size <= self.whole_limit
        guard = ("" if request.overwrite else "*") if small else self._guard(full, request)
        upload = Upload.new(full, request, guard)
        if not (small and self._at_once(upload)):
            upload = replace(upload, missing=self._missing_above(full))
        self._stage.begin(upload)
        return upload.encode()

    def _at_once(self, upload: Upload) -> bool:
        """Whether one request can write a file at its target, with all that it shall have."""
        return isinstance(self._stage, BlobStage) and not upload.access

    def _guard(self, full: str, request: UploadRequest) -> str:
        """The ETag of what is at the target now, ``*`` for nothing or where nothing may be."""
        there = self._publisher.head(full)
        return there.headers.get("etag", "*").strip('"') if request.overwrite and there.status == 200 else "*"

    def _missing_above(self, full: str) -> int:
        """How many folders above a path do not exist, or did not when this store first asked."""
        folder = full.rpartition("/")[0]
        known = self._missing.get(folder)
        if known is None:
            count = self._publisher.missing(folder)
            if len(self._missing) >= _KNOWN:
                self._missing.clear()
            known = self._missing.setdefault(folder, count)
        return known

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        if len(data) != block.length:
            raise InternalError(f"a block of {block.length:,} bytes came with {len(data):,}")
        self._stage.write(Upload.decode(upload), block, data)

    def put_whole(self, upload: bytes, data: memoryview) -> None:
        begun, stage = Upload.decode(upload), self._stage
        if isinstance(stage, BlobStage) and self._at_once(begun):
            answer = stage.put(begun, begun.path, data, begun.condition(), accept=(409, 412))
            if answer.status >= 400:
                self._publisher.settle(begun, answer)
            self._finished(upload)
        else:
            self._publish(upload, lambda: stage.whole(begun, data))

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        begun = Upload.decode(upload)
        self._publish(upload, lambda: self._stage.seal(begun, blocks))

    def _publish(self, upload: bytes, seal: Callable[[], str]) -> None:
        begun = Upload.decode(upload)
        try:
            staged = seal()
            # Before anybody sees it at the target.
            self._publisher.set_access(staged, begun.access)
        except (StageLostError, NotFoundError):
            # Another commit of this upload may have been faster, now or before a kill.
            self._publisher.settle(begun, None)
            return
        if self._publisher.rename(begun, staged) and isinstance(self._stage, BlobStage):
            self._finished(upload)

    def _finished(self, upload: bytes) -> None:
        """Nothing of it is staged: ``abort`` need not ask."""
        if len(self._done) >= _KNOWN:
            self._done.clear()
        self._done.add(upload)

    def abort(self, upload: bytes) -> None:
        if upload in self._done:
            self._done.discard(upload)
            return
        begun = Upload.decode(upload)
        if not begun.missing:
            begun = replace(begun, missing=self._publisher.missing(begun.path.rpartition("/")[0]))
        self._stage.drop(begun)
        self._publisher.tidy(begun)

    def abandon(self, path: str, run_id: str) -> None:
        if not isinstance(self._stage, BlobStage):
            self.abort(Upload.new(self._full(path), UploadRequest(run_id), "*").encode())

    def abandon_all(self, run_id: str) -> None:
        staged = re.compile(re.escape(f"{RESERVED}{run_id}.") + "[0-9a-f]{16}")
        tree = Tree(self.wire, self._system(), hidden=True)
        for path in [path for path in tree.paths() if staged.fullmatch(path.rpartition("/")[2])]:
            remove_tree(self.wire, self.place.url_path(self._system().name(path)))

    def is_committed(self, upload: bytes) -> bool:
        begun = Upload.decode(upload)
        there = self._publisher.head(begun.path)
        return there.status == 200 and adls_access.stamp_of(there.headers) == begun.stamp

    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        there = self._publisher.head(self._full(path))
        made = there.status == 200 and blob_upload.is_of(adls_access.stamp_of(there.headers), run_id)
        return self.stat(path) if made else None

    def delete(self, path: str) -> None:
        self._delete(self._url(path), {})

    def delete_version(self, info: ObjectInfo) -> None:
        url = self._url(info.path)
        if self._delete(url, {"If-Match": f'"{info.etag}"'}) == 412:
            raise SourceChangedError(f"{self.wire.shown(url)} is no longer the version that was listed")

    def _delete(self, url: str, condition: dict[str, str]) -> int:
        """The status: 412 where it is another version. A folder with files in it is no file."""
        answer = self.wire.call("DELETE", url, {"recursive": "false"}, condition, accept=(404, 409, 412))
        code = answer.headers.get("x-ms-error-code", "")
        if code == "FilesystemNotFound" or code.startswith("Lease"):
            raise self.wire.refusal(answer, url)
        if answer.status == 409 and code != "DirectoryNotEmpty":
            raise self.wire.refusal(answer, url)
        return answer.status

    def can_copy_from(self, source: ObjectStore) -> bool:
        return self.server_copy and self.blobs.can_copy_from(source)

    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        self.blobs.copy_block(source, info, offset, BlobStage.handle(Upload.decode(upload)), block)

    def as_source(self, info: ObjectInfo) -> dict[str, str]:
        return self.blobs.as_source(info)

    def close(self) -> None:
        self.wire.close()
        self.blobs.close()

    def _system(self) -> Place:
        if not self.place.container:
            raise ConfigError("the address names no file system; write .../FILESYSTEM/path")
        return self.place

    def _full(self, path: str) -> str:
        if _RESERVED.search(path):
            raise ConfigError(f"{path!r} is a name of staged data")
        return self._system().name(path)

    def _url(self, path: str) -> str:
        return self.place.url_path(self._full(path))
