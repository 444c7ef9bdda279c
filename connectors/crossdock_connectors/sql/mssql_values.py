"""Whether Arrow's values fit into a column of SQL Server, and their form for the bulk copy."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from crossdock import DataError

from .mssql_types import Type

_INTEGERS = {"tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64()}
_TEXTS = ("char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml", "uniqueidentifier")
_MONEY = {"money": Decimal("922337203685477.5807"), "smallmoney": Decimal("214748.3647")}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_GUID = r"^[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\z"
# Milliseconds of datetime are thirds of a hundredth; before 1970 the remainder is negative.
_THIRDS = (0, 3000, 7000, -3000, -7000)


def form(kind: pa.DataType, target: Type) -> pa.DataType | None:
    """The Arrow type in which values of ``kind`` are loaded; None where they would not all fit or not stay
    what they are. Texts, moments, times and money are looked at one by one."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if target.name in _INTEGERS:
        return _widened(kind, _INTEGERS[target.name])
    if pa.types.is_timestamp(kind):
        return _moment(kind, target)
    if target.name == "time" and pa.types.is_time(kind):
        return pa.time64("ns" if kind.unit == "ns" else "us")
    if target.name == "decimal" or target.name in _MONEY:
        return _decimal(kind, target)
    families: dict[str, tuple[Callable[[pa.DataType], bool], pa.DataType]] = {
        **dict.fromkeys(_TEXTS, (_is_text, pa.large_string())),
        "varbinary": (_is_binary, pa.large_binary()),
        "image": (_is_binary, pa.large_binary()),
        "binary": (
            lambda k: (
                _is_binary(k) and (not pa.types.is_fixed_size_binary(k) or k.byte_width == target.length)
            ),
            pa.large_binary(),
        ),
        "float": (lambda k: k in (pa.float32(), pa.float64()), pa.float64()),
        "real": (lambda k: k == pa.float32(), pa.float32()),
        "bit": (pa.types.is_boolean, pa.bool_()),
        "date": (pa.types.is_date32, pa.date32()),
    }
    takes, wanted = families.get(target.name, (lambda _: False, None))
    return wanted if takes(kind) else None


def text_as(target: Type) -> pa.DataType | None:
    """What a text is read as on its way into a column; None where there is no such thing."""
    if target.name == "decimal":
        return pa.decimal128(target.precision, target.scale)
    if target.name in _MONEY:
        return pa.decimal128(19 if target.name == "money" else 10, 4)
    moments = dict.fromkeys(("datetime2", "datetime", "smalldatetime"), pa.timestamp("us"))
    texts = dict.fromkeys(_TEXTS, pa.string())
    others = {"float": pa.float64(), "real": pa.float32(), "date": pa.date32(), "bit": pa.bool_(),
              "time": pa.time64("us")}  # fmt: skip
    return (_INTEGERS | moments | texts | others).get(target.name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    fixed = pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or fixed)


def _widened(kind: pa.DataType, wanted: pa.DataType) -> pa.DataType | None:
    if not pa.types.is_integer(kind):
        return None
    if kind == wanted:
        return wanted
    return wanted if kind.bit_width < wanted.bit_width and pa.types.is_signed_integer(wanted) else None


def _moment(kind: pa.DataType, target: Type) -> pa.DataType | None:
    zones = {"datetime2": None, "datetime": None, "smalldatetime": None, "datetimeoffset": "UTC"}
    if target.name not in zones or (kind.tz is None) != (zones[target.name] is None):
        return None
    fine = kind.unit == "ns" and target.name in ("datetime2", "datetimeoffset")
    return pa.timestamp("ns" if fine else "us", zones[target.name])


def _decimal(kind: pa.DataType, target: Type) -> pa.DataType | None:
    precision, scale = {"money": (19, 4), "smallmoney": (10, 4)}.get(
        target.name, (target.precision, target.scale)
    )
    if pa.types.is_integer(kind):
        digits = {8: 3, 16: 5, 32: 10, 64: 20 if kind == pa.uint64() else 19}[kind.bit_width]
        return pa.decimal128(precision, scale) if precision - scale >= digits else None
    if not pa.types.is_decimal(kind):
        return None
    wide = precision - scale >= kind.precision - kind.scale and scale >= kind.scale
    return pa.decimal128(precision, scale) if wide else None


def loaded(values: pa.Array, name: str, target: Type, wanted: pa.DataType) -> pa.Array:
    """The values as they are loaded. Raises DataError for one that the column would not keep."""
    if pa.types.is_floating(wanted) and not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise DataError(f"column {name!r} has NaN or an infinite number, which SQL Server has not")
    if pa.types.is_timestamp(values.type) or pa.types.is_time(values.type):
        _check_moments(values, name, target)
    try:
        found = values if values.type == wanted else values.cast(wanted)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r} has a value that {target} cannot hold ({error})") from error
    if target.name in _TEXTS:
        _check_text(found, name, target)
    if target.name in ("binary", "varbinary") and target.length > 0:
        _check_lengths(found, name, target)
    if target.name in _MONEY and len(found) > found.null_count:
        _check_money(found, name, target)
    if pa.types.is_decimal(wanted) and found.buffers()[1].address % 16:
        # The bulk copy panics on decimals that are not aligned.
        found = pa.concat_arrays([found, pa.nulls(1, wanted)])[:-1]
    return found


def _check_moments(values: pa.Array, name: str, target: Type) -> None:
    """Each value is one that the type can tell."""
    digits = _DIGITS[values.type.unit]
    width = pa.int32() if values.type.bit_width == 32 else pa.int64()
    allowed: tuple[int, ...] = (0,)
    if target.name == "datetime":
        allowed = tuple(each * 10**digits // 10**6 for each in _THIRDS)
        step = max(1, 10**digits // 100)
    elif target.name == "smalldatetime":
        step = 60 * 10**digits
    else:
        step = 10 ** max(0, digits - target.scale)
    numbers = values.drop_null().cast(width).cast(pa.int64())
    rest = pc.subtract(numbers, pc.multiply(pc.divide(numbers, step), step))
    if not pc.all(pc.is_in(rest, pa.array(allowed, pa.int64())), min_count=0).as_py():
        raise DataError(f"column {name!r} has moments or times finer than {target} can tell")


def _check_lengths(values: pa.Array, name: str, target: Type) -> None:
    sizes = pc.min_max(pc.binary_length(values))
    shortest, longest = sizes["min"].as_py(), sizes["max"].as_py()
    if longest is not None and (
        longest > target.length or (target.name == "binary" and shortest < target.length)
    ):
        raise DataError(f"column {name!r} has a value of {longest:,} bytes, which {target} would not keep")


def _check_money(values: pa.Array, name: str, target: Type) -> None:
    extremes, most = pc.min_max(values), _MONEY[target.name]
    # As of all integers, there is one more below zero.
    if extremes["max"].as_py() > most or extremes["min"].as_py() < -most - Decimal("0.0001"):
        raise DataError(f"column {name!r} has an amount that is too large for {target}")


def _check_text(values: pa.Array, name: str, target: Type) -> None:
    if target.name == "uniqueidentifier":
        if not pc.all(pc.match_substring_regex(values, _GUID), min_count=0).as_py():
            raise DataError(f"column {name!r} has a text that is no uniqueidentifier, without braces")
        return
    narrow = target.name in ("char", "varchar", "text")
    if narrow and not pc.all(pc.string_is_ascii(values), min_count=0).as_py():
        raise DataError(
            f"column {name!r} has characters beyond ASCII, and {target} may change them; use nvarchar"
        )
    if target.length > 0 and (pc.max(pc.binary_length(values)).as_py() or 0) > target.length:
        # Lengths are counted in UTF-16.
        units = pc.add(pc.utf8_length(values), pc.count_substring_regex(values, "[\U00010000-\U0010ffff]"))
        longest = pc.max(units).as_py() or 0
        if longest > target.length:
            raise DataError(f"column {name!r} has a text of {longest:,} characters, too long for {target}")
