"""The column mapping, compiled once per unit into ``RecordBatch -> RecordBatch``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .errors import ConfigError, SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow as pa

Apply = Callable[["pa.RecordBatch"], "pa.RecordBatch"]


def parse_map(text: str | Mapping[str, str] | None) -> dict[str, str] | None:
    """``"a=b,c=d"`` -> ``{"a": "b", "c": "d"}``: source column to sink column; ``a`` alone keeps its name.

    Commas and equal signs in names are written ``\\,`` and ``\\=``. Raises ConfigError.
    """
    if text is None or not isinstance(text, str):
        return dict(text) if text is not None else None
    found: dict[str, str] = {}
    for part in _split(text, ","):
        names = [name.strip() for name in _split(part, "=")]
        if len(names) > 2 or not all(names):
            raise ConfigError(f"--map {text!r}: {part.strip()!r} is not of the form source=sink")
        if names[0] in found:
            raise ConfigError(f"--map {text!r}: the source column {names[0]!r} is named twice")
        found[names[0]] = names[-1]
    _refuse_doubles(list(found.values()), f"--map {text!r}")
    return found


def _split(text: str, separator: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in text:
        if escaped:
            # The other separator stays escaped for the next level.
            current += character if character == separator else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == separator:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current + ("\\" if escaped else "")]


def _refuse_doubles(names: list[str], where: str) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ConfigError(f"{where}: the sink column {doubles[0]!r} would be written twice")


def compile_mapping(
    schema: pa.Schema, columns: Mapping[str, str] | None, where: str
) -> tuple[pa.Schema, Apply | None]:
    """The mapped schema, and the function that maps a batch (None: nothing to do).

    With ``columns`` exactly those are carried, in their order. Raises SchemaMismatchError naming
    the column that ``where`` does not have and the nearest that it has.
    """
    if columns is None:
        return schema, None
    import pyarrow as pa

    indices = []
    for name in columns:
        index = schema.get_field_index(name)
        if index < 0:
            near = difflib.get_close_matches(name, schema.names, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns: {', '.join(schema.names[:20])}"
            raise SchemaMismatchError(f"{where} has no column {name!r} to map; {hint}")
        indices.append(index)
    fields = [schema.field(i).with_name(to) for i, to in zip(indices, columns.values(), strict=True)]
    mapped = pa.schema(fields)

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([batch.column(i) for i in indices], schema=mapped)

    return mapped, apply
