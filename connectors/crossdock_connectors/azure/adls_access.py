"""What a path has beside its bytes: metadata, content headers, and who may do what."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from crossdock import ObjectAttributes

from .attributes import STAMP
from .wire import Answer

# Field of ObjectAttributes.headers: name at the dfs endpoint. At the blob endpoint it is x-ms-blob-...
CONTENT = {
    "content_type": "content-type",
    "content_language": "content-language",
    "content_encoding": "content-encoding",
    "content_disposition": "content-disposition",
    "cache_control": "cache-control",
}
_META = "x-ms-meta-"
_OURS = frozenset({STAMP.removeprefix(_META), "hdi_isfolder"})
_NOT_IN_A_NAME = re.compile(r"\W|^(?=\d)", re.ASCII)
_RIGHTS = re.compile(r"[r-][w-][xXsStT-]{1}[r-][w-][xXsStT-]{1}[r-][w-][xXsStT-]{1}\+?")


def found(properties: Mapping[str, str], access: Mapping[str, str]) -> ObjectAttributes:
    """The attributes in the headers of Get Properties and Get Access Control."""
    return ObjectAttributes(
        metadata=_metadata(properties.get("x-ms-properties", "")),
        headers={field: properties[name] for field, name in CONTENT.items() if properties.get(name)},
        mode=_mode(access.get("x-ms-permissions", "")),
        acl=access.get("x-ms-acl"),
        owner=access.get("x-ms-owner"),
        group=access.get("x-ms-group"),
    )


def _metadata(text: str) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in text.split(",") if pair.strip())
    decoded = {name: base64.b64decode(value).decode("latin-1") for name, _, value in pairs}
    return {name: value for name, value in decoded.items() if name.lower() not in _OURS}


def _mode(text: str) -> int | None:
    """``rwxr-x---`` as a number; None where it says something else."""
    if not _RIGHTS.fullmatch(text):
        return None
    bits = 0
    for letter in text[:9]:
        bits = bits << 1 | (letter not in "-ST")
    return bits


def names_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata under names that the service takes: letters, digits and ``_``."""
    return {_NOT_IN_A_NAME.sub("_", name): value for name, value in metadata.items()}


def as_blob(metadata: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for Put Blob and Put Block List."""
    content = {f"x-ms-blob-{CONTENT[field]}": value for field, value in headers.items()}
    return content | {_META + name: value for name, value in names_of(metadata).items()}


def as_path(metadata: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for Path Create."""
    content = {f"x-ms-{CONTENT[field]}": value for field, value in headers.items()}
    pairs = [f"{n}={base64.b64encode(v.encode('latin-1')).decode()}" for n, v in names_of(metadata).items()]
    return content | ({"x-ms-properties": ",".join(pairs)} if pairs else {})


def control(attributes: ObjectAttributes) -> dict[str, str]:
    """Headers for Set Access Control; none where nothing is to be set. An ACL holds the permissions too."""
    headers = {
        "x-ms-acl": attributes.acl,
        "x-ms-owner": attributes.owner,
        "x-ms-group": attributes.group,
        "x-ms-permissions": None
        if attributes.acl or attributes.mode is None
        else f"{attributes.mode & 0o777:04o}",
    }
    return {name: value for name, value in headers.items() if value}


def is_folder(answer: Answer) -> bool:
    return answer.headers.get("x-ms-resource-type") == "directory"


def stamp_of(properties: Mapping[str, str]) -> str:
    """The run that wrote a path; empty where it was none of ours."""
    wanted = STAMP.removeprefix(_META)
    for pair in properties.get("x-ms-properties", "").split(","):
        name, _, value = pair.strip().partition("=")
        if name.lower() == wanted:
            return base64.b64decode(value).decode("latin-1")
    return ""
