"""Types of columns by the names that people write: ``decimal(10,2)``, ``timestamp(us,UTC)``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from .errors import ConfigError

_SIMPLE = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "int": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_TIMESTAMP = re.compile(r"timestamp\(\s*(s|ms|us|ns)\s*(?:,\s*([A-Za-z0-9_+:/-]+)\s*)?\)")


def name_of(kind: pa.DataType) -> str:
    """The name that ``parse_type`` reads as this type; empty for one without a name."""
    if pa.types.is_decimal128(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return next((name for name, each in _SIMPLE.items() if each == kind), "")


def parse_type(
    text: str, where: str = "types", more: Mapping[str, pa.DataType] = MappingProxyType({})
) -> pa.DataType:
    """The type of that name, also one of ``more``. Raises ConfigError, which begins with ``where``."""
    text = text.strip()
    lower, simple = text.lower(), {**_SIMPLE, **more}
    if lower in simple:
        return simple[lower]
    if match := _DECIMAL.fullmatch(lower):
        precision, scale = int(match[1]), int(match[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
        raise ConfigError(f"{where}: {text} is out of range; precision is 1 to 38 and scale at most that")
    # The zone keeps its case: "Europe/Berlin".
    if match := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(match[1], match[2])
    known = [*simple, "decimal(p,s)", "timestamp(unit,zone)"]
    near = difflib.get_close_matches(lower, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{where}: unknown type {text!r} (known: {', '.join(known)}){hint}")
