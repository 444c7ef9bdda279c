"""Copies to or from Azurite through the fault proxy; what came out is read by the SDK or from disk."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from azure.storage.blob import BlobClient, BlobServiceClient
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.fault_proxy import FaultProxy

import crossdock

WHOLE = 10_000  # the most that is written in one request
BLOCK = 20_000
BLOCKS = 6
SIZE = BLOCK * BLOCKS - 1234  # the last block is a short one


@dataclass
class Rig:
    """``options`` lead through the proxy; ``service`` is the SDK's client, which goes to Azurite directly."""

    proxy: FaultProxy
    service: BlobServiceClient
    container: str
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = {
            "endpoint": self.proxy.url, "account_key": KEY, "ca_bundle": str(self.proxy.ca), "proxy": "",
            "connect_timeout": "5", "read_timeout": "5", "checksum": "md5",  # Azurite has no CRC-64
        }  # fmt: skip

    @property
    def secret(self) -> dict[str, Any]:
        """What a journal does not keep."""
        return {"account_key": self.options["account_key"]}

    @property
    def url(self) -> str:
        return f"az://{self.container}"

    def blob(self, name: str = "x") -> BlobClient:
        return self.service.get_blob_client(self.container, name)

    def read(self, name: str = "x") -> bytes:
        return self.blob(name).download_blob().readall()

    def put(self, data: bytes, name: str = "x") -> bytes:
        self.blob(name).upload_blob(data, overwrite=True)
        return data

    def names(self) -> list[str]:
        """All blobs, also those that are only begun."""
        found = self.service.get_container_client(self.container).list_blobs(include=["uncommittedblobs"])
        return sorted(blob.name for blob in found)

    def file(self, size: int = SIZE, name: str = "x", seed: int = 1) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Random(seed).randbytes(size))
        return path

    def up(self, path: Path, name: str = "x", **given: Any) -> crossdock.CopyResult:
        options = self.options | given.pop("options", {})
        return crossdock.copy(
            path,
            f"{self.url}/{name}",
            sink_options=options,
            **{"block_size": BLOCK, "parallel_copies": 1} | given,
        )

    def down(self, path: Path, name: str = "x", **given: Any) -> crossdock.CopyResult:
        options = self.options | given.pop("options", {})
        return crossdock.copy(
            f"{self.url}/{name}",
            path,
            source_options=options,
            **{"block_size": BLOCK, "parallel_copies": 1} | given,
        )

    def across(self, name: str, to: str = "x", **given: Any) -> crossdock.CopyResult:
        return crossdock.copy(
            f"{self.url}/{name}",
            f"{self.url}/{to}",
            source_options=self.options,
            sink_options=self.options,
            **{"block_size": BLOCK, "parallel_copies": 1} | given,
        )


@contextmanager
def rig(azurite: Azurite, proxy: FaultProxy, folder: Path) -> Iterator[Rig]:
    """A container of its own, removed at the end."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as service:
        name = f"f-{uuid.uuid4().hex}"
        service.create_container(name)
        try:
            yield Rig(proxy, service, name, folder)
        finally:
            service.delete_container(name)
