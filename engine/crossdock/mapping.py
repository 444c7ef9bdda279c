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
    if text is None:
        return None
    if not isinstance(text, str):
        if not text or not all(text) or not all(text.values()):
            raise ConfigError(f"--map {dict(text)!r}: it needs names of source and sink columns")
        _refuse_doubles(list(text.values()), f"--map {dict(text)!r}")
        return dict(text)
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


def _nearest(name: str, known: list[str]) -> str:
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), folded, 1, 0.5)
    return f"did you mean {folded[near[0]]!r}?" if near else f"its columns: {', '.join(known[:20])}"


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
        found = schema.get_all_field_indices(name)
        if len(found) > 1:
            raise SchemaMismatchError(f"{where} has the column {name!r} twice, so it cannot be mapped")
        if not found:
            raise SchemaMismatchError(
                f"{where} has no column {name!r} to map; {_nearest(name, schema.names)}"
            )
        indices += found
    fields = [schema.field(i).with_name(to) for i, to in zip(indices, columns.values(), strict=True)]
    mapped = pa.schema(fields)

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        # By the batch's own types: a dictionary may stand for the values of its column.
        own = [field.with_type(batch.schema.field(i).type) for i, field in zip(indices, fields, strict=True)]
        return pa.RecordBatch.from_arrays([batch.column(i) for i in indices], schema=pa.schema(own))

    return mapped, apply
