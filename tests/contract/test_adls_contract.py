"""ADLS Gen2 on the conformance kit, against a server that the official clients take for one."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Collection, Iterator
from typing import ClassVar

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.storage.filedatalake import FileSystemClient
from servers.dfs import Lake
from servers.dfs_wire import ACCOUNT, KEY

from crossdock.contract import StoreContract
from crossdock_connectors.azure.adls import SPEC
from crossdock_connectors.azure.http1 import ProtocolError


class TestAdlsStore(StoreContract):
    spec = SPEC
    upload_through = "blob"
    driver_errors = (
        ClientAuthenticationError("no"),
        ServiceRequestError("no network"),
        ProtocolError("no HTTP"),
        ssl.SSLCertVerificationError("unknown CA"),
        ConnectionResetError(104, "reset"),
    )

    @pytest.fixture(autouse=True)
    def _server(self, lake: Lake) -> None:
        type(self).options = {
            "endpoint": lake.url,
            "account_key": KEY,
            "ca_bundle": str(lake.ca),
            "proxy": "",
            "upload_through": self.upload_through,
        }
        type(self).lake = lake

    lake: Lake

    @pytest.fixture
    def url(self) -> Iterator[str]:
        name = f"fs-{uuid.uuid4().hex}"
        with self._client(name) as client:
            client.create_file_system()
            client.create_directory("some folder")
            yield f"abfss://{name}@{ACCOUNT}.dfs.core.windows.net/some folder"
            client.delete_file_system()

    def _client(self, name: str) -> FileSystemClient:
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        return FileSystemClient(self.lake.url, name, credential, connection_verify=str(self.lake.ca))

    def change(self, url: str, path: str, data: bytes) -> None:
        """Through the SDK, as another program would."""
        with self._client(_name(url)) as client:
            client.get_file_client(f"some folder/{path}").upload_data(data, overwrite=True)

    def inventory(self, url: str) -> Collection[str]:
        """All paths, and what is staged without being visible at all."""
        system = self.lake.account.systems[_name(url)]
        return [*system.nodes, *(f"blocks of {path}" for path in system.staged)]


class TestAdlsStoreThroughDfs(TestAdlsStore):
    """Append and flush only: no request goes to the blob endpoint."""

    upload_through = "dfs"
    exempt: ClassVar = {"test_range_copier": "the dfs endpoint cannot fetch from a URL"}


def _name(url: str) -> str:
    return url.removeprefix("abfss://").partition("@")[0]
