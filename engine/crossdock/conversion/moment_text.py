"""Dates and times to texts by .NET's format strings, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError
from .cultures import Culture
from .cultures import culture as culture_of
from .date_patterns import Token, tokens

Array: TypeAlias = pa.Array
Write = Callable[[Array, int, Culture], Array]


def pattern_tokens(pattern: str, culture: Culture) -> list[Token]:
    """The parts of a standard or a custom format string. Raises ConfigError for one that is neither."""
    custom = culture.standard(pattern) if len(pattern) == 1 else pattern
    try:
        if custom is None:
            raise ValueError(f"has one letter, which is no standard format; %{pattern} is a part of a date")
        found = list(tokens(custom))
        if any(each.run and each.text[0] in "fF" and len(each.text) > 7 for each in found):
            raise ValueError("has more than 7 digits of a second")
    except ValueError as error:
        said = str(error).removeprefix("was given a format in which ")
        raise ConfigError(f"the format {pattern!r} cannot be read: {said}") from None
    return found


def culture_for(pattern: str, culture: Culture) -> Culture:
    """The culture that a pattern is written in: some standard ones are the same in all."""
    return culture_of("") if pattern in ("o", "O", "r", "R", "s", "u") else culture


def moment_to_text(values: Array, pattern: str, culture: Culture) -> Array:
    """Dates, times of a day and timestamps (those with a zone in UTC) as text; years beyond 9999 are null."""
    zone = getattr(values.type, "tz", None) and "+00:00"
    values, culture = _in_utc(values), culture_for(pattern, culture)
    if not pa.types.is_time(values.type):
        year = pc.year(values)
        values = pc.if_else(pc.and_(pc.greater_equal(year, 1), pc.less_equal(year, 9999)), values, None)
    parts: list[Array | str] = [""]
    for token in pattern_tokens(pattern, culture):
        if not token.run:
            literal = culture.date_separator if token.plain and token.text == "/" else token.text
            if isinstance(parts[-1], str):
                parts[-1] += literal
            else:
                parts.append(literal)
        elif token.text[0] == "K":
            parts.append(pc.if_else(values.is_valid(), zone or "", None))
        elif token.text[0] == "F":
            _add_optional_fraction(parts, values, len(token.text))
        else:
            parts.append(_WRITERS[token.text[0]](values, len(token.text), culture))
    written = [each for each in parts if not (isinstance(each, str) and not each)]
    if not any(isinstance(each, pa.Array) for each in written):
        written.append(pc.if_else(values.is_valid(), "", None))
    return pc.binary_join_element_wise(*written, "")


def _in_utc(values: Array) -> Array:
    kind = values.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pc.cast(pc.cast(values, pa.timestamp(kind.unit, "UTC")), pa.timestamp(kind.unit))
    if pa.types.is_date64(kind):
        return pc.cast(values, pa.date32())
    return values


@cache
def _numbers(count: int, width: int) -> pa.StringArray:
    return pa.array([f"{each:0{width}d}" for each in range(count)])


def _named(names: Sequence[str], index: Array) -> Array:
    return pa.array(list(names), pa.string()).take(index)


def _number(index: Array, count: int, width: int) -> Array:
    return _numbers(count, width).take(index)


def _day(values: Array, width: int, culture: Culture) -> Array:
    if width <= 2:
        return _number(pc.day(values), 32, width)
    return _named(culture.short_days if width == 3 else culture.days, pc.day_of_week(values))


def _month(values: Array, width: int, culture: Culture) -> Array:
    if width <= 2:
        return _number(pc.month(values), 13, width)
    names = culture.short_months if width == 3 else culture.months
    return _named(names, pc.subtract(pc.month(values), 1))


def _year(values: Array, width: int, culture: Culture) -> Array:
    year = pc.year(values)
    if width > 2:
        return _number(year, 10_000, width)
    return _number(pc.subtract(year, pc.multiply(pc.divide(year, 100), 100)), 100, width)


def _hour(values: Array) -> Array:
    return _or_zero(pc.hour, values)


def _or_zero(part: Callable[[Array], Array], values: Array) -> Array:
    """A part of the time of day, of which a date has none."""
    if pa.types.is_date(values.type):
        return pc.if_else(values.is_valid(), pa.scalar(0, pa.int64()), None)
    return part(values)


def _half_day(values: Array, width: int, culture: Culture) -> Array:
    names = [each[:1] if width == 1 else each for each in culture.halves]
    return _named(names, pc.divide(_hour(values), 12))


def _twelve(values: Array, width: int, culture: Culture) -> Array:
    table = [f"{(hour % 12 or 12):0{min(width, 2)}d}" for hour in range(24)]
    return _named(table, _hour(values))


def _fraction(values: Array, width: int, culture: Culture | None = None) -> Array:
    parts = [
        _number(_or_zero(each, values), 1000, 3) for each in (pc.millisecond, pc.microsecond, pc.nanosecond)
    ]
    return pc.utf8_slice_codeunits(pc.binary_join_element_wise(*parts, ""), 0, width)


def _add_optional_fraction(parts: list[Array | str], values: Array, width: int) -> None:
    """Without zeros at its end; where none is left, without the point before it."""
    text = pc.utf8_rtrim(_fraction(values, width), "0")
    if isinstance(parts[-1], str) and parts[-1].endswith("."):
        parts[-1] = parts[-1][:-1]
        text = pc.if_else(pc.equal(text, ""), "", pc.binary_join_element_wise(".", text, ""))
    parts.append(text)


def _zone(values: Array, width: int, culture: Culture) -> Array:
    return pc.if_else(values.is_valid(), ("+0", "+00", "+00:00")[min(width, 3) - 1], None)


def _part(part: Callable[[Array], Array], count: int) -> Write:
    return lambda values, width, culture: _number(_or_zero(part, values), count, min(width, 2))


_WRITERS: dict[str, Write] = {
    "d": _day,
    "f": _fraction,
    "g": lambda values, width, culture: pc.if_else(values.is_valid(), "A.D.", None),
    "h": _twelve,
    "H": _part(pc.hour, 24),
    "m": _part(pc.minute, 60),
    "M": _month,
    "s": _part(pc.second, 61),
    "t": _half_day,
    "y": _year,
    "z": _zone,
}
