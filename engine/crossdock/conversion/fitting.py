"""Which values become those of a table's column unasked: each stays what it is, or is an error."""

from __future__ import annotations

import pyarrow as pa

from .matrix import family

_OF_TEXT = ("number", "boolean", "moment", "span")


def fits(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether values of ``source`` are to be made values of ``target``.

    Not where all of them are already, as integers of a wider type are; and not where they could change.
    """
    source = source.value_type if pa.types.is_dictionary(source) else source
    given, made = family(source), family(target)
    if given == "null":
        return True
    if given == "text":
        return made in _OF_TEXT
    if given == made == "number":
        return _number(source, target)
    zones = getattr(source, "tz", None), getattr(target, "tz", None)
    return given == made == "moment" and zones == (None, None) and _is_date(source) != _is_date(target)


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind))


def _number(source: pa.DataType, target: pa.DataType) -> bool:
    types = pa.types
    if types.is_floating(target):
        # Whole numbers of so many bits are exact in floats of twice as many.
        return bool(types.is_integer(source)) and 2 * source.bit_width <= target.bit_width
    if types.is_floating(source):
        return True
    return not _holds(target, source)


def _holds(target: pa.DataType, source: pa.DataType) -> bool:
    """Whether every integer or decimal of the one type is one of the other."""
    types = pa.types
    if types.is_integer(target):
        signs = types.is_signed_integer(source), types.is_signed_integer(target)
        room = target.bit_width - (signs == (False, True))
        return bool(types.is_integer(source)) and source.bit_width <= room and signs != (True, False)
    whole, part = _digits(source)
    return bool(whole <= target.precision - target.scale and part <= target.scale)


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Before the point and behind it."""
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return len(str(2**kind.bit_width)), 0
