"""Numbers and booleans, one into the other. What has no place in the new type becomes null."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Array: TypeAlias = pa.Array
_WIDE = 76


def to_number(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Integers, floats, decimals and booleans as a number of any type, or as a boolean."""
    types, given = pa.types, values.type
    if given.equals(kind):
        return values
    if types.is_boolean(given):
        values = pc.cast(values, pa.uint8())
    if types.is_boolean(kind):
        return _is_not_zero(values)
    if types.is_decimal(kind):
        return to_decimal(values, kind, truncate=truncate)
    if types.is_floating(kind):
        return _to_float(values, kind)
    return _to_integer(values, kind, truncate=truncate)


def _is_not_zero(values: Array) -> Array:
    if pa.types.is_decimal(values.type):
        return pc.not_equal(values, pa.scalar(Decimal(0), values.type))
    return pc.not_equal(values, pa.scalar(0, values.type))


def _to_float(values: Array, kind: pa.DataType) -> Array:
    cast = pc.cast(values, kind, safe=False)
    if not pa.types.is_floating(values.type) or values.type.bit_width <= kind.bit_width:
        return cast
    # Too large for the narrower type: an infinity that was none.
    return pc.if_else(pc.and_(pc.is_finite(values), pc.is_inf(cast)), None, cast)


def _to_integer(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        pass
    if pa.types.is_integer(values.type):
        return pc.cast(_within(values, kind), kind)
    if pa.types.is_floating(values.type):
        whole = pc.trunc(pc.cast(values, pa.float64()))
        kept = whole if truncate else pc.if_else(pc.equal(whole, values), whole, None)
        low, high = _bounds(kind)
        # 2**63 itself is a float, 2**63 - 1 is none.
        fits = pc.and_(pc.greater_equal(kept, float(low)), pc.less(kept, float(high + 1)))
        return pc.cast(pc.if_else(fits, kept, None), kind)
    wide = pa.decimal256(_WIDE, 0)
    whole = pc.cast(values, wide, safe=False)
    if not truncate:
        whole = pc.if_else(_same(whole, values), whole, None)
    low, high = (pa.scalar(Decimal(each), wide) for each in _bounds(kind))
    fits = pc.and_(pc.greater_equal(whole, low), pc.less_equal(whole, high))
    return pc.cast(pc.if_else(fits, whole, None), kind)


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    bits = kind.bit_width
    return (
        (0, 2**bits - 1) if pa.types.is_unsigned_integer(kind) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )


def _within(values: Array, kind: pa.DataType) -> Array:
    """Integers, those beyond ``kind`` null."""
    bounds, own = _bounds(kind), _bounds(values.type)
    low, high = max(bounds[0], own[0]), min(bounds[1], own[1])
    fits = pc.and_(
        pc.greater_equal(values, pa.scalar(low, values.type)),
        pc.less_equal(values, pa.scalar(high, values.type)),
    )
    return pc.if_else(fits, values, None)


def _same(left: Array, right: Array) -> Array:
    wide = pa.decimal256(_WIDE, right.type.scale)
    return pc.equal(pc.cast(left, wide, safe=False), pc.cast(right, wide))


def to_decimal(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Numbers, or texts of plain digits, as decimals."""
    try:
        # A float goes by its shortest text: 0.1 is 0.1, not 0.1000000000000000055.
        if not pa.types.is_floating(values.type):
            return pc.cast(values, kind)
    except pa.ArrowInvalid:
        pass
    if pa.types.is_floating(values.type):
        wider = pc.cast(values, pa.float64()) if values.type.bit_width < 32 else values
        values = pc.cast(pc.if_else(pc.is_finite(wider), wider, None), pa.string())
    if pa.types.is_decimal(values.type) or pa.types.is_integer(values.type):
        scale = values.type.scale if pa.types.is_decimal(values.type) else 0
        return _narrowed(pc.cast(values, pa.decimal256(_WIDE, scale)), kind, truncate=truncate)
    return _of_digits(values, kind, truncate=truncate)


_DIGITS = r"^(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?:[eE](?P<power>[+-]?[0-9]{1,3}))?$"
_SMALLEST = -38


def _of_digits(text: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Texts of a sign, digits, a point, and an exponent."""
    parts = pc.extract_regex(text, _DIGITS)
    sign, whole, part, power = parts.flatten()
    some = pc.and_(parts.is_valid(), pc.not_equal(pc.binary_join_element_wise(whole, part, ""), ""))
    room, scale = kind.precision - kind.scale, kind.scale
    fits = pc.and_(some, pc.less_equal(pc.utf8_length(pc.utf8_ltrim(whole, "0")), room))
    if not truncate:
        fits = pc.and_(fits, pc.equal(pc.utf8_trim(pc.utf8_slice_codeunits(part, scale), "0"), ""))
    # The last 0 stands where there is no fraction; it is one digit more than the type may have.
    cut = pc.binary_join_element_wise(sign, "0", whole, ".", pc.utf8_slice_codeunits(part, 0, scale), "0", "")
    plain = pc.and_(fits, pc.equal(power, ""))
    found = pc.cast(pc.cast(pc.if_else(plain, cut, None), pa.decimal256(_WIDE, scale + 1)), kind, safe=False)
    scientific = pc.and_(some, pc.not_equal(power, ""))
    if pc.any(scientific).as_py():
        exponent = pc.cast(pc.if_else(scientific, pc.utf8_ltrim(power, "+"), None), pa.int32())
        near = pc.and_(pc.less_equal(exponent, room), pc.greater_equal(exponent, _SMALLEST // 2))
        floats = pc.cast(pc.if_else(near, text, None), pa.decimal256(_WIDE, -_SMALLEST))
        found = pc.coalesce(found, _narrowed(floats, kind, truncate=truncate))
    return found


def _narrowed(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Wide decimals as narrower ones; those that need more digits before the point become null."""
    scaled = values
    if kind.scale < values.type.scale:
        scaled = pc.cast(values, pa.decimal256(_WIDE, kind.scale), safe=False)
        if not truncate:
            scaled = pc.if_else(_same(scaled, values), scaled, None)
    limit = pa.scalar(Decimal(10) ** (kind.precision - kind.scale), pa.decimal256(_WIDE, scaled.type.scale))
    fits = pc.less(pc.abs(scaled), limit)
    return pc.cast(pc.if_else(fits, scaled, None), kind)
