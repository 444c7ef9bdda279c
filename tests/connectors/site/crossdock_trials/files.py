"""A folder of files in which things happen: objects vanish, blocks break, what is staged gets lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from crossdock import Block, Location, ObjectAttributes, ObjectInfo
from crossdock_connectors.stores.file_read import FileReader
from crossdock_connectors.stores.file_store import FileStore
from crossdock_connectors.stores.file_upload import Upload

from .switch import Switch, TrialConfig


class HookedConfig(TrialConfig):
    vanish: str = Field("", description="objects, by comma, that are removed when somebody opens them")
    corrupt: str = Field(
        "",
        description="flip or swap: bytes of the first block of a split; order: two blocks "
        "change places; cut or tail: the last byte of the object is lost or another",
    )
    corrupt_split: int = Field(0, description="the split whose block is flipped or swapped")
    lose: bool = Field(False, description="remove what is staged before the first commit")
    pull: bool = Field(True, description="whether ranges go from store to store")
    watch: bool = Field(True, description="whether such bytes can be seen on their way")


class HookedStore(FileStore):
    def __init__(self, config: HookedConfig, root: str) -> None:
        super().__init__(root)
        self._root_folder = Path(root)
        self._config, self._switch = config, Switch(config)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> FileReader:
        self._switch.note("opened", path=path)
        if path in self._config.vanish.split(","):
            (self._root_folder / path).unlink(missing_ok=True)
        self._switch("read", path)
        return super().open_read(path, info)

    def can_copy_from(self, source: object) -> bool:
        return self._config.pull and isinstance(source, FileStore)

    def copy_seen(self, *what: Any, seen: Callable[[memoryview], object]) -> bool:
        return self._config.watch and super().copy_seen(*what, seen=seen)

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        self._switch("write", split=block.split)
        self._switch.note("written", split=block.split, length=block.length)
        if self._config.corrupt in ("flip", "swap") and (block.split, block.index) == (
            self._config.corrupt_split,
            0,
        ):
            changed = bytearray(data)
            if self._config.corrupt == "flip":
                changed[5] ^= 1
            else:
                changed[3], changed[4] = changed[4], changed[3]
            data = memoryview(bytes(changed))
        super().write_block(upload, block, data)

    def make_folder(self, path: str, attributes: ObjectAttributes) -> None:
        self._switch("folder", path)
        super().make_folder(path, attributes)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        if self._config.lose:
            for path in self._root_folder.glob(".crossdock-*.data"):
                flag = Path(self._config.record) / "lost"
                if not flag.exists():
                    flag.touch()
                    os.unlink(path)
        self._switch("commit")
        if self._config.corrupt == "order":
            blocks = [blocks[1], blocks[0], *blocks[2:]]
        super().commit(upload, blocks)
        if self._config.corrupt in ("cut", "tail"):
            path = Path(Upload.decode(upload).final)
            data = path.read_bytes()
            path.write_bytes(data[:-1] + (bytes([data[-1] ^ 1]) if self._config.corrupt == "tail" else b""))


def open_hooked(config: HookedConfig, location: Location) -> HookedStore:
    return HookedStore(config, location.path)
