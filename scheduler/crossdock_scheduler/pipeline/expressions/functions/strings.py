"""Functions of strings. Positions count characters; Data Factory counts units of UTF-16: emoji have two."""

from __future__ import annotations

import uuid
from typing import Any

from ..errors import short
from ..limits import check_length
from ..registry import function
from ..values import to_text

_SUBJECT = "Strings"


def _upper(text: str) -> str:
    """As .NET: one character for one, so that 'ß' stays."""
    upper = text.upper()
    return upper if len(upper) == len(text) else "".join(_one(c, c.upper()) for c in text)


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(_one(c, c.lower()) for c in text)


def _one(character: str, changed: str) -> str:
    return changed if len(changed) == 1 else character


@function(_SUBJECT, "concat(text: any, more...: any)", "The texts in a row.")
def concat(*values: Any) -> str:
    texts = [to_text(each) for each in values]
    check_length(sum(map(len, texts)))
    return "".join(texts)


@function(
    _SUBJECT, "endsWith(text: string, searchText: string)", "Whether a text ends so; case does not count."
)
def ends_with(text: str, search: str) -> bool:
    return _upper(text).endswith(_upper(search))


@function(
    _SUBJECT, "startsWith(text: string, searchText: string)", "Whether a text begins so; case does not count."
)
def starts_with(text: str, search: str) -> bool:
    return _upper(text).startswith(_upper(search))


@function(
    _SUBJECT,
    "indexOf(text: string, searchText: string)",
    "Where a text is first, from 0, or -1; case does not count.",
)
def index_of(text: str, search: str) -> int:
    return _upper(text).find(_upper(search))


@function(
    _SUBJECT,
    "lastIndexOf(text: string, searchText: string)",
    "Where a text is last, from 0, or -1; case does not count.",
)
def last_index_of(text: str, search: str) -> int:
    return _upper(text).rfind(_upper(search))


@function(_SUBJECT, "guid(format?: string)", "A new GUID, in .NET's format N, D, B, P or X.")
def guid(form: str | None = None) -> str:
    value = uuid.uuid4()
    match (form or "D").upper():
        case "D":
            return str(value)
        case "N":
            return value.hex
        case "B":
            return f"{{{value}}}"
        case "P":
            return f"({value})"
        case "X":
            last = ",".join(f"0x{byte:02x}" for byte in value.bytes[8:])
            return (
                f"{{0x{value.time_low:08x},0x{value.time_mid:04x},0x{value.time_hi_version:04x},{{{last}}}}}"
            )
        case _:
            raise ValueError(f"does not know the format '{short(form or '')}': it is one of N, D, B, P, X")


@function(
    _SUBJECT,
    "replace(text: string, oldText: string, newText: string)",
    "A text with every occurrence of another replaced; case counts.",
)
def replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("was given an empty oldText")
    if len(new) > len(old):
        check_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@function(_SUBJECT, "split(text: string, delimiter: string)", "The parts of a text between delimiters.")
def split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else [text]


@function(
    _SUBJECT,
    "substring(text: string, startIndex: integer, length?: integer)",
    "Part of a text from a position, from 0, with a length or to the end.",
)
def substring(text: str, start: int, length: int | None = None) -> str:
    end = len(text) if length is None else start + length
    if start < 0 or end < start or end > len(text):
        asked = f"startIndex {start}" + ("" if length is None else f" and length {length}")
        raise ValueError(f"was given {asked}, which is outside of the text's {len(text):,} characters")
    return text[start:end]


@function(_SUBJECT, "toLower(text: string)", "A text in lower case.")
def to_lower(text: str) -> str:
    return _lower(text)


@function(_SUBJECT, "toUpper(text: string)", "A text in upper case.")
def to_upper(text: str) -> str:
    return _upper(text)


@function(_SUBJECT, "trim(text: string)", "A text without white space around it.")
def trim(text: str) -> str:
    return text.strip()
