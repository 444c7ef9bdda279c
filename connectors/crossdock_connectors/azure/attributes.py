"""What a blob has beside its bytes, as headers: content headers, metadata, access tier."""

from __future__ import annotations

import mimetypes
import re
import threading
from collections.abc import Mapping
from functools import cache, lru_cache

from crossdock import ConfigError, ObjectAttributes

KEEPS = frozenset({"metadata", "headers", "tier"})
META = "x-ms-meta-"
STAMP = f"{META}crossdock_run"
_CONTENT = ("content_type", "content_encoding", "content_language", "content_disposition", "cache_control")
_UNKNOWN = "application/octet-stream"
_LOADING = threading.Lock()
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE = re.compile(r"[\x20-\x7e]*")
# What the standard library does not know, and files whose last extension only says how they are packed.
_MORE = {
    ".avro": "application/avro",
    ".gz": "application/gzip",
    ".jsonl": "application/x-ndjson",
    ".orc": "application/x-orc",
    ".parquet": "application/vnd.apache.parquet",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}


def content_type(name: str) -> str:
    """The media type that a name's extension stands for; the same on every machine."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return _type_of(extension) if dot else _UNKNOWN


@lru_cache(maxsize=1000)
def _type_of(extension: str) -> str:
    with _LOADING:  # else every worker reads the lists for itself
        types = _types()
    return types.get(f".{extension.lower()}", _UNKNOWN)


@cache
def _types() -> Mapping[str, str]:
    # Not ``mimetypes.guess_type``: that reads the machine's own lists.
    return mimetypes.MimeTypes().types_map[True] | _MORE


def written(blob: str, given: ObjectAttributes | None) -> dict[str, str]:
    """Headers that give a new blob its attributes. Raises ConfigError for metadata that it cannot have."""
    if given is None:
        return {"x-ms-blob-content-type": content_type(blob)}
    headers = {
        f"x-ms-blob-{name.replace('_', '-')}": value
        for name, value in given.headers.items()
        if name in _CONTENT and value
    }
    headers.setdefault("x-ms-blob-content-type", content_type(blob))
    for name, value in given.metadata.items():
        if not _NAME.fullmatch(name) or f"{META}{name.lower()}" == STAMP:
            raise ConfigError(
                f"a blob cannot have the metadata {name!r}: names are of letters, digits and _ and begin "
                "with no digit"
            )
        if not _VALUE.fullmatch(value):
            raise ConfigError(f"a blob's metadata is of ASCII characters; the value of {name} is not")
        headers[META + name] = value
    if given.tier:
        headers["x-ms-access-tier"] = given.tier
    return headers


def read(headers: Mapping[str, str]) -> ObjectAttributes:
    """The attributes in the answer to a HEAD; a tier only where it was set for this blob."""
    content = {name: headers.get(name.replace("_", "-"), "") for name in _CONTENT}
    metadata = {
        name.removeprefix(META): value
        for name, value in headers.items()
        if name.startswith(META) and name.lower() != STAMP
    }
    inferred = headers.get("x-ms-access-tier-inferred", "").lower() == "true"
    return ObjectAttributes(
        metadata=metadata,
        headers={name: value for name, value in content.items() if value},
        tier=None if inferred else headers.get("x-ms-access-tier"),
    )
