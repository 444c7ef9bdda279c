"""Values on their way into and out of SQLite: what it has no type for is ISO text."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from crossdock import DataError

from .sqlite_types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = dt.date(1970, 1, 1)
_FIRST, _LAST = ((day - _EPOCH).days for day in (dt.date(1, 1, 1), dt.date(9999, 12, 31)))
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def stored_type(kind: pa.DataType, code: str) -> pa.DataType:
    """The Arrow type that the driver is given for a column of type ``kind``."""
    import pyarrow as pa
    import pyarrow.types as pt

    if code.startswith(("time", "decimal")):
        return pa.string()
    if code == "date32" or (code == "float64" and pt.is_decimal(kind)):
        return arrow_type(code)
    return kind.value_type if pt.is_dictionary(kind) else kind


def encode(values: pa.Array, name: str, code: str, nan: Literal["error", "null"]) -> pa.Array:
    """Make an array storable. Raises DataError for a value that would not come back as it was."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if pt.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pt.is_floating(kind) and nan == "error" and pc.any(pc.is_nan(values)).as_py():
        raise DataError(
            f"column {name!r} holds NaN, which SQLite stores as null; choose nan=null to allow that"
        )
    if pt.is_uint64(kind) and (pc.max(values).as_py() or 0) >= 2**63:
        raise DataError(f"column {name!r} holds {pc.max(values)}; SQLite has integers below 2**63 only")
    if pt.is_timestamp(kind):
        _check_years(values, name, _PER_DAY[kind.unit])
        # Without the zone: Arrow writes that 25 times faster, and the driver's own way is slow as well.
        text = values.cast(pa.timestamp(kind.unit)).cast(pa.string())
        return pc.binary_join_element_wise(text, pa.scalar("Z"), pa.scalar("")) if kind.tz else text
    if pt.is_date(kind):
        values = values.cast(pa.date32())
        _check_years(values, name, 1)
        return values
    if pt.is_time(kind) or (pt.is_decimal(kind) and code != "float64"):
        return values.cast(pa.string())
    return values.cast(pa.float64()) if pt.is_decimal(kind) else values


def _check_years(values: pa.Array, name: str, per_day: int) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(values.view(pa.int32() if per_day == 1 else pa.int64()))
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is not None and (low < _FIRST * per_day or high >= (_LAST + 1) * per_day):
        raise DataError(
            f"column {name!r} holds a date outside the years 1 to 9999, which ISO text cannot tell"
        )


def parse(values: pa.Array, code: str) -> pa.Array:
    """The inverse of ``encode`` for a column as the driver reads it. Raises pyarrow.ArrowInvalid."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = arrow_type(code)
    if code == "bool":
        ends = pc.min_max(values)
        if not (ends["min"].as_py() in (0, 1, None) and ends["max"].as_py() in (0, 1, None)):
            raise pa.ArrowInvalid("neither 0 nor 1")
    if code == "null":
        return pa.nulls(len(values))
    if code.startswith("time64"):
        # Arrow parses moments, not times of day.
        moments = pc.binary_join_element_wise(pa.scalar("1970-01-01"), values, pa.scalar(" "))
        return moments.cast(pa.timestamp(kind.unit)).cast(kind)
    if code == "string":
        values.validate(full=True)
        return values
    return values if values.type == kind else values.cast(kind)
