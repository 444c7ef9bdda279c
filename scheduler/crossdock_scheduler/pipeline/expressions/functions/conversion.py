"""Functions from one type to another."""

from __future__ import annotations

import json as json_reader
import math
from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import short
from ..limits import check_length
from ..registry import function
from ..values import (
    INT64,
    binary,
    check_depth,
    content,
    is_binary,
    to_text,
    type_name,
    with_article,
)
from .xml import is_xml, xml_to_json

_SUBJECT = "Conversion"


@function(_SUBJECT, "array(value: any)", "An array of one value; an array stays as it is.")
def array(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@function(_SUBJECT, "createArray(object...: any)", "An array of the values; without any, an empty one.")
def create_array(*values: Any) -> list[Any]:
    return list(values)


@function(_SUBJECT, "coalesce(object: any, more...: any)", "The first value that is not null.", lazy=True)
def coalesce(*values: Callable[[], Any]) -> Any:
    return next((found for each in values if (found := each()) is not None), None)


@function(_SUBJECT, "binary(value: any)", "A value as bytes: those of its text.")
def to_binary(value: Any) -> dict[str, str]:
    if is_binary(value):
        return dict(value)
    text = to_text(value)
    check_length(len(text) * 2)
    return binary(text.encode("utf-8", "surrogatepass"))


@function(_SUBJECT, "bool(value: any)", "true or false of a number or a string.")
def boolean(value: Any) -> bool:
    match value:
        case bool() | int() | float():
            return bool(value)
        case str():
            known = {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
            if known is not None:
                return known
    raise ValueError(f"cannot make a boolean of {_shown(value)}")


@function(_SUBJECT, "float(value: any)", "A number of a string.")
def to_float(value: Any) -> float:
    match value:
        case bool() | int() | float():
            return float(value)
        case str():
            try:
                number = float(_plain_number(value))
            except ValueError:
                pass
            else:
                if math.isfinite(number):
                    return number
    raise ValueError(f"cannot make a number of {_shown(value)}")


@function(_SUBJECT, "int(value: any)", "An integer of a string; of a number the nearest one.")
def to_int(value: Any) -> int:
    number: int | None = None
    match value:
        case bool() | int():
            number = int(value)
        case float() if math.isfinite(value):
            number = round(value)
        case str() if len(value) <= 40:
            try:
                number = int(_plain_number(value))
            except ValueError:
                number = None
    if number is None:
        raise ValueError(f"cannot make an integer of {_shown(value)}")
    if number not in INT64:
        raise ValueError("results in an integer of more than 64 bits")
    return number


def _plain_number(text: str) -> str:
    """What .NET reads as a number too: ASCII, no underscores, thousands apart or not."""
    if not text.isascii() or "_" in text:
        raise ValueError
    return text.strip().replace(",", "")


def _shown(value: Any) -> str:
    return f"'{short(value)}'" if isinstance(value, str) else with_article(type_name(value))


@function(_SUBJECT, "string(value: any)", "A value as text: JSON of arrays and objects.")
def string(value: Any) -> str:
    return to_text(value)


@function(_SUBJECT, "json(value: string|object|null)", "The value that JSON text or XML holds.")
def json(value: Any) -> Any:
    if value is None:
        return {}
    if is_xml(value):
        return xml_to_json(content(value))
    if not isinstance(value, str):
        raise ValueError("takes a string or XML as value, not an object")
    try:
        result = json_reader.loads(value, parse_constant=_not_json, parse_float=_finite)
    except json_reader.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"was given text that is not JSON: {error.msg} at {where}") from None
    check_depth(result)
    return result


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"was given text that is not JSON: {name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"was given JSON with a number that is too large: {short(digits)}")
    return number
