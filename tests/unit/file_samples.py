"""Small uploads to a local folder, for the tests of the file store."""

from __future__ import annotations

import itertools
from pathlib import Path

from crossdock import (
    Block,
    UploadRequest,
)
from crossdock_connectors.stores.file_store import FileStore

RUN = UploadRequest("run-1")
OVER = UploadRequest("run-1", overwrite=True)


def known(*lengths: int) -> list[Block]:
    starts = itertools.accumulate(lengths, initial=0)
    return [
        Block(i, 1, 0, 0, length, at) for i, (length, at) in enumerate(zip(lengths, starts, strict=False))
    ]


def write(store: FileStore, upload: bytes, blocks: list[Block], data: bytes) -> None:
    at = 0
    for block in blocks:
        store.write_block(upload, block, memoryview(data)[at : at + block.length])
        at += block.length


def put(store: FileStore, path: str, data: bytes, request: UploadRequest = RUN) -> bytes:
    upload = store.open_upload(path, request)
    blocks = known(len(data)) if data else []
    write(store, upload, blocks, data)
    store.commit(upload, blocks)
    return upload


def hidden(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if ".crossdock-" in str(p))


def paths(store: FileStore, prefix: str = "", after: str | None = None) -> list[str]:
    return [info.path for page in store.list(prefix, after) for info in page]


def plant(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
