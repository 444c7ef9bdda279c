"""Staging through the dfs endpoint alone: append at positions, flush, and a rename as for any stage.

A staged upload is a folder beside the target::

    dir/.crossdock-RUN.PLACE/data    blocks with a known offset, appended there in any order
    dir/.crossdock-RUN.PLACE/S.A     blocks of split S, attempt A, whose offset is not known yet

The service cannot join files. Parts come together in ``data`` at commit, through this machine; a single
part is renamed as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from crossdock import Block, StageLostError

from . import adls_access
from .address import Place
from .adls_upload import Stage, Upload
from .checksum import Sealed
from .wire import Answer, Wire

_PIECE = 8 << 20
_APPEND = {"action": "append"}


class AppendStage(Stage):
    """Needs no blob endpoint."""

    def __init__(self, wire: Wire, place: Place, sealed: Sealed) -> None:
        self._wire, self._place, self._sealed = wire, place, sealed

    def begin(self, upload: Upload) -> None:
        # Here and not with the first block: a block that finds it gone then knows that data was lost.
        self._create(upload, _data(upload))

    def _create(self, upload: Upload, path: str) -> None:
        """An empty file with all that the target shall have; one that is there stays."""
        headers = adls_access.as_path(upload.headers) | {"If-None-Match": "*"}
        url = self._place.url_path(path)
        answer = self._wire.call("PUT", url, {"resource": "file"}, headers, accept=(409, 412))
        if answer.headers.get("x-ms-error-code", "PathAlreadyExists") not in (
            "PathAlreadyExists",
            "ConditionNotMet",
        ):
            raise self._wire.refusal(answer, url)

    def write(self, upload: Upload, block: Block, data: memoryview) -> None:
        if block.offset is not None:
            self._append(upload, _data(upload), block.offset, data)
            return
        part = _part(upload, block)
        if self._appended(part, block.start, data).status == 404:
            self._check(upload)
            self._create(upload, part)
            self._append(upload, part, block.start, data)

    def _appended(self, path: str, position: int, data: memoryview, *, flush: bool = False) -> Answer:
        query = {**_APPEND, "position": str(position)} | ({"flush": "true"} if flush else {})
        url = self._place.url_path(path)
        answer = self._sealed.send(url, query, {}, data, (400, 404) if flush else (404,), "PATCH")
        if answer.status == 404 and answer.headers.get("x-ms-error-code") == "FilesystemNotFound":
            raise self._wire.refusal(answer, url)
        return answer

    def _append(self, upload: Upload, path: str, position: int, data: memoryview) -> None:
        if self._appended(path, position, data).status == 404:
            raise _lost(upload)

    def _check(self, upload: Upload) -> None:
        if self._length(_data(upload)) < 0:
            raise _lost(upload)

    def seal(self, upload: Upload, blocks: Sequence[Block]) -> str:
        if all(block.offset is not None for block in blocks):
            self._flush(upload, _data(upload), sum(block.length for block in blocks))
            return _data(upload)
        return self._join(upload, blocks)

    def _flush(self, upload: Upload, path: str, size: int) -> None:
        """End the file at ``size``; what was appended behind that is thrown away."""
        query = {"action": "flush", "position": str(size)}
        url = self._place.url_path(path)
        answer = self._wire.call("PATCH", url, query, accept=(400, 404))
        if answer.status < 400:
            return
        code = answer.headers.get("x-ms-error-code", "")
        if code not in ("InvalidFlushPosition", "PathNotFound"):
            raise self._wire.refusal(answer, url)
        raise _lost(upload)

    def _join(self, upload: Upload, blocks: Sequence[Block]) -> str:
        """The parts behind each other in ``data``, or the one part that is the whole file already."""
        for part, group in groupby(sorted(blocks, key=_name), key=lambda block: _part(upload, block)):
            self._flush(upload, part, max(block.start + block.length for block in group))
        if _is_whole_part(blocks):
            return _part(upload, blocks[0])
        total = sum(block.length for block in blocks)
        if self._length(_data(upload)) == total:  # an earlier commit got this far
            return _data(upload)
        self._carry(upload, blocks)
        self._flush(upload, _data(upload), total)
        return _data(upload)

    def _carry(self, upload: Upload, blocks: Sequence[Block]) -> None:
        buffer = memoryview(bytearray(min(_PIECE, max(block.length for block in blocks))))
        position = 0
        for block in blocks:
            url = self._place.url_path(_part(upload, block))
            for at in range(block.start, block.start + block.length, len(buffer)):
                piece = buffer[: min(len(buffer), block.start + block.length - at)]
                span = {"Range": f"bytes={at}-{at + len(piece) - 1}"}
                if self._wire.call("GET", url, {}, span, into=piece, accept=(404, 416)).got < len(piece):
                    raise _lost(upload)
                self._append(upload, _data(upload), position, piece)
                position += len(piece)

    def whole(self, upload: Upload, data: memoryview) -> str:
        path = _data(upload)
        if not len(data):
            return path
        answer = self._appended(path, 0, data, flush=True)
        if answer.status == 404:
            raise _lost(upload)
        if answer.status == 400 and self._length(path) != len(data):
            raise self._wire.refusal(answer, self._place.url_path(path))
        return path

    def _length(self, path: str) -> int:
        there = self._wire.call("HEAD", self._place.url_path(path), accept=(404,))
        return int(there.headers.get("content-length", "0")) if there.status == 200 else -1

    def drop(self, upload: Upload) -> None:
        remove_tree(self._wire, self._place.url_path(upload.stage))


def remove_tree(wire: Wire, url: str) -> None:
    """Remove the path and all below it; one that does not exist is fine."""
    query = {"recursive": "true"}
    while True:
        answer = wire.call("DELETE", url, query, accept=(404,))
        if not (token := answer.headers.get("x-ms-continuation")):
            return
        query["continuation"] = token


def _data(upload: Upload) -> str:
    return f"{upload.stage}/data"


def _name(block: Block) -> tuple[int, int]:
    return block.split, block.attempt


def _part(upload: Upload, block: Block) -> str:
    return f"{upload.stage}/{block.split}.{block.attempt}"


def _is_whole_part(blocks: Sequence[Block]) -> bool:
    at = 0
    for block in blocks:
        if _name(block) != _name(blocks[0]) or block.start != at:
            return False
        at += block.length
    return True


def _lost(upload: Upload) -> StageLostError:
    return StageLostError(f"the service no longer has all data of {upload.path}")
