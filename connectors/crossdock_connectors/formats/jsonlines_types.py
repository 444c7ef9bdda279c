"""Types that Arrow's JSON parser does not make: what is read instead, and the way from there."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from crossdock import SchemaMismatchError, is_list, list_offsets


def readable(kind: pa.DataType) -> pa.DataType:
    """The type to have the parser make where ``kind`` is wanted."""
    types = pa.types
    if types.is_date(kind) or types.is_time(kind):
        return pa.string()
    if types.is_float16(kind):
        return pa.float32()
    if types.is_dictionary(kind):
        return readable(kind.value_type)
    if is_list(kind):
        return pa.list_(readable(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, readable(field.type)) for field in kind])
    return kind


def convert(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of ``readable(kind)`` as ``kind``. Raises ArrowInvalid for text that is no such value."""
    types = pa.types
    if column.type.equals(kind):
        return column
    if types.is_time(kind):
        # Arrow casts text to a timestamp, not to a time of day.
        moment = pc.binary_join_element_wise(pa.scalar("1970-01-01T"), column, "")
        return pc.cast(pc.cast(moment, pa.timestamp(kind.unit)), kind)
    if types.is_struct(kind):
        children = [convert(child, field.type) for child, field in zip(column.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=column.is_null())
    if is_list(kind):
        values = convert(column.flatten(), kind.value_type)
        plain = pa.ListArray.from_arrays(list_offsets(column), values, mask=column.is_null())
        return pc.cast(plain, kind)
    return pc.cast(column, kind)


def check_type(kind: pa.DataType, column: str) -> None:
    """Raise SchemaMismatchError for a type that has no form in JSON."""
    types = pa.types
    if types.is_dictionary(kind) or is_list(kind):
        check_type(kind.value_type, column)
    elif types.is_struct(kind):
        for field in kind:
            check_type(field.type, f"{column}.{field.name}")
    elif not _has_text(kind):
        raise SchemaMismatchError(
            f"column {column!r}: JSON lines cannot hold values of type {kind}; "
            "leave the column out or choose a format that can (Parquet)"
        )


def _has_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_date(kind)
        or types.is_time(kind)
        or types.is_timestamp(kind)
    )
