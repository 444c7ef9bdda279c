"""Uploads: what a handle holds, how blocks are named, and the commit that knows itself again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossdock import (
    AlreadyExistsError,
    Block,
    InternalError,
    NotSupportedError,
    StageLostError,
    UploadRequest,
)

from . import attributes
from .address import Place
from .attributes import STAMP
from .blob import MAX_BLOCKS
from .checksum import Sealed
from .wire import Answer, Wire

VERSION = 2
WIDTH = 24
_NARROWEST = 8  # bytes; shorter names could meet those of somebody else
_NAME = re.compile(rb"<Name>([^<]*)</Name>")
_REFUSED = (400, 409, 412)
_CONFLICTS = ("", "BlobAlreadyExists", "ConditionNotMet", "InvalidBlockList")


@dataclass(frozen=True)
class Upload:
    """An upload that has begun. ``stamp`` is its own; ``guard`` is the ETag that the blob had.

    ``guard`` is ``*`` where there must be no blob, and empty where any may be replaced. ``width`` is the
    length of block names in bytes: the service takes no others beside unfinished blocks of a foreign program.
    ``attributes`` are headers: what the blob has beside its bytes.
    """

    blob: str
    stamp: str
    guard: str
    overwrite: bool
    width: int = WIDTH
    attributes: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def new(cls, blob: str, request: UploadRequest, guard: str, width: int = WIDTH) -> Upload:
        stamp = f"{request.run_id}.{secrets.token_hex(4)}"
        own = attributes.written(blob, request.attributes)
        return cls(blob, stamp, guard, request.overwrite, width, own)

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

    def condition(self) -> dict[str, str]:
        if self.guard == "*":
            return {"If-None-Match": "*"}
        return {"If-Match": f'"{self.guard}"'} if self.guard else {}

    def block_id(self, block: Block) -> str:
        """The block's name: all of one length, which the service demands, and no other upload's."""
        own = hashlib.sha256(self.stamp.encode()).digest()[:8]
        raw = own + struct.pack(">IQI", block.split, block.attempt, block.index)
        if self.width < WIDTH:
            raw = hashlib.sha256(raw).digest()
        return base64.b64encode(raw[: self.width].rjust(self.width, b"-")).decode()


def standing(wire: Wire, place: Place, blob: str) -> tuple[str, int]:
    """The guard for what is at the target now (ETag, ``*`` for nothing); how long block names must be."""
    path = place.url_path(blob)
    query = {"comp": "blocklist", "blocklisttype": "uncommitted"}
    there = wire.call("GET", path, query, accept=(404,))
    foreign = _NAME.search(there.body) if there.status == 200 else None
    width = len(base64.b64decode(foreign[1])) if foreign else WIDTH
    if width < _NARROWEST:
        raise NotSupportedError(
            f"{wire.shown(path)} has an unfinished upload of another program; delete the blob or wait a "
            "week until it expires"
        )
    if foreign:  # there may be no blob but these blocks
        there = wire.call("HEAD", path, accept=(404,))
    if there.status == 404 and there.headers.get("x-ms-error-code", "BlobNotFound") != "BlobNotFound":
        raise wire.refusal(there, path)
    return there.headers.get("etag", "*").strip('"') if there.status == 200 else "*", width


def commit(wire: Wire, sealed: Sealed, place: Place, upload: Upload, blocks: Sequence[Block]) -> None:
    """Put Block List: exactly our blocks, if the blob is what it was when the upload began."""
    if len(blocks) > MAX_BLOCKS:
        raise NotSupportedError(
            f"{upload.blob} would need {len(blocks):,} blocks and a blob has at most {MAX_BLOCKS:,}; choose "
            "a larger block size"
        )
    # Only uncommitted ones: a second commit must not find the first one's blocks in somebody's change.
    names = "".join([f"<Uncommitted>{upload.block_id(block)}</Uncommitted>" for block in blocks])
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'.encode()
    headers = {STAMP: upload.stamp, **upload.attributes, **upload.condition()}
    path = place.url_path(upload.blob)
    answer = sealed.send(path, {"comp": "blocklist"}, headers, body, _REFUSED)
    if answer.status in _REFUSED:
        settle(wire, path, upload, answer)


def put(wire: Wire, sealed: Sealed, place: Place, upload: Upload, data: memoryview) -> None:
    """Put Blob: the whole blob in one request, under the same conditions."""
    headers = {"x-ms-blob-type": "BlockBlob", STAMP: upload.stamp, **upload.attributes, **upload.condition()}
    path = place.url_path(upload.blob)
    answer = sealed.send(path, {}, headers, data, (409, 412))
    if answer.status in (409, 412):
        settle(wire, path, upload, answer)


def is_of(stamp: str, run_id: str) -> bool:
    """Whether an upload of that run has this stamp."""
    return stamp.startswith(f"{run_id}.")


def is_committed(wire: Wire, place: Place, upload: Upload) -> bool:
    """Whether the blob that is there was made by this upload."""
    there = wire.call("HEAD", place.url_path(upload.blob), accept=(404,))
    return there.status == 200 and there.headers.get(STAMP) == upload.stamp


def settle(wire: Wire, path: str, upload: Upload, answer: Answer) -> None:
    """The service refused a commit: fine if an earlier try of this very upload got through."""
    code = answer.headers.get("x-ms-error-code", "")
    if code not in _CONFLICTS or (answer.status == 400 and not code):
        raise wire.refusal(answer, path)
    there = wire.call("HEAD", path, accept=(404,))
    if there.headers.get(STAMP) == upload.stamp:
        return
    where = wire.shown(path)
    if there.status != 404 and not upload.overwrite:
        raise AlreadyExistsError(f"{where} exists already; use --mode overwrite to replace it")
    if answer.status == 400:
        raise StageLostError(f"the service no longer has all blocks of {where}", detail=code)
    raise StageLostError(f"{where} was changed by somebody else during the copy", detail=code)
