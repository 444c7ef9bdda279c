"""Secrets of a Key Vault in definitions, had for a run through the Azure SDK from a vault on loopback."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from tests.servers.azurite import ACCOUNT, KEY, Azurite
from tests.servers.entra import SECRET, TENANT, issuer
from tests.servers.key_vault import DOMAIN, Vault, key_vault

from crossdock import (
    AccessDeniedError,
    AuthError,
    ConfigError,
    NotFoundError,
    TransientError,
    UnreachableError,
)
from crossdock.redact import redacted
from crossdock_scheduler.pipeline.activity_types import Attempt, activity_types
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

Json = dict[str, Any]
STORE = {"referenceName": "vault", "type": "LinkedServiceReference"}
KEPT = {"type": "AzureKeyVaultSecret", "store": STORE, "secretName": "landing-key"}


@pytest.fixture
def vault(tmp_path: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """The vault, to which its name leads; its certificate and the others' are trusted."""
    (tmp_path / "entra").mkdir()
    with issuer(tmp_path / "entra") as entra, key_vault(tmp_path, entra) as found:
        with found.ca.open("ab") as file:
            file.write(azurite.ca.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra.authority)
        looked_up = socket.getaddrinfo

        def lead(host: Any, *arguments: Any, **more: Any) -> Any:
            return looked_up("127.0.0.1" if str(host).endswith(DOMAIN) else host, *arguments, **more)

        monkeypatch.setattr(socket, "getaddrinfo", lead)
        found.secrets = {"landing-key": {"0001": "b2xk", "0002": KEY}}
        yield found


class Folder:
    """A factory that copies a file to a blob with a key from the vault."""

    def __init__(self, root: Path, vault: Vault, azurite: Azurite, container: str) -> None:
        self.root, self.container = root / "factory", container
        (root / "files").mkdir()
        (root / "files" / "a.txt").write_bytes(b"what is copied\n")
        text = f"AccountName={ACCOUNT};BlobEndpoint={azurite.url}"
        principal = {"servicePrincipalId": "app", "tenant": TENANT, "servicePrincipalKey": secure(SECRET)}
        self.service("vault", "AzureKeyVault", {"baseUrl": f"{vault.url}/", **principal})
        self.service("landing", "AzureBlobStorage", {"connectionString": text, "accountKey": KEPT})
        self.service("share", "FileServer", {"host": str(root / "files")})
        for name, service, kind, more in (
            ("from", "share", "FileServerLocation", {"fileName": "a.txt"}),
            ("to", "landing", "AzureBlobStorageLocation", {"container": container}),
        ):
            link = {"referenceName": service, "type": "LinkedServiceReference"}
            location = {"location": {"type": kind, **more}}
            self.put(
                "dataset", name, {"type": "Binary", "linkedServiceName": link, "typeProperties": location}
            )
        copy = {
            "name": "c",
            "type": "Copy",
            "typeProperties": {"source": {"type": "BinarySource"}, "sink": {"type": "BinarySink"}},
            "inputs": [{"referenceName": "from", "type": "DatasetReference"}],
            "outputs": [{"referenceName": "to", "type": "DatasetReference"}],
        }
        self.put("pipeline", "p", {"activities": [copy]})

    def service(self, name: str, kind: str, properties: Json) -> None:
        self.put("linkedService", name, {"type": kind, "typeProperties": properties})

    def put(self, kind: str, name: str, properties: Json) -> None:
        file = self.root / kind / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name, "properties": properties}))

    def run(self, policy: Policy | None = None, **globals_: Any) -> Mapping[str, Any]:
        factory = load(self.root)
        pipeline = factory.find("pipeline", "p")
        assert pipeline is not None
        scope = Scope(global_parameters=globals_)
        attempt = Attempt(factory, pipeline, activities(pipeline)[0], scope, policy or Policy(), "run-1")
        return activity_types()["copy"].run(attempt)


def secure(value: str) -> Json:
    return {"type": "SecureString", "value": value}


@pytest.fixture
def folder(tmp_path: Path, vault: Vault, azurite: Azurite) -> Iterator[Folder]:
    name = f"vault-{tmp_path.name[-30:].replace('_', '-').strip('-').lower()}"
    credential: Any = {"account_name": ACCOUNT, "account_key": KEY}
    with ContainerClient(azurite.url, name, credential, connection_verify=str(azurite.ca)) as container:
        container.create_container()
        yield Folder(tmp_path, vault, azurite, name)
        container.delete_container()


def copied(azurite: Azurite, name: str) -> bytes:
    credential: Any = {"account_name": ACCOUNT, "account_key": KEY}
    with ContainerClient(azurite.url, name, credential, connection_verify=str(azurite.ca)) as container:
        return bytes(container.download_blob("a.txt").readall())


def test_a_copy_with_a_key_of_a_vault(folder: Folder, vault: Vault, azurite: Azurite) -> None:
    folder.run()
    assert copied(azurite, folder.container) == b"what is copied\n"
    assert [(path.rstrip("/"), token) for path, token in vault.asked] == [
        ("/secrets/landing-key", False),
        ("/secrets/landing-key", True),
    ]
    assert [asked["client_secret"] for asked in vault.issuer.asked] == [SECRET]
    assert KEY not in redacted(f"the key {KEY}")


def test_the_credential_that_a_vault_refers_to(folder: Folder, vault: Vault, azurite: Azurite) -> None:
    link = {"referenceName": "who", "type": "CredentialReference"}
    folder.service("vault", "AzureKeyVault", {"baseUrl": vault.url, "credential": link})
    principal = {"servicePrincipalId": "app", "tenant": TENANT, "servicePrincipalKey": secure(SECRET)}
    folder.put("credential", "who", {"type": "ServicePrincipal", "typeProperties": principal})
    folder.run()
    assert copied(azurite, folder.container) == b"what is copied\n"


def test_a_version_and_an_expression(folder: Folder, vault: Vault, azurite: Azurite) -> None:
    kept = KEPT | {"secretName": "@concat('landing', '-key')", "secretVersion": "0002"}
    vault.secrets["landing-key"]["0003"] = "bmV3"
    text = f"AccountName={ACCOUNT};BlobEndpoint={azurite.url}"
    folder.service("landing", "AzureBlobStorage", {"connectionString": text, "accountKey": kept})
    folder.run()
    assert copied(azurite, folder.container) == b"what is copied\n"
    assert vault.asked[-1] == ("/secrets/landing-key/0002", True)


def test_a_whole_connection_string(folder: Folder, vault: Vault, azurite: Azurite) -> None:
    vault.secrets["whole"] = {"1": f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={azurite.url}"}
    folder.service("landing", "AzureBlobStorage", {"connectionString": KEPT | {"secretName": "whole"}})
    folder.run()
    assert copied(azurite, folder.container) == b"what is copied\n"


def test_nothing_is_asked_before_a_run(folder: Folder, vault: Vault) -> None:
    report = cover(load(folder.root))
    assert report.pipelines[0].supported, [str(each) for each in report.findings]
    assert vault.asked == vault.issuer.asked == []
    assert [row.state for row in report.types if row.type == "AzureKeyVault"] == ["supported"]


def test_a_vault_that_is_busy_is_asked_again(folder: Folder, vault: Vault, azurite: Azurite) -> None:
    vault.busy = 2
    folder.run()
    assert copied(azurite, folder.container) == b"what is copied\n"
    vault.busy = 100
    with pytest.raises(TransientError, match="the vault failed"):
        folder.run()


def test_what_cannot_be_had(folder: Folder, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence each; nothing is told of the secrets of the vault or of the one who signs in."""

    def fails(kind: type[Exception], match: str, policy: Policy | None = None) -> None:
        with pytest.raises(kind, match=match) as caught:
            folder.run(policy)
        told = "".join(traceback.format_exception(caught.value))
        assert KEY not in told
        assert SECRET not in told

    fails(AccessDeniedError, f"{DOMAIN}.*address 127.0.0.1 is a private one", Policy(private=False))
    assert vault.asked == []
    vault.denied.add("landing-key")
    fails(AccessDeniedError, "'landing-key' of https://contoso.vault.test.* may not be read")
    vault.denied.clear()
    vault.secrets.clear()
    fails(NotFoundError, "the secret 'landing-key' of .* does not exist")
    vault.issuer.secret = "another"  # noqa: S105
    monkeypatch.setenv("AZURE_IDENTITY_X", "1")  # another process would have no token yet
    fails(AuthError, "signing in to Entra ID failed")
    principal = {"servicePrincipalId": "app", "tenant": TENANT, "servicePrincipalKey": secure("*****")}
    folder.service("vault", "AzureKeyVault", {"baseUrl": vault.url, **principal})
    fails(AuthError, "signing in as 'app' needs servicePrincipalKey")
    folder.service("vault", "AzureKeyVault", {"baseUrl": "http://contoso.vault.test"})
    fails(ConfigError, "baseUrl of a Key Vault is an https address")
    folder.service("vault", "AzureKeyVault", {"baseUrl": "https://nowhere.invalid"})
    fails(UnreachableError, "'nowhere.invalid' has no address")
    folder.service("vault", "AzureBlobStorage", {"serviceEndpoint": vault.url})
    fails(ConfigError, "is of the type AzureBlobStorage, not a Key Vault")


def test_a_token_goes_to_no_other_domain(folder: Folder, vault: Vault) -> None:
    """A server that asks for a token for somebody else's domain gets none."""
    vault.resource = "https://vault.azure.net"
    with pytest.raises(ConfigError, match="a token that is not for its domain"):
        folder.run()
    assert [had_token for _, had_token in vault.asked] == [False]
