"""Files, folders and tables as activities find and describe them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import crossdock
from crossdock import Item, NotFoundError

from ..activity_types import Attempt
from ..planning.ends import End

# Of Arrow's types, the interim types of Data Factory; what is not here begins with one of ``_FAMILIES``.
_TYPES = {
    "bool": "Boolean", "int8": "SByte", "uint8": "Byte", "int16": "Int16", "uint16": "UInt16",
    "int32": "Int32", "uint32": "UInt32", "int64": "Int64", "uint64": "UInt64", "halffloat": "Single",
    "float": "Single", "double": "Double",
}  # fmt: skip
_FAMILIES = {
    "decimal": "Decimal", "date": "DateTime", "timestamp": "DateTime", "time": "TimeSpan",
    "duration": "TimeSpan", "binary": "Byte[]", "large_binary": "Byte[]", "fixed_size_binary": "Byte[]",
}  # fmt: skip


def found(end: End, attempt: Attempt) -> Item | None:
    """The file or folder that a dataset names; None where there is none."""
    try:
        return crossdock.stat(end.address, **_how(end, attempt))
    except NotFoundError:
        return None


def inside(end: End, attempt: Attempt) -> list[dict[str, Any]]:
    """The children of a folder as ``childItems``."""
    level = crossdock.children(end.address, **_how(end, attempt))
    return [{"name": each.name, "type": "File" if each.kind == "file" else "Folder"} for each in level]


def _how(end: End, attempt: Attempt) -> dict[str, Any]:
    return {"source_format": end.format, "source_options": end.given(), "cancel": attempt.cancel}


def moment(seconds: float | None) -> str | None:
    """As Data Factory writes it: whole seconds, UTC."""
    return None if seconds is None else f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def structure(end: End) -> list[dict[str, str]]:
    """The columns of a file or a table with Data Factory's types. Raises NotFoundError."""
    columns = crossdock.schema(end.address, source_format=end.format, source_options=end.given()).columns
    return [{"name": each.name, "type": _type(each.type)} for each in columns]


def _type(arrow: str) -> str:
    if arrow in _TYPES:
        return _TYPES[arrow]
    family = next((each for each in _FAMILIES if arrow.startswith(each)), "")
    zoned = family == "timestamp" and "tz=" in arrow
    return "DateTimeOffset" if zoned else _FAMILIES.get(family, "String")
