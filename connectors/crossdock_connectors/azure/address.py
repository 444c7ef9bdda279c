"""Where an address leads: service, container and folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote

from crossdock import ConfigError, Location

from .auth import check_account, settings
from .config import AzureConfig
from .wire import Service, service_of

_CONTAINER = re.compile(r"\$root|\$web|\$logs|(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_BAD_NAME = re.compile(r"[\0-\x1f\x7f]|\A/|(?:\A|/)\.{1,2}(?:/|\Z)")
_BAD_PREFIX = re.compile(r"[\0-\x1f\x7f]|\A/|(?:\A|/)\.{1,2}/")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST = 1024


@dataclass(frozen=True)
class Place:
    """``root`` is a prefix of blob names: empty or ending in ``/``. ``sas``: the SAS in the URL, a secret."""

    service: Service
    container: str
    root: str
    sas: str = field(default="", repr=False)

    def name(self, path: str) -> str:
        """The blob's name for a path below the root. Raises ConfigError where a path leads elsewhere."""
        if not path or _BAD_NAME.search(path):
            raise ConfigError(
                f"{path!r} is not the name of a blob: no '.', '..', '/' first or control characters"
            )
        if not path.isprintable() and _SURROGATE.search(path):
            raise ConfigError(f"{path!r} is not the name of a blob: it is no UTF-8; rename the file")
        if len(self.root) + len(path) > _LONGEST:
            raise ConfigError(f"{path[:40]!r}... is longer than the {_LONGEST} characters of a blob's name")
        return self.root + path

    def prefix(self, text: str) -> str:
        """What the names begin with of blobs whose paths begin so. Raises ConfigError as ``name`` does."""
        if _BAD_PREFIX.search(text):
            raise ConfigError(
                f"{text!r} does not begin the name of a blob: no '.', '..', '/' first or control characters"
            )
        return self.root + text

    def url_path(self, name: str) -> str:
        """The quoted path of a blob, below the service's base."""
        return f"/{self.container}/{quote(name, safe='/~')}"


def place(config: AzureConfig, location: Location, kind: str = "blob") -> Place:
    """The place that an address and its options mean. Raises ConfigError."""
    if location.scheme == "az":
        service, container, path = _service(config, kind), location.authority, location.path
    elif location.scheme == "abfss":
        service, container, path = _abfss(config, location)
    else:
        account = config.account or location.authority.partition(".")[0]
        service = service_of(f"{location.scheme}://{location.authority}", check_account(account))
        container, _, path = location.path.lstrip("/").partition("/")
    folder = path.strip("/")
    if container and not _CONTAINER.fullmatch(container):
        raise ConfigError(
            f"{container!r} is not the name of a container: 3 to 63 of a-z, 0-9 and single dashes"
        )
    if folder and _BAD_NAME.search(folder):
        raise ConfigError(f"{folder!r} is not a folder of blobs: no '.', '..' or control characters")
    return Place(service, container, f"{folder}/" if folder else "", location.query)


def _abfss(config: AzureConfig, location: Location) -> tuple[Service, str, str]:
    container, _, host = location.authority.rpartition("@")
    if not container or not host:
        raise ConfigError("write the address as abfss://FILESYSTEM@ACCOUNT.dfs.core.windows.net/path")
    account = config.account or check_account(host.partition(".")[0])
    return service_of(config.endpoint or f"https://{host}", account), container, location.path


def _service(config: AzureConfig, kind: str) -> Service:
    """The service for an address without a host: from the options, else the usual environment."""
    string = settings(config)
    account = config.account or string.get("accountname") or ""
    endpoint = config.endpoint or string.get(f"{kind}endpoint")
    if endpoint:
        return service_of(endpoint, account or _account_of(endpoint))
    account = account or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    if not account:
        raise ConfigError("az:// needs the storage account; give account=NAME or set AZURE_STORAGE_ACCOUNT")
    protocol = string.get("defaultendpointsprotocol", "https")
    suffix = string.get("endpointsuffix", "core.windows.net")
    return service_of(f"{protocol}://{check_account(account)}.{kind}.{suffix}", account)


def _account_of(endpoint: str) -> str:
    """The account that an endpoint names: in its path (an emulator), else as the first part of its host."""
    service = service_of(endpoint, "")
    return service.base.rpartition("/")[2] or service.host.partition(".")[0]
