"""What both endpoints of the test server check: conditions, leases, checksums, ranges."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from awscrt.checksums import crc64nvme

from .dfs_tree import Fault, Node

Headers = Mapping[str, str]
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")


def check(node: Node | None, headers: Headers, prefix: str = "", code: str = "ConditionNotMet") -> None:
    """The conditions on what is there (None: nothing)."""
    match, none = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    if match and (node is None or (match != "*" and match.strip('"') != node.etag)):
        raise Fault(code)
    if none and node is not None and (none == "*" or none.strip('"') == node.etag):
        raise Fault(code)
    since, until = headers.get(f"{prefix}if-modified-since"), headers.get(f"{prefix}if-unmodified-since")
    if node is not None and since and node.modified <= parsedate_to_datetime(since).timestamp():
        raise Fault(code)
    if node is not None and until and node.modified > parsedate_to_datetime(until).timestamp():
        raise Fault(code)


def check_lease(node: Node, headers: Headers, name: str = "x-ms-lease-id") -> None:
    given = headers.get(name, "")
    if node.lease and not given:
        raise Fault("LeaseIdMissing")
    if node.lease and given != node.lease:
        raise Fault("LeaseIdMismatch")


def check_sum(headers: Headers, body: bytes) -> None:
    """The body arrived as it was sent."""
    if given := headers.get("content-md5"):
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        if base64.b64decode(given) != digest:
            raise Fault("Md5Mismatch")
    if (given := headers.get("x-ms-content-crc64")) and base64.b64decode(given) != crc64nvme(body).to_bytes(
        8, "little"
    ):
        raise Fault("Crc64Mismatch")


def content_headers(headers: Headers, prefix: str) -> dict[str, str]:
    return {name: headers[prefix + name] for name in _CONTENT if prefix + name in headers}


def ranged(node: Node, headers: Headers) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a read."""
    found = _RANGE.fullmatch(headers.get("x-ms-range") or headers.get("range", ""))
    size = len(node.data)
    if not found:
        return 200, {"Content-Length": str(size)}, node.data
    start = int(found[1])
    end = min(int(found[2]) if found[2] else size - 1, size - 1)
    if start >= size:
        raise Fault("InvalidRange")
    body = node.data[start : end + 1]
    return 206, {"Content-Length": str(len(body)), "Content-Range": f"bytes {start}-{end}/{size}"}, body


def lease(node: Node, headers: Headers) -> tuple[int, dict[str, str]]:
    """Acquire, release or break."""
    action = headers.get("x-ms-lease-action", "").lower()
    if action == "acquire":
        if node.lease and headers.get("x-ms-proposed-lease-id") != node.lease:
            raise Fault("LeaseAlreadyPresent")
        node.lease = headers.get("x-ms-proposed-lease-id") or str(uuid.uuid4())
        return 201, {"x-ms-lease-id": node.lease}
    if action == "break":
        node.lease = ""
        return 202, {"x-ms-lease-time": "0"}
    if not node.lease or headers.get("x-ms-lease-id") != node.lease:
        raise Fault("LeaseIdMismatch", status=409)
    if action == "release":
        node.lease = ""
        return 200, {}
    return 200, {"x-ms-lease-id": node.lease}
