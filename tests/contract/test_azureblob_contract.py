"""Azure Blob Storage on the conformance kit, against Azurite over HTTPS."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from typing import ClassVar

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from azure.storage.blob import BlobServiceClient
from servers.azurite import ACCOUNT, KEY, Azurite

from crossdock.contract import StoreContract
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.http1 import ProtocolError

_UNCOMMITTED = (
    "uncommitted blocks cannot be removed without making the blob visible; they expire after a week"
)


class TestAzureBlobStore(StoreContract):
    spec = SPEC
    driver_errors = (
        ClientAuthenticationError("no"),
        CredentialUnavailableError("none"),
        ServiceRequestError("no network"),
        ProtocolError("no HTTP"),
        ssl.SSLCertVerificationError("unknown CA"),
        ConnectionResetError(104, "reset"),
    )
    exempt: ClassVar = {
        "test_commit_after_abort_is_stage_lost": _UNCOMMITTED,
        "test_range_copier": "Azurite has no Put Block From URL",
    }

    @pytest.fixture(autouse=True)
    def _server(self, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
        type(self).options = {
            "endpoint": azurite.url,
            "account_key": KEY,
            "ca_bundle": str(azurite.ca),
            "proxy": "",
        }

    @pytest.fixture
    def url(self, client: BlobServiceClient) -> Iterator[str]:
        container = f"c-{uuid.uuid4().hex}"
        client.create_container(container)
        yield f"az://{container}/some folder"
        client.delete_container(container)

    def change(self, url: str, path: str, data: bytes) -> None:
        """Through the SDK, as another program would."""
        container, _, folder = url.removeprefix("az://").partition("/")
        with sdk(self.options) as client:
            client.get_blob_client(container, f"{folder}/{path}").upload_blob(data, overwrite=True)

    @pytest.fixture
    def client(self) -> Iterator[BlobServiceClient]:
        with sdk(self.options) as client:
            yield client


def sdk(options: object) -> BlobServiceClient:
    """The official client for the same server."""
    assert isinstance(options, dict)
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    return BlobServiceClient(options["endpoint"], credential, connection_verify=options["ca_bundle"])
