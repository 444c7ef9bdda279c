"""How wide the rows of a Parquet file are as Arrow data, estimated from its footer.

Only what pyarrow can be asked safely is asked of pyarrow: ``RowGroupMetaData.column`` ends the process
when a damaged column chunk makes its C++ constructor throw (seen with pyarrow 26 and a size histogram of
the wrong length). Column chunks are read from the footer's bytes instead, those of the first row group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .parquet_scan import Chunk, first_chunks

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_CUT_STATISTICS = 64
"""Some writers cut the minimum and maximum of strings at this length."""
_ENCODED_SIZE = 2
"""Most bytes per value of a column chunk that is all dictionary: a plain string takes four and its own."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A primitive column. ``width``: bytes per row; ``unsure``: may be far too little.

    ``encoded``: strings that the first row group has as a small dictionary, one to a row.
    """

    path: str
    width: float
    unsure: bool
    encoded: bool = False


def leaves(metadata: pq.FileMetaData, footer: bytes) -> list[Leaf]:
    """All primitive columns, in the file's order. Errors: see ``parquet_thrift``."""
    chunks = first_chunks(footer) if metadata.num_row_groups else []
    rows = metadata.row_group(0).num_rows if metadata.num_row_groups else 0
    found = []
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        fixed = _WIDTHS.get(column.physical_type, max(0, column.length))
        if column.logical_type.type == "DECIMAL":
            fixed = 16 if column.precision <= 38 else 32
        chunk = chunks[index] if index < len(chunks) else Chunk()
        per_row = chunk.values / rows if rows > 0 and column.max_repetition_level else 1
        length, unsure = (fixed, False) if fixed else _string_length(chunk)
        strings = not fixed and not column.max_repetition_level and column.max_definition_level <= 1
        small = chunk.dictionary and 0 < chunk.size <= _ENCODED_SIZE * chunk.values
        found.append(Leaf(column.path, length * per_row, unsure, strings and small))
    return found


def selected(leaves: Sequence[Leaf], names: Sequence[str] | None) -> list[Leaf]:
    """The primitive columns of these top-level columns (None: of all)."""
    if names is None:
        return list(leaves)
    prefixes = tuple(f"{name}." for name in names)
    return [leaf for leaf in leaves if f"{leaf.path}.".startswith(prefixes)]


def _string_length(chunk: Chunk) -> tuple[float, bool]:
    """The length of a chunk's strings with their offset, and whether it is a guess.

    A dictionary hides it: a thousand equal strings take the room of one. The minimum and maximum
    are then the only samples, where the writer did not leave them out or cut them.
    """
    average = 4 + chunk.size / max(1, chunk.values)
    if chunk.values and not chunk.dictionary:
        return average, False
    return max(average, 4 + chunk.longest), not 0 < chunk.longest < _CUT_STATISTICS
