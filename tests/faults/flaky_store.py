"""A third party's store, ``flaky://``: local files behind a connection that fails as ``PLAN`` says.

``short``: every file ends after so many bytes, which the server calls a success. ``broken``: so many
reads, the first ones, fail after half of their bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from crossdock import (
    Block,
    ConnectorSpec,
    NotSupportedError,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    TransientError,
    UploadRequest,
    hookimpl,
)
from crossdock_connectors.stores.file import SPEC as FILE
from crossdock_connectors.stores.file_read import FileReader
from crossdock_connectors.stores.file_store import FileStore

PLAN: dict[str, Any] = {}
_mutex = threading.Lock()
_reads = 0


class FlakyReader(ObjectReader):
    """Reads as the file store does, until the plan says otherwise."""

    def __init__(self, real: FileReader) -> None:
        self._real, self.info = real, real.info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        number = _count()
        end = PLAN.get("short", self.info.size)
        if offset + len(buffer) > end:
            got = max(0, end - offset)
            return self._real.read_into(offset, buffer[:got]) if got else 0
        if number <= PLAN.get("broken", 0):
            self._real.read_into(offset, buffer[: len(buffer) // 2])
            raise TransientError("the connection was reset", retry_after=0)
        return self._real.read_into(offset, buffer)

    def close(self) -> None:
        self._real.close()


def _count() -> int:
    global _reads  # noqa: PLW0603 - counted over all readers of the process
    with _mutex:
        _reads += 1
        return _reads


class FlakyStore(ObjectStore):
    """The files below a folder, to be read only, with readers that fail."""

    def __init__(self, root: str) -> None:
        self._real = FileStore(root)

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        return self._real.list(prefix, after)

    def stat(self, path: str) -> ObjectInfo:
        return self._real.stat(path)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> FlakyReader:
        return FlakyReader(self._real.open_read(path, info))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        raise NotSupportedError("flaky:// is read only")

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        raise NotSupportedError("flaky:// is read only")

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        raise NotSupportedError("flaky:// is read only")

    def abort(self, upload: bytes) -> None:
        raise NotSupportedError("flaky:// is read only")

    def delete(self, path: str) -> None:
        raise NotSupportedError("flaky:// is read only")


SPEC = ConnectorSpec(
    name="flaky",
    summary="Local files behind a bad connection",
    kind="store",
    config=FILE.config,
    schemes=("flaky",),
    capabilities=FILE.capabilities,
    open_store=lambda config, location: FlakyStore(location.path),
    classify=FILE.classify,
    example="crossdock copy flaky:///data/a.bin b.bin",
)


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [SPEC]
