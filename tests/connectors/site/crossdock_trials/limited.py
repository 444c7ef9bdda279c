"""A folder of files behind a server that takes only so many requests at once and refuses the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field

from crossdock import Block, ConnectorConfig, Location, ObjectInfo, ThrottledError, UploadRequest
from crossdock_connectors.stores.file_read import FileReader
from crossdock_connectors.stores.file_store import FileStore

from .switch import Switch, TrialConfig


class LimitedConfig(TrialConfig):
    at_once: int = Field(4, description="requests that the server takes at once")
    calm_after: int = Field(0, description="after so many refusals it takes any number; 0: never")
    retry_after: float = Field(0.01, description="seconds that it asks to wait")
    lasts: float = Field(0.002, description="seconds that a request takes")


class Server:
    """What all stores of one process talk to."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._now = self._refused = 0

    @contextmanager
    def request(self, config: LimitedConfig, switch: Switch) -> Iterator[None]:
        with self._mutex:
            calm = config.calm_after and self._refused >= config.calm_after
            if self._now >= config.at_once and not calm:
                self._refused += 1
                switch.note("refused")
                raise ThrottledError("the server is busy", retry_after=config.retry_after)
            self._now += 1
            switch.note("taken", at_once=self._now)
        try:
            time.sleep(config.lasts)
            yield
        finally:
            with self._mutex:
                self._now -= 1


class LimitedStore(FileStore):
    def __init__(self, config: LimitedConfig, root: str, server: Server) -> None:
        super().__init__(root)
        self._config, self._server, self._switch = config, server, Switch(config)

    def open_read(self, path: str, info: ObjectInfo | None = None) -> FileReader:
        with self._server.request(self._config, self._switch):
            self._switch("read", path)
            return super().open_read(path, info)

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        with self._server.request(self._config, self._switch):
            return super().open_upload(path, request)

    def can_copy_from(self, source: object) -> bool:
        return False

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        with self._server.request(self._config, self._switch):
            self._switch("block")
            super().write_block(upload, block, data)
            self._switch.note("block")


_SERVERS: dict[str, Server] = {}


def open_limited(config: ConnectorConfig, location: Location) -> LimitedStore:
    assert isinstance(config, LimitedConfig)
    return LimitedStore(config, location.path, _SERVERS.setdefault(config.record, Server()))
