"""Which Arrow types hold the same values, for the table digest."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pt


def canonical(schema: pa.Schema) -> pa.Schema:
    """The schema with every type replaced by the one that stands for all types with the same values.

    Two schemas with equal canonical types have comparable digests. Metadata, nullability, time zones
    and the names of struct fields do not count. Values are compared like this:

    - bool and all integers: as 64-bit integers, modulo 2**64 (true is 1);
    - floats: as doubles; NaN equals NaN, -0.0 equals 0.0 (SQLite does not keep the sign of a zero);
    - decimals: the number; the scale counts, the width and the precision do not;
    - dates and timestamps: nanoseconds since 1970, modulo 2**64 (their units do not count); likewise
      times of day and durations;
    - strings and binaries of every layout: the bytes;
    - lists of every layout and maps (lists of key and value): the elements in order;
    - dictionaries, run-end encoded arrays and extension types: the values they stand for;
    - null equals null only.
    """
    return pa.schema([pa.field(f.name, canonical_type(f.type)) for f in schema])


def canonical_type(kind: pa.DataType) -> pa.DataType:
    """See ``canonical``."""
    if isinstance(kind, pa.BaseExtensionType):
        return canonical_type(kind.storage_type)
    if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        return canonical_type(kind.value_type)
    if pt.is_nested(kind):
        return _nested(kind)
    if pt.is_decimal(kind):
        return pa.decimal256(76, kind.scale)
    return next((stands for holds, stands in _FAMILIES if holds(kind)), kind)


def _nested(kind: pa.DataType) -> pa.DataType:
    if pt.is_map(kind):
        return pa.large_list(_struct([kind.key_type, kind.item_type]))
    if pt.is_struct(kind):
        return _struct([f.type for f in kind])
    if pt.is_union(kind):
        fields = [pa.field(str(i), canonical_type(kind.field(i).type)) for i in range(kind.num_fields)]
        return pa.sparse_union(fields, type_codes=kind.type_codes)
    return pa.large_list(canonical_type(kind.value_type))


def _struct(kinds: list[pa.DataType]) -> pa.DataType:
    return pa.struct([pa.field(str(i), canonical_type(kind)) for i, kind in enumerate(kinds)])


def is_bytes(kind: pa.DataType) -> bool:
    """Whether the values are byte strings, in any layout."""
    return bool(
        pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_fixed_size_binary(kind)
        or is_view(kind)
    )


def is_view(kind: pa.DataType) -> bool:
    """Whether it is a byte string in the view layout."""
    return bool(pt.is_string_view(kind) or pt.is_binary_view(kind))


def nanoseconds(kind: pa.DataType) -> int:
    """How many nanoseconds one unit of a temporal type is."""
    if pt.is_date32(kind):
        return 86_400 * 10**9
    unit = "ms" if pt.is_date64(kind) else kind.unit
    return {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]


_FAMILIES: list[tuple[Callable[[pa.DataType], bool], pa.DataType]] = [
    (lambda kind: pt.is_boolean(kind) or pt.is_integer(kind), pa.int64()),
    (pt.is_floating, pa.float64()),
    (is_bytes, pa.large_binary()),
    (lambda kind: pt.is_timestamp(kind) or pt.is_date(kind), pa.timestamp("ns")),
    (pt.is_time, pa.time64("ns")),
    (pt.is_duration, pa.duration("ns")),
]
