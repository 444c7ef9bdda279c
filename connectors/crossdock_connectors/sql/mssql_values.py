"""Whether Arrow's values fit into a column of SQL Server, and their form for the bulk copy."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from crossdock import DataError

from .mssql_types import Type

_INTEGERS = {"tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64()}
_TEXTS = ("char", "varchar", "nchar", "nvarchar")
_TICK = 100


def form(kind: pa.DataType, target: Type) -> pa.DataType | None:
    """The Arrow type in which values of ``kind`` are loaded; None where they would not all fit or not stay
    what they are. Texts, and moments of nanoseconds, are looked at one by one."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if target.name in _INTEGERS:
        return _widened(kind, _INTEGERS[target.name])
    moments = {"datetime2": None, "datetimeoffset": "UTC"}
    if target.name in moments and pa.types.is_timestamp(kind):
        digits = {"s": 0, "ms": 3, "us": 6, "ns": 7}[kind.unit]
        if target.scale < digits or (kind.tz is None) != (moments[target.name] is None):
            return None
        return pa.timestamp("ns" if kind.unit == "ns" else "us", moments[target.name])
    if target.name == "time" and pa.types.is_time(kind):
        return pa.time64("us") if target.scale >= {"s": 0, "ms": 3, "us": 6, "ns": 10}[kind.unit] else None
    if target.name == "decimal" and pa.types.is_decimal(kind):
        wide = target.precision - target.scale >= kind.precision - kind.scale and target.scale >= kind.scale
        return pa.decimal128(target.precision, target.scale) if wide else None
    families: dict[str, tuple[Callable[[pa.DataType], bool], pa.DataType]] = {
        **dict.fromkeys(_TEXTS, (_is_text, pa.large_string())),
        "varbinary": (_is_binary, pa.large_binary()),
        "binary": (
            lambda k: pa.types.is_fixed_size_binary(k) and k.byte_width == target.length,
            pa.large_binary(),
        ),
        "float": (lambda k: k in (pa.float32(), pa.float64()), pa.float64()),
        "real": (lambda k: k == pa.float32(), pa.float32()),
        "bit": (pa.types.is_boolean, pa.bool_()),
        "date": (pa.types.is_date32, pa.date32()),
    }
    takes, wanted = families.get(target.name, (lambda _: False, None))
    return wanted if takes(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    fixed = pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or fixed)


def _widened(kind: pa.DataType, wanted: pa.DataType) -> pa.DataType | None:
    if not pa.types.is_integer(kind):
        return None
    signed = pa.types.is_signed_integer(kind)
    if kind == wanted:
        return wanted
    fits = kind.bit_width < wanted.bit_width and pa.types.is_signed_integer(wanted)
    return wanted if fits and (signed or kind.bit_width < wanted.bit_width) else None


def loaded(values: pa.Array, name: str, target: Type, wanted: pa.DataType) -> pa.Array:
    """The values as they are loaded. Raises DataError for one that the column would not keep."""
    if pa.types.is_floating(wanted) and not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise DataError(f"column {name!r} has NaN or an infinite number, which SQL Server has not")
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        ticks = values.cast(pa.int64())
        whole = pc.equal(ticks, pc.multiply(pc.divide(ticks, _TICK), _TICK))
        if not pc.all(whole, min_count=0).as_py():
            raise DataError(f"column {name!r} has moments finer than the 100 ns of {target}")
    try:
        found = values if values.type == wanted else values.cast(wanted)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r} has a value that {target} cannot hold ({error})") from error
    if target.name in _TEXTS:
        _check_text(found, name, target)
    if pa.types.is_decimal(wanted) and found.buffers()[1].address % 16:
        # The bulk copy panics on decimals that are not aligned.
        found = pa.concat_arrays([found, pa.nulls(1, wanted)])[:-1]
    return found


def _check_text(values: pa.Array, name: str, target: Type) -> None:
    if target.name in ("char", "varchar") and not pc.all(pc.string_is_ascii(values), min_count=0).as_py():
        raise DataError(
            f"column {name!r} has characters beyond ASCII, and {target} may change them; use nvarchar"
        )
    if target.length > 0:
        longest = pc.max(pc.utf8_length(values)).as_py() or 0
        if longest > target.length:
            raise DataError(f"column {name!r} has a text of {longest:,} characters, too long for {target}")
