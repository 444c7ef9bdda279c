"""Linked services and locations of Azure Blob Storage and ADLS Gen2, as Data Factory writes them."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

from pydantic import SecretStr

from crossdock import (
    AdfEnd,
    AdfProperties,
    AdfSecret,
    AdfTranslation,
    WriteMode,
    adf_connection_string,
    adf_leftovers,
)
from crossdock_connectors import entra

# Of an account's other services, in the strings that the portal gives.
_OTHER_SERVICES = frozenset(
    f"{kind}{place}endpoint"
    for kind in ("blob", "queue", "table", "file", "dfs", "web")
    for place in ("", "secondary")
)


def of_blob(end: AdfEnd) -> AdfTranslation:
    """``az://container/`` with the account, or the endpoint and the SAS that the linked service names."""
    service = end.linked_service
    options: dict[str, str] = {}
    secrets: dict[str, SecretStr | AdfSecret] = {}
    host = ""
    parts, whole = adf_connection_string(service)
    if whole:
        secrets["connection_string"] = whole
    if parts:
        account = parts.pop("accountname", "")
        suffix = parts.pop("endpointsuffix", "core.windows.net")
        endpoint = parts.pop("blobendpoint", "")
        protocol = parts.pop("defaultendpointsprotocol", "https")
        host = _address(service, "connectionString", endpoint).hostname or f"{account}.blob.{suffix}"
        if account:
            options["account"] = account
        if endpoint or suffix != "core.windows.net" or protocol != "https":
            options["endpoint"] = endpoint or f"{protocol}://{host}"
        if key := parts.pop("accountkey", ""):
            secrets["account_key"] = SecretStr(key)
        if sas := parts.pop("sharedaccesssignature", ""):
            secrets["sas_token"] = SecretStr(sas)
        adf_leftovers(service, parts, _OTHER_SERVICES)
    elif endpoint := service.text("serviceEndpoint"):
        host = _address(service, "serviceEndpoint", endpoint).hostname or ""
        options["endpoint"] = endpoint.rstrip("/")
    _uri(end, options, secrets)
    _sign_in(end, options, secrets)
    service.ignore("accountKind", "encryptedCredential", "serviceEndpoint", "containerUri")
    container, below = _container(end, "container")
    place = f"az://{quote(container, safe='$')}/{below}"
    return AdfTranslation(place, options, secrets, WriteMode.OVERWRITE, container, _hosts(host, options))


def of_lake(end: AdfEnd) -> AdfTranslation:
    """``abfss://filesystem@account.dfs.core.windows.net/``."""
    service = end.linked_service
    options: dict[str, str] = {}
    secrets: dict[str, SecretStr | AdfSecret] = {}
    url = _address(service, "url", service.text("url"))
    host = url.netloc or url.path.strip("/") or "computed.dfs.core.windows.net"
    if "url" not in service and "sasUri" not in service:
        service.refuse("url", "there is no url of the account", "error")
    if url.scheme == "http" or (url.netloc and url.path.strip("/")):
        options["endpoint"] = service.text("url").rstrip("/")
    if url.netloc and (account := url.path.strip("/")):
        options["account"] = account  # an emulator has it in the path
    _uri(end, options, secrets)
    _sign_in(end, options, secrets)
    service.ignore("encryptedCredential")
    system, below = _container(end, "fileSystem")
    place = f"abfss://{quote(system, safe='$')}@{host}/{below}"
    return AdfTranslation(place, options, secrets, WriteMode.OVERWRITE, system, _hosts(host, options))


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _address(service: AdfProperties, key: str, address: str) -> SplitResult:
    """The parts of an address; what is none is refused, and has none."""
    parts = _parts(address)
    if parts is None:
        service.refuse(key, "there is no such address", "error")
    return parts or urlsplit("")


def _hosts(named: str, options: dict[str, str]) -> tuple[str, ...]:
    """All that requests may go to."""
    endpoint = _parts(options.get("endpoint", "")) or urlsplit("")
    port = 80 if endpoint.scheme == "http" else 443
    if endpoint.hostname == named:
        named = ""
    found = (
        each if ":" in each.rpartition("]")[2] else f"{each}:{port}"
        for each in (named, endpoint.netloc)
        if each
    )
    return tuple(dict.fromkeys(found))


def _container(end: AdfEnd, name: str) -> tuple[str, str]:
    """The container, and of a stage the quoted folder in it.

    A stage has one path for both, and so have datasets of Data Factory's first model.
    """
    location = end.dataset.inner("location")
    if end.side != "stage" and name in location:
        return location.text(name), ""
    container, _, folder = location.text("folderPath").strip("/").partition("/")
    return container, quote(f"{folder}/") if folder and end.side == "stage" else ""


def _uri(end: AdfEnd, options: dict[str, str], secrets: dict[str, SecretStr | AdfSecret]) -> None:
    """An address with a shared access signature in it, which is a secret whole."""
    service = end.linked_service
    if "sasUri" not in service:
        return
    uri = service.secret("sasUri")
    if isinstance(uri, SecretStr):
        parts = _address(service, "sasUri", uri.get_secret_value())
        options["endpoint"] = f"{parts.scheme}://{parts.netloc}"
        if parts.query:
            secrets["sas_token"] = SecretStr(parts.query)
        container = end.dataset.inner("location").text("container")
        if (path := parts.path.strip("/")) and path != container:
            what = "a signature must be for the whole account, or for the container of the dataset"
            service.refuse("sasUri", what)
    else:
        secrets["sas_token"] = uri or AdfSecret("sasUri")


def _sign_in(end: AdfEnd, options: dict[str, str], secrets: dict[str, SecretStr | AdfSecret]) -> None:
    service = end.linked_service
    for name, option in (("accountKey", "account_key"), ("sasToken", "sas_token")):
        if (secret := service.secret(name)) is not None:
            secrets[option] = secret
    kind = service.text("authenticationType").lower()
    if entra.names_identity(service) or kind in ("serviceprincipal", "msi"):
        options["auth"] = "entra"
        who, proof = entra.from_adf(service)
        options |= who
        secrets |= proof
    elif kind == "anonymous":
        options["auth"] = "anonymous"
        if uri := service.text("containerUri"):
            parts = _address(service, "containerUri", uri)
            options["endpoint"] = f"{parts.scheme}://{parts.netloc}"
    elif not secrets and "encryptedCredential" in service:
        secrets["account_key"] = AdfSecret("the account key that only Data Factory can decrypt")
    elif not secrets:
        # Without a key or a signature Data Factory signs in as its managed identity.
        options["auth"] = "entra"
    service.ignore("servicePrincipalCredentialType", "azureCloudType")
