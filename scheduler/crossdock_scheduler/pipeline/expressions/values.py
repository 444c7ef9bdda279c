"""Values are those of JSON; binary data is an object with ``$content-type`` and ``$content``."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any

from .limits import JSON_DEPTH, check_length

CONTENT, CONTENT_TYPE = "$content", "$content-type"
INT64 = range(-(2**63), 2**63)

_TYPES: tuple[tuple[type | UnionType, str], ...] = (
    (type(None), "null"),
    (bool, "boolean"),  # before int, which it is one of
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (Mapping, "object"),
    (list | tuple, "array"),
)
_ARTICLES = {"integer": "an integer", "array": "an array", "object": "an object", "null": "null"}


def type_name(value: Any) -> str:
    """The JSON type of a value."""
    return next((name for kinds, name in _TYPES if isinstance(value, kinds)), type(value).__name__)


def with_article(kind: str) -> str:
    """``an integer``, ``a string``."""
    return _ARTICLES.get(kind, f"a {kind}")


def to_text(value: Any) -> str:
    """A value as part of a string, as Data Factory writes it: ``True``, ``2.5``, JSON of what has parts."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, int):  # and bool
        return str(value)
    return decode(content(value)) if is_binary(value) else to_json(value)


def to_json(value: Any) -> str:
    """Compact JSON."""
    check_depth(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    check_length(len(text))
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError(f"has a value that JSON does not have: {with_article(type_name(value))}")


def number_text(value: float) -> str:
    """The shortest decimal that is this number, as .NET writes it: 2.5, 3, 1E+16."""
    if not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value.is_integer() and abs(value) < 1e15:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        if abs(value) < 1e15:
            return digits
        digits, exponent = _scientific(digits)
    power = int(exponent)
    return f"{digits.removesuffix('.0')}E{'-' if power < 0 else '+'}{abs(power):02d}"


def _scientific(digits: str) -> tuple[str, str]:
    whole, _, fraction = digits.removeprefix("-").partition(".")
    mantissa = (whole + fraction.rstrip("0")).rstrip("0")
    sign = "-" if digits.startswith("-") else ""
    rest = f".{mantissa[1:]}" if mantissa[1:] else ""
    return f"{sign}{mantissa[0]}{rest}", str(len(whole) - 1)


def same(left: Any, right: Any) -> bool:
    """Deep equality that tells ``true`` from 1: what makes two items of an array one."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def identity(value: Any) -> str:
    """A text that two values share if they are ``same``."""
    match value:
        case bool():
            return f"b{value}"
        case int() | float():
            return f"n{int_or(value)}"
        case Mapping():
            members = sorted(f"{key!r}:{identity(each)}" for key, each in value.items())
            return f"{{{','.join(members)}}}"
        case list() | tuple():
            return f"[{','.join(map(identity, value))}]"
        case _:
            return repr(value)


def int_or(value: float) -> float:
    """The integer that a whole number is, else the number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_depth(value: Any) -> None:
    """Refuse JSON that is nested so deep that walking it would exhaust the stack."""
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [
            each
            for parent in level
            if isinstance(parent, Mapping | list | tuple)
            for each in (parent.values() if isinstance(parent, Mapping) else parent)
        ]
        if not level:
            return
    raise ValueError(f"has a value that is nested more than {JSON_DEPTH} levels deep")


def find_key(target: Mapping[str, Any], key: str) -> str | None:
    """The property that ``key`` means, upper and lower case alike; the exact one first."""
    if key in target:
        return key
    lowered = key.lower()
    return next((each for each in target if isinstance(each, str) and each.lower() == lowered), None)


# -- binary data ---------------------------------------------------------------------------------------


def binary(data: bytes, content_type: str = "application/octet-stream") -> dict[str, str]:
    """Binary data as a value."""
    return {CONTENT_TYPE: content_type, CONTENT: base64.b64encode(data).decode()}


def is_binary(value: Any) -> bool:
    """Whether a value is binary data."""
    return isinstance(value, Mapping) and value.keys() == {CONTENT, CONTENT_TYPE}


def content(value: Mapping[str, Any]) -> bytes:
    """The bytes of binary data."""
    return unbase64(str(value[CONTENT]))


def unbase64(text: str) -> bytes:
    """The bytes that base64 holds, whitespace aside."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("was given a string that is not base64") from None


def decode(data: bytes, charset: str = "utf-8") -> str:
    """Bytes as text."""
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise ValueError(f"was given bytes that are not {charset} text") from None
    except LookupError:
        raise ValueError(f"does not know the character set '{charset}'") from None
