"""What a path has beside its bytes: metadata, content headers, and who may do what."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace

from crossdock import ObjectAttributes

from . import attributes
from .attributes import META, STAMP
from .wire import Answer

_OURS = frozenset({STAMP.removeprefix(META), "hdi_isfolder"})
_BLOB_HEADER = "x-ms-blob-"
_RIGHTS = re.compile(r"(?:[r-][w-][xXsStT-]){3}\+?")


def found(properties: Mapping[str, str], access: Mapping[str, str]) -> ObjectAttributes:
    """The attributes in the headers of Get Properties and Get Access Control."""
    named = _properties(properties)
    return replace(
        attributes.read(properties),
        metadata={name: value for name, value in named.items() if name.lower() not in _OURS},
        tier=None,
        mode=_mode(access.get("x-ms-permissions", "")),
        acl=access.get("x-ms-acl"),
        owner=access.get("x-ms-owner"),
        group=access.get("x-ms-group"),
    )


def stamp_of(properties: Mapping[str, str]) -> str:
    """The run that wrote a path; empty where it was none of ours."""
    named = {name.lower(): value for name, value in _properties(properties).items()}
    return named.get(STAMP.removeprefix(META), "")


def _properties(headers: Mapping[str, str]) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in headers.get("x-ms-properties", "").split(","))
    return {name: base64.b64decode(value).decode("latin-1") for name, _, value in pairs if name}


def _mode(text: str) -> int | None:
    """``rwxr-x---`` as a number; None where it says something else."""
    if not _RIGHTS.fullmatch(text):
        return None
    bits = 0
    for letter in text[:9]:
        bits = bits << 1 | (letter not in "-ST")
    return bits


def as_path(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of Put Blob as Path Create takes them; it knows no access tier."""
    pairs, given = [], {}
    for name, value in headers.items():
        if name.startswith(META):
            pairs.append(f"{name.removeprefix(META)}={base64.b64encode(value.encode()).decode()}")
        elif name.startswith(_BLOB_HEADER):
            given[f"x-ms-{name.removeprefix(_BLOB_HEADER)}"] = value
    return given | ({"x-ms-properties": ",".join(pairs)} if pairs else {})


def control(given: ObjectAttributes) -> dict[str, str]:
    """Headers for Set Access Control; none where nothing is to be set. An ACL holds the permissions too."""
    permissions = "" if given.acl or given.mode is None else f"{given.mode & 0o777:04o}"
    headers = {
        "x-ms-acl": given.acl,
        "x-ms-owner": given.owner,
        "x-ms-group": given.group,
        "x-ms-permissions": permissions,
    }
    return {name: value for name, value in headers.items() if value}


def is_folder(answer: Answer) -> bool:
    return answer.headers.get("x-ms-resource-type") == "directory"
