"""The column mapping: how it is asked for, and compiled once per unit into ``RecordBatch -> RecordBatch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import Apply, ColumnMapping, MappedColumn
from .parsing import parse_map

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Apply", "ColumnMapping", "MappedColumn", "compile_mapping", "parse_map"]


def compile_mapping(
    schema: pa.Schema, mapping: ColumnMapping | None, where: str, notes: list[str] | None = None
) -> tuple[pa.Schema, Apply | None]:
    """The mapped schema, and the function that maps a batch (None: nothing to do).

    ``where`` is the unit, for messages; ``notes`` gets what the report should say. Raises SchemaMismatchError
    for a column that is not there or a type that is not converted, ConfigError for a format or culture that
    does not exist. The function raises DataError for a value that cannot be converted.
    """
    if mapping is None:
        return schema, None
    from .compiling import compiled

    return compiled(schema, mapping, where, notes)
