"""``--map`` and ``--add-column`` as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import ConfigError
from .model import COPY_OF, ColumnMapping, MappedColumn

_TYPE = re.compile(
    r"(string|bool|u?int(8|16|32|64)|int|float(32|64)|double|date|time|timestamp|binary|duration|guid|decimal"
    r"|(decimal|timestamp)\([^()]*\))\Z",
    re.IGNORECASE,
)
_OPEN_BRACKET = re.compile(r":\s*(decimal|timestamp)\([^()]*\Z", re.IGNORECASE)
MapText = str | Mapping[str, str] | ColumnMapping
Added = Mapping[str, str] | Iterable[str]


def parse_map(given: MapText | None, added: Added | None = None) -> ColumnMapping | None:
    """``"a=b,c:date=d"``: source column, its new type, and sink column; ``a`` alone keeps its name.

    Commas, equal signs and colons in names are written ``\\,``, ``\\=`` and ``\\:``. A dictionary has names
    only. ``added`` are columns to add, as texts ``name=value`` or by name. Raises ConfigError.
    """
    mapping = given if isinstance(given, ColumnMapping) else _columns(given)
    more = _added(added or {})
    return replace(mapping or ColumnMapping(), added=more) if more else mapping


def _columns(given: str | Mapping[str, str] | None) -> ColumnMapping | None:
    if given is None:
        return None
    if not isinstance(given, str):
        if not given or not all(given) or not all(given.values()):
            raise ConfigError(f"--map {dict(given)!r}: it needs names of source and sink columns")
        return ColumnMapping.renaming(dict(given))
    found: dict[str, MappedColumn] = {}
    for part in _split(given, ","):
        names = [name.strip() for name in _split(part, "=")]
        if len(names) > 2 or not all(names):
            raise ConfigError(f"--map {given!r}: {part.strip()!r} is not of the form source=sink")
        source, kind = _typed(names[0])
        if source in found:
            raise ConfigError(f"--map {given!r}: the source column {source!r} is named twice")
        sink = source if len(names) == 1 else names[1].replace("\\:", ":")
        found[source] = MappedColumn((sink,), source, type=kind)
    return ColumnMapping(tuple(found.values()))


def _typed(text: str) -> tuple[str, str]:
    """A name and, behind its last colon, a type."""
    name, colon, kind = text.rpartition(":")
    if colon and name and not name.endswith("\\") and _TYPE.match(kind.strip()):
        return name.strip().replace("\\:", ":"), kind.strip()
    return text.replace("\\:", ":"), ""


def _split(text: str, separator: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in text:
        if escaped:
            # The other separators stay escaped for the next level.
            current += character if character == separator else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == separator and not _OPEN_BRACKET.search(current):
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current + ("\\" if escaped else "")]


def _added(given: Added) -> tuple[tuple[str, str], ...]:
    pairs = given.items() if isinstance(given, Mapping) else map(_pair, given)
    found = tuple((name.strip(), value) for name, value in pairs)
    for name, value in found:
        if not name:
            raise ConfigError("--add-column: a column needs a name")
        if value.upper() == COPY_OF:
            raise ConfigError(f"--add-column {name}: {COPY_OF} needs the name of a column behind it")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--add-column {text!r} is not of the form name=value")
    return name, value
