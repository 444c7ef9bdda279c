"""A file system of the test server of ADLS Gen2, for tests that look at it with the official client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.storage.filedatalake import FileSystemClient

from crossdock import Block, Location, UploadRequest
from crossdock_connectors.azure.adls import SPEC
from crossdock_connectors.azure.adls_store import AdlsStore
from servers.dfs import Lake
from servers.dfs_tree import FileSystem
from servers.dfs_wire import ACCOUNT, KEY


@dataclass
class LakeRig:
    """``options`` are the connector's; ``client`` is the SDK's."""

    lake: Lake
    client: FileSystemClient
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = {
            "endpoint": self.lake.url,
            "account_key": KEY,
            "ca_bundle": str(self.lake.ca),
            "proxy": "",
        }

    @property
    def name(self) -> str:
        return str(self.client.file_system_name)

    @property
    def url(self) -> str:
        return f"abfss://{self.name}@{ACCOUNT}.dfs.core.windows.net"

    @property
    def system(self) -> FileSystem:
        return self.lake.account.systems[self.name]

    def open(self, url: str = "", **over: Any) -> AdlsStore:
        """The connector's store; ``over`` None leaves an option out."""
        given = {name: value for name, value in (self.options | over).items() if value is not None}
        assert SPEC.open_store is not None
        store = SPEC.open_store(SPEC.config.model_validate(given), Location.parse(url or self.url))
        assert isinstance(store, AdlsStore)
        return store

    def put(self, path: str, data: bytes = b"theirs") -> bytes:
        self.client.get_file_client(path).upload_data(data, overwrite=True)
        return data

    def read(self, path: str) -> bytes:
        return bytes(self.client.get_file_client(path).download_file().readall())

    def files(self) -> dict[str, bytes]:
        """All files, also hidden ones."""
        return {p.name: self.read(p.name) for p in self.client.get_paths("/") if not p.is_directory}

    def folders(self) -> set[str]:
        return {p.name for p in self.client.get_paths("/") if p.is_directory}

    def staged(self) -> list[str]:
        """What is staged, seen or not."""
        seen = [path for path in self.system.nodes if "/.crossdock-" in f"/{path}"]
        return [*seen, *self.system.staged]


@contextmanager
def lake_rig(lake: Lake) -> Iterator[LakeRig]:
    """A file system of its own, removed at the end."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    name = f"fs-{uuid.uuid4().hex}"
    with FileSystemClient(lake.url, name, credential, connection_verify=str(lake.ca)) as client:
        client.create_file_system()
        try:
            yield LakeRig(lake, client)
        finally:
            client.delete_file_system()


def write(store: AdlsStore, path: str, data: bytes, *, overwrite: bool = False) -> None:
    """In one block, staged."""
    upload, block = store.open_upload(path, UploadRequest("run", overwrite)), Block(0, 1, 0, 0, len(data))
    store.write_block(upload, block, memoryview(data))
    store.commit(upload, [block])


def read(store: AdlsStore, path: str) -> bytes:
    with store.open_read(path) as reader:
        buffer = bytearray(reader.info.size)
        assert reader.read_into(0, memoryview(buffer)) == len(buffer)
    return bytes(buffer)
