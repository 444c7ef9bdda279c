"""What passes between the parts of the test server of ADLS Gen2: requests, replies and the account's data."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

from .dfs_tree import Fault, FileSystem, Node

ACCOUNT = "lakeaccount"
KEY = base64.b64encode(b"the key of the lake for tests only, 64 bytes as Azure's keys are.").decode()


@dataclass
class Request:
    """``filesystem`` and ``path`` are unquoted; header and query names are lower case."""

    method: str
    raw_path: str
    filesystem: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    blob: bool

    @property
    def operation(self) -> str:
        """A short name for counting: ``PUT block``, ``PATCH append``, ``PUT rename``."""
        named = self.query.get("comp") or self.query.get("action") or self.query.get("resource", "")
        if "x-ms-rename-source" in self.headers:
            named = "rename"
        elif "x-ms-copy-source" in self.headers:
            named = f"{named} from url".strip()
        return f"{self.method} {named}".strip()


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Account:
    """The data, and every request that was answered (the status last). ``trust`` is for copy sources."""

    trust: ssl.SSLContext
    systems: dict[str, FileSystem] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    def system(self, request: Request) -> FileSystem:
        found = self.systems.get(request.filesystem)
        if found is None:
            raise Fault("ContainerNotFound" if request.blob else "FilesystemNotFound")
        return found

    def count(self, operation: str, path: str = "") -> int:
        """Successful requests of that operation, for paths that contain ``path``."""
        return sum(o == operation and path in p and s < 300 for o, p, s in self.requests)


def about(node: Node) -> dict[str, str]:
    """The headers of a write's answer."""
    return {"ETag": f'"{node.etag}"', "Last-Modified": formatdate(node.modified, usegmt=True)}


def described(node: Node) -> dict[str, str]:
    """The headers that both endpoints send about a path."""
    properties = ",".join(f"{k}={base64.b64encode(v.encode()).decode()}" for k, v in node.metadata.items())
    return {
        **about(node),
        "x-ms-resource-type": "directory" if node.folder else "file",
        "x-ms-lease-state": "leased" if node.lease else "available",
        "x-ms-lease-status": "locked" if node.lease else "unlocked",
        "x-ms-properties": properties,
        "x-ms-owner": node.owner,
        "x-ms-group": node.group,
        "x-ms-permissions": node.permissions,
        "x-ms-server-encrypted": "true",
        "x-ms-blob-type": "BlockBlob",
        "Accept-Ranges": "bytes",
        **{f"x-ms-meta-{name}": value for name, value in node.metadata.items()},
        **({"x-ms-meta-hdi_isfolder": "true"} if node.folder else {}),
        "Content-Type": node.headers.get("content-type", "application/octet-stream"),
        **{name: value for name, value in node.headers.items() if name != "content-type"},
    }
