"""Column types as people write them: ``a:string,b:decimal(10,2),c:date``."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from crossdock import ConfigError, SchemaMismatchError, parse_type

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
        found[name] = parse_type(type_name)
    return found


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
