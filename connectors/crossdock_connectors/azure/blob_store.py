"""The object store over Azure Blob Storage: block blobs of one container, below a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from crossdock import (
    Attributes,
    Block,
    Browsable,
    ConfigError,
    Described,
    EntryPage,
    Facts,
    Fetchable,
    InternalError,
    NotFoundError,
    NotSupportedError,
    ObjectAttributes,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    RangeCopier,
    Reached,
    RemembersUploads,
    ShortReadError,
    SourceChangedError,
    StagedFile,
    TransientError,
    UploadRequest,
    WholeWriter,
)

from . import attributes, blob_list, blob_upload, browse
from .address import Place
from .attributes import STAMP
from .blob_upload import Upload
from .checksum import Kind, Sealed
from .facts import facts
from .wire import Answer, Wire

_FOLDER = "x-ms-meta-hdi_isfolder"
_REFUSALS = (400, 401, 403, 404, 409, 412, 416, 501)
_CANNOT_FETCH = ("CannotVerifyCopySource", "FeatureNotSupported", "InvalidHeaderValue", "UnsupportedHeader")
_COPY_SAS = timedelta(hours=12)
_KNOWN_UPLOADS = 10_000


class CopySource(ABC):
    """A store whose objects a service can fetch by itself."""

    server_copy: bool
    wire: Wire

    @abstractmethod
    def as_source(self, info: ObjectInfo) -> dict[str, str]:
        """Headers that let another account's service read the object."""


def _host_of(source: ObjectStore, info: ObjectInfo) -> str:
    assert isinstance(source, CopySource)  # noqa: S101 - can_copy_from said so
    return urlsplit(source.as_source(info)["x-ms-copy-source"]).netloc


class BlobReader(ObjectReader):
    """One version of a blob. Nothing is held open: each range is a request of its own."""

    range_header = "x-ms-range"

    def __init__(self, wire: Wire, path: str, info: ObjectInfo) -> None:
        self._wire, self._path, self.info = wire, path, info
        self._match = f'"{info.etag}"'

    def read_into(self, offset: int, buffer: memoryview) -> int:
        want = max(0, min(len(buffer), self.info.size - offset))
        if not want:
            return 0
        headers = {self.range_header: f"bytes={offset}-{offset + want - 1}", "If-Match": self._match}
        try:
            answer = self._wire.call("GET", self._path, {}, headers, into=buffer[:want])
        except SourceChangedError:
            with suppress(TransientError):
                self._wire.call("HEAD", self._path)  # raises NotFoundError for one that is gone
            raise
        if answer.headers.get("etag", self._match).removeprefix("W/") != self._match:
            raise SourceChangedError(f"{self._wire.shown(self._path)} changed while it was read")
        self._check_range(answer, offset, want)
        return want

    def _check_range(self, answer: Answer, offset: int, want: int) -> None:
        where = self._wire.shown(self._path)
        if answer.status == 206:
            if not answer.headers.get("content-range", "").startswith(f"bytes {offset}-{offset + want - 1}/"):
                raise InternalError(f"the service sent another range of {where} than was asked for")
        elif offset or want != self.info.size:
            raise InternalError(f"the service does not send ranges of {where}")
        if answer.got < want:
            raise ShortReadError(f"{where} ended after {offset + answer.got:,} of {self.info.size:,} bytes")

    def close(self) -> None:
        """Nothing is open."""


class BlobStore(
    ObjectStore,
    RangeCopier,
    WholeWriter,
    RemembersUploads,
    Attributes,
    Described,
    Fetchable,
    Browsable,
    CopySource,
):
    """Blobs of a container. ``server_copy``: the service may fetch from the source by itself."""

    whole_limit = 8 << 20
    keeps = attributes.KEEPS

    def __init__(
        self, wire: Wire, place: Place, *, server_copy: bool = True, checksum: Kind = "auto"
    ) -> None:
        self.wire, self.place, self.server_copy = wire, place, server_copy
        self._sealed = Sealed(wire, checksum)
        self._begun: dict[bytes, Upload] = {}

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        return blob_list.pages(self.wire, self._container(), prefix, after)

    def is_folder(self, path: str) -> bool:
        if not self.place.container:
            return "/" not in path.strip("/")
        folder = path.rstrip("/")
        found = blob_list.pages(self.wire, self.place, f"{folder}/" if folder else "", None, most=2)
        # The root is there with its container, also when its last blob has been moved away.
        return next(iter(found), None) is not None or not folder

    def test(self) -> Reached:
        query = {"comp": "list", "maxresults": "1"}
        if self.place.container:
            query |= {"restype": "container", "prefix": self.place.root}
        return browse.reached(self.wire, self.place, query)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        if not self.place.container:
            return browse.containers(self.wire, after, most)
        return browse.blob_level(self.wire, self.place, path, after, most)

    def stat(self, path: str) -> ObjectInfo:
        if not self.place.container:
            raise NotFoundError(f"{path} is a container, not a blob")
        url = self._path(path)
        headers = self.wire.call("HEAD", url).headers
        if any(name.lower() == _FOLDER and value.lower() == "true" for name, value in headers.items()):
            raise NotFoundError(f"{self.wire.shown(url)} is a folder, not a blob")
        etag, modified = (
            headers.get("etag", "").strip('"'),
            blob_list.moment(headers.get("last-modified", "")),
        )
        return ObjectInfo(path, int(headers.get("content-length", "0")), etag, modified)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> BlobReader:
        return BlobReader(self.wire, self._path(path), info or self.stat(path))

    def check_path(self, path: str) -> None:
        self.place.name(path)

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        blob = self._container().name(path)
        if request.size is not None and request.size <= self.whole_limit:
            # Written in one request it needs no guard against somebody in between.
            whole = Upload.new(blob, request, "" if request.overwrite else "*")
            handle = whole.encode()
            if len(self._begun) < _KNOWN_UPLOADS:  # it mostly comes back at once, and need not be parsed
                self._begun[handle] = whole
            return handle
        guard, width = blob_upload.standing(self.wire, self.place, blob)
        return Upload.new(blob, request, guard if request.overwrite else "*", width).encode()

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        if len(data) != block.length:
            raise InternalError(f"a block of {block.length:,} bytes came with {len(data):,}")
        begun = Upload.decode(upload)
        query = {"comp": "block", "blockid": begun.block_id(block)}
        self._sealed.send(self.place.url_path(begun.blob), query, {}, data)

    def put_whole(self, upload: bytes, data: memoryview) -> None:
        whole = self._begun.pop(upload, None) or Upload.decode(upload)
        blob_upload.put(self.wire, self._sealed, self.place, whole, data)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        blob_upload.commit(self.wire, self._sealed, self.place, Upload.decode(upload), blocks)

    def abort(self, upload: bytes) -> None:
        """Blocks cannot be removed without touching the blob; the service drops them after a week."""

    def is_committed(self, upload: bytes) -> bool:
        return blob_upload.is_committed(self.wire, self.place, Upload.decode(upload))

    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        url = self._path(path)
        there = self.wire.call("HEAD", url, accept=(404,))
        made = there.status == 200 and blob_upload.is_of(there.headers.get(STAMP, ""), run_id)
        return self.stat(path) if made else None

    def delete(self, path: str) -> None:
        url = self._path(path)
        answer = self.wire.call("DELETE", url, {}, {"x-ms-delete-snapshots": "include"}, accept=(404,))
        if answer.status == 404 and answer.headers.get("x-ms-error-code") == "ContainerNotFound":
            raise self.wire.refusal(answer, url)

    def delete_version(self, info: ObjectInfo) -> None:
        url = self._path(info.path)
        headers = {"x-ms-delete-snapshots": "include", "If-Match": f'"{info.etag}"'}
        answer = self.wire.call("DELETE", url, {}, headers, accept=(404, 412))
        if answer.status == 412 and not answer.headers.get("x-ms-error-code", "").startswith("Lease"):
            answer = self.wire.call("HEAD", url, accept=(404,))
            if answer.status == 200:
                raise SourceChangedError(f"{info.path} is no longer the version that was listed")
        if answer.status == 412 or answer.headers.get("x-ms-error-code") == "ContainerNotFound":
            raise self.wire.refusal(answer, url)

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        url = self._path(info.path)
        answer = self.wire.call("HEAD", url, {}, {"If-Match": f'"{info.etag}"'}, accept=(412,))
        if answer.status == 412:
            raise SourceChangedError(f"{info.path} is no longer the version that was listed")
        return attributes.read(answer.headers)

    def facts(self, path: str) -> Facts:
        if path and not path.endswith("/"):
            info = self.stat(path)
            return facts(self.wire.call("HEAD", self._path(path)).headers, info.size)
        if not path and not self.place.root:
            container = self._container().container
            return facts(self.wire.call("HEAD", f"/{container}", {"restype": "container"}).headers)
        if next(iter(blob_list.pages(self.wire, self._container(), path, None, most=2)), None) is None:
            where = self.wire.shown(self.place.url_path(self.place.root + path))
            raise NotFoundError(f"{where} does not exist")
        return Facts()

    def can_copy_from(self, source: ObjectStore) -> bool:
        if not (isinstance(source, CopySource) and self.server_copy and source.server_copy):
            return False
        # What lets a service read the source is a secret, which goes to this one.
        return self.wire.service.scheme == "https" or source.wire.service.scheme == "http"

    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        assert isinstance(source, CopySource)  # noqa: S101 - can_copy_from said so
        if offset + block.length > info.size:
            raise ShortReadError(f"{info.path} ends after {info.size:,} bytes")
        begun = Upload.decode(upload)
        url = self.place.url_path(begun.blob)
        headers = {
            **source.as_source(info),
            "x-ms-source-range": f"bytes={offset}-{offset + block.length - 1}",
            "x-ms-source-if-match": f'"{info.etag}"',
        }
        query = {"comp": "block", "blockid": begun.block_id(block)}
        answer = self.wire.call("PUT", url, query, headers, accept=_REFUSALS)
        if answer.status in _REFUSALS:
            self._refused_copy(answer, source, info, url)

    def _refused_copy(self, answer: Answer, source: ObjectStore, info: ObjectInfo, url: str) -> None:
        code = answer.headers.get("x-ms-error-code", "")
        if answer.status == 412 and not code.startswith("Lease"):
            raise SourceChangedError(f"{info.path} changed while it was copied")
        if answer.status == 416:
            raise ShortReadError(f"{info.path} ended before {info.size:,} bytes")
        if (code in _CANNOT_FETCH and answer.status < 500) or answer.status == 501:
            if answer.status == 404:
                source.stat(info.path)  # raises NotFoundError for one that is gone
            raise NotSupportedError(
                f"{self.wire.service.host} could not fetch from {_host_of(source, info)} by itself",
                detail=f"status {answer.status} {code}",
            )
        raise self.wire.refusal(answer, url)

    def as_source(self, info: ObjectInfo) -> dict[str, str]:
        name = self.place.name(info.path)
        url, signer = self.wire.service.url + self.place.url_path(name), self.wire.signer
        if signer.kind == "entra":
            return {"x-ms-copy-source": url, "x-ms-copy-source-authorization": signer.bearer()}
        suffix = signer.suffix
        if signer.kind == "key":
            suffix = self._sas_for(name)
        return {"x-ms-copy-source": f"{url}?{suffix}" if suffix else url}

    def fetchable(self, info: ObjectInfo, file_format: str) -> StagedFile:
        url, signer = self.wire.service.url + self._path(info.path), self.wire.signer
        if signer.kind == "key":
            key = getattr(signer.policy, "account_key", "")
            return StagedFile(url, file_format, info.size, "account key", key)
        if signer.kind == "sas":
            return StagedFile(url, file_format, info.size, "sas", signer.suffix)
        return StagedFile(url, file_format, info.size, "identity" if signer.kind == "entra" else "none")

    def _sas_for(self, name: str) -> str:
        """A SAS to read one blob, made with the account's key."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        policy = self.wire.signer.policy
        return generate_blob_sas(
            self.wire.service.account,
            self.place.container,
            name,
            account_key=getattr(policy, "account_key", ""),
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + _COPY_SAS,
        )

    def close(self) -> None:
        self.wire.close()

    def _container(self) -> Place:
        if not self.place.container:
            raise ConfigError("the address names no container; write .../CONTAINER/path")
        return self.place

    def _path(self, path: str) -> str:
        return self.place.url_path(self._container().name(path))
