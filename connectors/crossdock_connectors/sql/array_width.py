"""How many rows an array of parameters has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# What the parameters of one round trip may take; the driver holds them at the length of the longest value.
_ARRAY_BYTES = 8 << 20
_ARRAY_ROWS = 1000


def fitting(batch: pa.RecordBatch) -> int:
    """How many rows of the widest values one round trip takes: one of a few numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    width = 16 * batch.num_columns
    for values in batch.columns:
        if isinstance(values, pa.StringArray | pa.LargeStringArray | pa.BinaryArray | pa.LargeBinaryArray):
            # A text may be bound in UTF-16.
            width += 2 * (pc.max(pc.binary_length(values)).as_py() or 0)
    size = _ARRAY_ROWS
    while size > 1 and size * width > _ARRAY_BYTES:
        size = max(1, size // 4)
    return size
