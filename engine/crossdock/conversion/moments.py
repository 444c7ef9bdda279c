"""Dates and timestamps, one into the other. What has no place in the new type becomes null."""

from __future__ import annotations

from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Array: TypeAlias = pa.Array
_UTC = "UTC"


def moment_to_moment(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Those without a zone are in UTC, and become what the clocks of UTC say."""
    types = pa.types
    if types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.cast(
            pc.cast(values, pa.timestamp(values.type.unit, _UTC)), pa.timestamp(values.type.unit)
        )
    if types.is_date(kind):
        return _to_date(values, kind, truncate=truncate)
    values = _in_unit(
        pc.cast(values, pa.timestamp("s")) if types.is_date(values.type) else values, kind.unit, truncate
    )
    return values if kind.tz is None else pc.cast(pc.cast(values, pa.timestamp(kind.unit, _UTC)), kind)


def _to_date(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    if pa.types.is_date(values.type):
        return pc.cast(values, kind)
    days = pc.floor_temporal(values, unit="day")
    if not truncate:
        days = pc.if_else(pc.equal(days, values), days, None)
    return pc.cast(pc.cast(days, pa.date32()), kind)


def _in_unit(values: Array, unit: str, truncate: bool) -> Array:
    if values.type.unit == unit:
        return values
    kind = pa.timestamp(unit)
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        pass
    order = ("s", "ms", "us", "ns")
    if order.index(unit) < order.index(values.type.unit):
        found = pc.cast(values, kind, safe=False)
        return found if truncate else pc.if_else(pc.equal(pc.cast(found, values.type), values), found, None)
    # 64 bits of a finer unit do not reach as far.
    year = pc.year(values)
    near = pc.and_(pc.greater(year, 1677), pc.less(year, 2262))
    return pc.cast(pc.if_else(near, values, None), kind)
