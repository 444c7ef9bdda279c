"""Uploads to ADLS: staged beside the target under a hidden name, made visible by an atomic rename.

::

    dir/.crossdock-RUN.PLACE    the staged file; listings skip the name
    dir/file                    the target: exists from the rename on, with its metadata and its access

The data goes through the blob endpoint, whose blocks may be sent in any order before their offsets are
known. Nothing of an upload is visible at the target, and a blob's uncommitted blocks are never shared.
"""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from urllib.parse import quote

from crossdock import (
    AlreadyExistsError,
    Block,
    InternalError,
    NotSupportedError,
    ObjectAttributes,
    StageLostError,
    UploadRequest,
)

from . import adls_access, attributes, blob_upload
from .address import Place
from .adls_list import RESERVED
from .attributes import STAMP
from .blob import MAX_BLOCKS
from .blob_store import BlobStore
from .checksum import Sealed
from .wire import Answer, Wire

VERSION = 1
_LOST = frozenset({"InvalidBlockList", "SourcePathNotFound", "RenameDestinationParentPathNotFound"})
_CONFLICTS = _LOST | {"BlobAlreadyExists", "ConditionNotMet", "PathAlreadyExists"}


@dataclass(frozen=True)
class Upload:
    """An upload that has begun. ``guard`` as in ``blob_upload.Upload``.

    ``missing``: so many folders above the target did not exist. ``headers`` are those of Put Blob for what
    the file has beside its bytes, the stamp among them; ``access`` are those of Set Access Control.
    """

    path: str
    stamp: str
    guard: str
    overwrite: bool
    missing: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def new(cls, path: str, request: UploadRequest, guard: str) -> Upload:
        # The first part names the stage, which is found again by the run and the path alone.
        where = blake2b(path.encode(errors="surrogateescape"), digest_size=8).hexdigest()
        stamp = f"{request.run_id}.{where}.{secrets.token_hex(4)}"
        headers = attributes.written(path, request.attributes) | {STAMP: stamp}
        access = adls_access.control(request.attributes or ObjectAttributes())
        return cls(path, stamp, guard, request.overwrite, headers=headers, access=access)

    def encode(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Upload:
        found = json.loads(handle)
        if found.get("version") != VERSION:
            raise InternalError(
                f"an upload of version {found.get('version')} cannot be continued; begin a new run"
            )
        return cls(**found)

    @property
    def stage(self) -> str:
        folder, slash, _ = self.path.rpartition("/")
        return f"{folder}{slash}{RESERVED}{self.stamp.rpartition('.')[0]}"

    def condition(self) -> dict[str, str]:
        if self.guard == "*":
            return {"If-None-Match": "*"}
        return {"If-Match": f'"{self.guard}"'} if self.guard else {}


class Stage(ABC):
    """Where the data of an upload is until its commit."""

    @abstractmethod
    def begin(self, upload: Upload) -> None:
        """Called once per upload."""

    @abstractmethod
    def write(self, upload: Upload, block: Block, data: memoryview) -> None: ...

    @abstractmethod
    def seal(self, upload: Upload, blocks: Sequence[Block]) -> str:
        """Make the staged file of exactly these blocks; returns its path. Raises StageLostError."""

    @abstractmethod
    def whole(self, upload: Upload, data: memoryview) -> str:
        """The staged file of one block; returns its path."""

    @abstractmethod
    def drop(self, upload: Upload) -> None:
        """Remove what is staged. Idempotent."""


class BlobStage(Stage):
    """Blocks of a blob that is never visible at its staged name for longer than a commit takes."""

    def __init__(self, blobs: BlobStore, sealed: Sealed) -> None:
        self.blobs, self._sealed = blobs, sealed

    def begin(self, upload: Upload) -> None:
        """Blocks need no file."""

    @staticmethod
    def handle(upload: Upload) -> bytes:
        """The staged blob as an upload of the blob store."""
        return blob_upload.Upload(upload.stage, upload.stamp, "", True).encode()

    def write(self, upload: Upload, block: Block, data: memoryview) -> None:
        self.blobs.write_block(self.handle(upload), block, data)

    def seal(self, upload: Upload, blocks: Sequence[Block]) -> str:
        if len(blocks) > MAX_BLOCKS:
            raise NotSupportedError(
                f"{upload.path} would need {len(blocks):,} blocks and a file has at most {MAX_BLOCKS:,}; "
                "choose a larger block size"
            )
        staged = blob_upload.Upload.decode(self.handle(upload))
        # Committed ones too: another committer of this upload may have got half-way.
        names = "".join([f"<Latest>{staged.block_id(block)}</Latest>" for block in blocks])
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'.encode()
        url = self.blobs.place.url_path(upload.stage)
        answer = self._sealed.send(url, {"comp": "blocklist"}, upload.headers, body, (400,))
        if answer.status == 400:
            if answer.headers.get("x-ms-error-code") != "InvalidBlockList":
                raise self.blobs.wire.refusal(answer, url)
            raise StageLostError(f"the service no longer has all blocks of {upload.path}")
        return upload.stage

    def whole(self, upload: Upload, data: memoryview) -> str:
        self.put(upload, upload.stage, data, {})
        return upload.stage

    def put(
        self,
        upload: Upload,
        path: str,
        data: memoryview,
        condition: dict[str, str],
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Put Blob."""
        headers = {"x-ms-blob-type": "BlockBlob", **upload.headers, **condition}
        return self._sealed.send(self.blobs.place.url_path(path), {}, headers, data, accept)

    def drop(self, upload: Upload) -> None:
        wire, url = self.blobs.wire, self.blobs.place.url_path(upload.stage)
        if wire.call("GET", url, {"comp": "blocklist", "blocklisttype": "all"}, accept=(404,)).status == 404:
            return
        # Writing a blob throws its uncommitted blocks away, and only that does.
        self.put(upload, upload.stage, memoryview(b""), {})
        wire.call("DELETE", url, accept=(404,))


class Publisher:
    """Makes staged files visible, and tidies up, at the dfs endpoint."""

    def __init__(self, wire: Wire, place: Place) -> None:
        self._wire, self._place = wire, place

    def head(self, path: str, query: dict[str, str] | None = None) -> Answer:
        """Properties of a path; the status may be 404. Raises NotFoundError for a missing file system."""
        url = self._place.url_path(path)
        answer = self._wire.call("HEAD", url, query or {}, accept=(404,))
        if answer.status == 404 and answer.headers.get("x-ms-error-code") == "FilesystemNotFound":
            raise self._wire.refusal(answer, url)
        return answer

    def missing(self, folder: str) -> int:
        """How many folders of the path do not exist, counted from its end."""
        count = 0
        while folder and self.head(folder).status == 404:
            count, folder = count + 1, folder.rpartition("/")[0]
        return count

    def make_folder(self, path: str) -> None:
        """Make a directory and those above it; one that is there stays as it is."""
        headers = {"If-None-Match": "*"}
        url = self._place.url_path(path)
        answer = self._wire.call("PUT", url, {"resource": "directory"}, headers, accept=(409, 412))
        if answer.status < 400 or adls_access.is_folder(there := self.head(path)):
            return
        if there.status == 200:
            raise AlreadyExistsError(f"{self._wire.shown(url)} is a file where a folder should be")
        raise self._wire.refusal(answer, url)

    def set_access(self, path: str, access: dict[str, str]) -> None:
        """Owner, group and access control, where any are given."""
        if access:
            self._wire.call("PATCH", self._place.url_path(path), {"action": "setAccessControl"}, access)

    def rename(self, upload: Upload, staged: str) -> bool:
        """Put the staged file in the target's place, if that is what it was when the upload began.

        False where an earlier commit of this upload had done it already.
        """
        source = f"/{self._place.container}/{quote(staged, safe='/~')}"
        if self._wire.signer.suffix:
            source += f"?{self._wire.signer.suffix}"
        headers = {"x-ms-rename-source": source, **upload.condition()}
        url = self._place.url_path(upload.path)
        answer = self._wire.call("PUT", url, {}, headers, accept=(404, 409, 412))
        if answer.status < 400:
            return True
        self.settle(upload, answer)
        return False

    def settle(self, upload: Upload, answer: Answer | None) -> None:
        """A commit was refused, or its stage is gone: fine if this very upload was committed before."""
        code = answer.headers.get("x-ms-error-code", "") if answer else "InvalidBlockList"
        url = self._place.url_path(upload.path)
        if answer and code not in _CONFLICTS:
            raise self._wire.refusal(answer, url)
        there = self.head(upload.path)
        if adls_access.stamp_of(there.headers) == upload.stamp:
            return
        where = self._wire.shown(url)
        if there.status != 404 and (not upload.overwrite or adls_access.is_folder(there)):
            kind = "is a folder" if adls_access.is_folder(there) else "exists already"
            raise AlreadyExistsError(
                f"{where} {kind}; use another name or --mode overwrite to replace a file"
            )
        if code in _LOST:
            raise StageLostError(f"the service no longer has all data of {where}", detail=code)
        raise StageLostError(f"{where} was changed by somebody else during the copy", detail=code)

    def tidy(self, upload: Upload) -> None:
        """Remove the folders that an upload had to make, as far as they are empty."""
        folder = upload.path.rpartition("/")[0]
        for _ in range(upload.missing):
            url = self._place.url_path(folder)
            answer = self._wire.call("DELETE", url, {"recursive": "false"}, accept=(404, 409))
            if answer.status == 409:
                return
            folder = folder.rpartition("/")[0]
