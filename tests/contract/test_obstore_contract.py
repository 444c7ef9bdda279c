"""The plugin of ``examples/crossdock-obstore`` on Azure's side of the kit; S3's is among its own tests."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from obstore.exceptions import GenericError, PreconditionError
from servers.azurite import ACCOUNT, KEY, Azurite

from crossdock.contract import StoreContract

sys.path.append(str(Path(__file__).parents[2] / "examples" / "crossdock-obstore"))
from crossdock_obstore import SPEC


class TestAzure(StoreContract):
    spec = SPEC
    driver_errors = (GenericError("the connection was reset"), PreconditionError("another version"))

    @pytest.fixture
    def url(self, azurite: Azurite) -> Iterator[str]:
        key = {"account_name": ACCOUNT, "account_key": KEY}
        with BlobServiceClient(azurite.url, credential=key, connection_verify=str(azurite.ca)) as client:
            type(self).options = {"endpoint": azurite.url, **key, "ca_bundle": str(azurite.ca)}
            type(self).container = client.create_container(f"c-{uuid.uuid4().hex}")
            yield f"obstore+az://{self.container.container_name}/some folder"
            self.container.delete_container()

    def inventory(self, url: str) -> Collection[str]:
        return sorted(each.name for each in self.container.list_blobs())

    def change(self, url: str, path: str, data: bytes) -> None:
        self.container.upload_blob(f"some folder/{path}", data, overwrite=True)
