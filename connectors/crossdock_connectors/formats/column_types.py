"""Column types as people write them: ``a:string,b:decimal(10,2),c:date``."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from crossdock import ConfigError, SchemaMismatchError

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
_OUTSIDE_BRACKETS = re.compile(r",(?![^()]*\))")


def parse_types(text: str) -> dict[str, pa.DataType]:
    """Types by column name from ``name:type,name:type``; raises ConfigError for anything else."""
    found: dict[str, pa.DataType] = {}
    for item in filter(None, map(str.strip, _OUTSIDE_BRACKETS.split(text))):
        name, colon, type_name = item.rpartition(":")
        if not colon or not name:
            raise ConfigError(f"types: {item!r} is not of the form column:type")
        if name in found:
            raise ConfigError(f"types: the column {name!r} is given twice")
        found[name] = _parse_type(type_name.strip().lower(), type_name.strip())
    return found


def _parse_type(lower: str, text: str) -> pa.DataType:
    if lower in _SIMPLE:
        return _SIMPLE[lower]
    if match := _DECIMAL.fullmatch(lower):
        precision, scale = int(match[1]), int(match[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
        raise ConfigError(f"types: {text} is out of range; precision is 1 to 38 and scale at most that")
    # The zone keeps its case: "Europe/Berlin".
    if match := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(match[1], match[2])
    known = [*_SIMPLE, "decimal(p,s)", "timestamp(unit,zone)"]
    near = difflib.get_close_matches(lower, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"types: unknown type {text!r} (known: {', '.join(known)}){hint}")


def apply_types(schema: pa.Schema, types: dict[str, pa.DataType], path: str) -> pa.Schema:
    """``schema`` with the given columns' types replaced; a name that it lacks is a ConfigError."""
    for name, kind in types.items():
        index = schema.get_field_index(name)
        if index < 0:
            raise ConfigError(f"types: {path} has no column {name!r}{did_you_mean(name, schema.names)}")
        schema = schema.set(index, pa.field(name, kind))
    return schema


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``; did you mean x?`` where something near is known, else nothing."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def refuse_repeated(schema: pa.Schema) -> None:
    """Raise SchemaMismatchError where two columns have one name."""
    for name, times in Counter(schema.names).most_common(1):
        if times > 1:
            raise SchemaMismatchError(f"{times} columns are called {name!r}; their names must differ")
