"""Parameters of scripts and procedures: from JSON and Data Factory's names of types to typed values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from crossdock import AdfComputed, AdfProperties, Parameter, ParameterType

from ..expressions import did_you_mean
from ..expressions.timestamps import parse_timestamp

_DIRECTIONS: Mapping[str, Any] = {"Input": "in", "Output": "out", "InputOutput": "inout"}


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(str(value))


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}[str(value).strip().lower()]


def _moment(value: Any) -> datetime:
    """Without a zone: one that is there is taken as the server would, as UTC."""
    return parse_timestamp(str(value)).wall_clock()


def _zoned(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        found = _moment(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# By Data Factory's name in lower case: the type here, and how a value is read.
_TYPES: Mapping[str, tuple[ParameterType, Callable[[Any], Any]]] = {
    "string": ("string", lambda value: value if isinstance(value, str) else str(value)),
    "byte": ("int16", _whole), "sbyte": ("int16", _whole), "int16": ("int16", _whole),
    "short": ("int16", _whole), "int": ("int32", _whole), "int32": ("int32", _whole),
    "int64": ("int64", _whole), "long": ("int64", _whole),
    "decimal": ("decimal", lambda value: Decimal(str(value))),
    "single": ("float", float), "float": ("float", float), "double": ("double", float),
    "boolean": ("bool", _flag), "bool": ("bool", _flag), "guid": ("guid", UUID),
    "datetime": ("datetime", _moment), "datetimeoffset": ("datetimeoffset", _zoned),
    "date": ("date", lambda value: _moment(value).date()),
    "timespan": ("time", time.fromisoformat), "time": ("time", time.fromisoformat),
    "byte[]": ("bytes", lambda value: base64.b64decode(value, validate=True)),
}  # fmt: skip


def parameter(name: str, given: AdfProperties) -> Parameter | None:
    """None where something of it is wrong, which its remarks say, or only known when the pipeline runs."""
    kind = given.text("type") or _kind_of(given.get("value"))
    direction = given.choice("direction", {each: each for each in _DIRECTIONS}, "Input")
    size = given.whole("size")
    known = _TYPES.get(kind.lower())
    if known is None:
        if not isinstance(kind, AdfComputed):
            what = f"the parameter {name!r} has the type {kind!r}, which is not supported"
            given.refuse("type", what + did_you_mean(kind, _TYPES))
        given.ignore_all()
        return None
    value = given.get("value")
    if isinstance(value, AdfComputed):
        return None
    if value is not None and direction != "Output":
        try:
            value = known[1](value)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, binascii.Error):
            given.refuse("value", f"the parameter {name!r} has a value that is no {kind}", "error")
            return None
    elif direction == "Output":
        value = None
    return Parameter(name.removeprefix("@"), value, known[0], _DIRECTIONS[direction], size)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    return "Int64" if isinstance(value, int) else "Double" if isinstance(value, float) else "String"


def by_name(given: AdfProperties) -> list[Parameter]:
    """Of a procedure: ``{"name": {"value": ..., "type": ...}}``, or the values alone."""
    found = []
    for name in given:
        value = given.get(name)
        one = given.inner(name) if isinstance(value, Mapping) else AdfProperties({"value": value})
        if (made := parameter(name, one)) is not None:
            found.append(made)
    return found
