"""What a Parquet footer of unknown origin says, read without pyarrow. Errors: see ``parquet_thrift``."""

from __future__ import annotations

from dataclasses import dataclass

from .block_files import read_varint
from .parquet_thrift import BINARY, I32, I64, LIST, STRUCT, fields, list_header, skip


def schema_depth(footer: bytes, limit: int) -> int:
    """How deep groups are nested in the schema; counting ends above ``limit``.

    Up to version 24 pyarrow ends the process when a schema is nested some thousand times. (FileMetaData 2
    schema: SchemaElements in depth-first order; SchemaElement 5 num_children.)
    """
    position = next((at for kind, name, at in fields(footer, 0) if name == 2 and kind == LIST), None)
    if position is None:
        return 0
    position, count = list_header(footer, position)
    open_groups: list[int] = []
    deepest = 0
    for _ in range(count):
        children = 0
        for kind, name, at in fields(footer, position):
            if name == 5 and kind == I32:
                children = read_varint(footer, at)[0] >> 1
        position = skip(footer, position, STRUCT)
        while open_groups and not open_groups[-1]:
            open_groups.pop()
        if open_groups:
            open_groups[-1] -= 1
        if children:
            open_groups.append(children)
            deepest = max(deepest, len(open_groups))
        if deepest > limit:
            break
    return deepest


@dataclass(slots=True)
class Chunk:
    """What a footer says of a column chunk: values, encoded bytes, the longer of minimum and maximum."""

    values: int = 0
    size: int = 0
    dictionary: bool = False
    longest: int = 0


def first_chunks(footer: bytes) -> list[Chunk]:
    """The column chunks of the first row group.

    (FileMetaData 4 row_groups, RowGroup 1 columns, ColumnChunk 3 meta_data.)
    """
    groups = next((at for kind, name, at in fields(footer, 0) if name == 4 and kind == LIST), None)
    if groups is None:
        return []
    position, count = list_header(footer, groups)
    if not count:
        return []
    for kind, field_id, at in fields(footer, position):
        if field_id == 1 and kind == LIST:
            return _chunks(footer, at)
    return []


def _chunks(footer: bytes, position: int) -> list[Chunk]:
    chunks = []
    position, count = list_header(footer, position)
    for _ in range(count):
        chunk = Chunk()
        for kind, field_id, at in fields(footer, position):
            if field_id == 3 and kind == STRUCT:
                _describe(chunk, footer, at)
        chunks.append(chunk)
        position = skip(footer, position, STRUCT)
    return chunks


def _describe(chunk: Chunk, footer: bytes, position: int) -> None:
    """ColumnMetaData 5 num_values, 6 total_uncompressed_size, 11, 12 statistics (1, 2, 5, 6: its bounds)."""
    for kind, field_id, at in fields(footer, position):
        if kind == I64 and field_id in (5, 6, 11):
            value = read_varint(footer, at)[0] >> 1
            if field_id == 5:
                chunk.values = value
            elif field_id == 6:
                chunk.size = value
            else:
                chunk.dictionary = value > 0
        elif kind == STRUCT and field_id == 12:
            bounds = [
                read_varint(footer, start)[0]
                for inner, bound, start in fields(footer, at)
                if inner == BINARY and bound in (1, 2, 5, 6)
            ]
            chunk.longest = max(bounds, default=0)
