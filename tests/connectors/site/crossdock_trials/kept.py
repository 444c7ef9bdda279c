"""A folder of files with all attributes there are: they lie in a second folder, one JSON file per object."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from crossdock import (
    Block,
    ConnectorConfig,
    Location,
    ObjectAttributes,
    ObjectInfo,
    ObjectStore,
    UploadRequest,
)
from crossdock_connectors.stores.file_store import FileStore

FIELDS = frozenset(ObjectAttributes.__dataclass_fields__)


class KeptStore(FileStore):
    keeps = FIELDS

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._beside = Path(f"{root.rstrip('/')}.attributes")

    def attributes(self, info: ObjectInfo) -> ObjectAttributes:
        beside = self._beside / info.path
        return ObjectAttributes(**json.loads(beside.read_text())) if beside.exists() else ObjectAttributes()

    def describe(self, path: str, **attributes: Any) -> None:
        """What a user does by other means."""
        (self._beside / path).parent.mkdir(parents=True, exist_ok=True)
        (self._beside / path).write_text(json.dumps(attributes))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        inner = super().open_upload(path, replace(request, attributes=None))
        given = None if request.attributes is None else asdict(request.attributes)
        return json.dumps([path, given, b64encode(inner).decode()]).encode()

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        super().write_block(_inner(upload), block, data)

    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        super().copy_block(source, info, offset, _inner(upload), block)

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
        return super().copy_seen(source, info, offset, _inner(upload), block, seen=seen)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        path, given, _ = json.loads(upload)
        if given is not None:
            self.describe(path, **given)
        super().commit(_inner(upload), blocks)

    def abort(self, upload: bytes) -> None:
        super().abort(_inner(upload))


def _inner(upload: bytes) -> bytes:
    return b64decode(json.loads(upload)[2])


def open_kept(config: ConnectorConfig, location: Location) -> KeptStore:
    return KeptStore(location.path)
