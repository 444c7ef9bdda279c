"""Texts to parts of dates and times, by .NET's format strings or as they usually are: a column at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cultures import Culture
from .date_patterns import Token
from .moment_parts import Flags, Numbers, Parts
from .moment_text import culture_for, pattern_tokens

Array: TypeAlias = pa.Array
_WIDTHS = {"yyyy": 4, "MM": 2, "dd": 2, "HH": 2, "mm": 2, "ss": 2, "yy": 2}
_LATEST = 49  # two digits of a year are 1950 to 2049, as in .NET
_ZONE = r"Z|GMT|UTC|[+-][0-9]{1,2}(?::?[0-9]{2})?"


def read_exactly(text: Array, pattern: str, culture: Culture) -> Parts:
    """As ``ParseExact`` does. Raises ConfigError for a pattern that cannot be read."""
    culture = culture_for(pattern, culture)
    parts = pattern_tokens(pattern, culture)
    if (quick := _read_columns(text, parts, culture)) is not None:
        return quick
    return read_groups(text, f"(?i)^{''.join(_form(each, culture) for each in parts)}$", culture)


def letters(pattern: str, culture: Culture) -> set[str]:
    """Which parts a pattern has."""
    return {each.text[0] for each in pattern_tokens(pattern, culture) if each.run}


# -- every part at its place ---------------------------------------------------------------------------


def _read_columns(text: Array, parts: Sequence[Token], culture: Culture) -> Parts | None:
    """Where all texts are as long as the pattern, digits are taken by their place; else None."""
    width = 0
    places: list[tuple[str, int, int]] = []
    literals: list[tuple[int, bytes]] = []
    for each in parts:
        size = len(each.text) if each.run and each.text[0] == "f" else _WIDTHS.get(each.text, 0)
        if not each.run:
            if each.plain and each.text == "/" and culture.date_separator != "/":
                return None
            literals.append((width, each.text.encode()))
            width += len(each.text.encode())
        elif size and each.text[0] not in {letter for letter, _, _ in places}:
            places.append((each.text[0], width, size))
            width += size
        else:
            return None
    found = text.drop_null() if text.null_count else text
    if not len(found) or pa.types.is_large_string(text.type) or not places:
        return None
    ends = np.frombuffer(found.buffers()[1], np.int32)[found.offset : found.offset + len(found) + 1]
    if (np.diff(ends) != width).any():
        return None
    data = np.frombuffer(found.buffers()[2], np.uint8)[ends[0] : ends[-1]].reshape(len(found), width)
    valid = np.ones(len(found), np.bool_)
    for at, literal in literals:
        for offset, code in enumerate(literal):
            valid &= data[:, at + offset] == code
    numbers: dict[str, Numbers] = {}
    for letter, at, size in places:
        number = np.zeros(len(found), np.int64)
        for column in range(at, at + size):
            digit = data[:, column] - np.uint8(48)
            valid &= digit < 10
            number = number * 10 + digit
        numbers[letter] = number * 10 ** (9 - size) if letter == "f" else number
        if letter == "y" and size == 2:
            numbers[letter] = _full_year(number)
    return _spread(Parts(valid, numbers), text)


def _spread(parts: Parts, text: Array) -> Parts:
    """The parts of the texts that are there, with rows for nulls between them."""
    if not text.null_count:
        return parts
    there = text.is_valid().to_numpy(zero_copy_only=False)
    valid = np.zeros(len(text), np.bool_)
    valid[there] = parts.valid
    numbers = {}
    for letter, found in parts.numbers.items():
        numbers[letter] = np.zeros(len(text), np.int64)
        numbers[letter][there] = found
    return Parts(valid, numbers)


# -- by regular expressions ----------------------------------------------------------------------------


def _names(names: Iterable[str]) -> str:
    """Any of some names, the longest first; a dot that shortens one may be left out."""
    bare = sorted({name.removesuffix(".") for name in names}, key=len, reverse=True)
    return "|".join(map(re.escape, bare))


def _form(token: Token, culture: Culture) -> str:
    """What matches a part of a pattern, as a group with the name of its number."""
    letter, width = token.text[0], len(token.text)
    if not token.run:
        separator = token.plain and token.text == "/"
        return f"[/{re.escape(culture.date_separator)}]" if separator else re.escape(token.text)
    if letter in "dM" and width > 2:
        short, long = (
            (culture.short_months, culture.months) if letter == "M" else (culture.short_days, culture.days)
        )
        group = "P<N>" if letter == "M" else ":"
        return f"(?{group}{_names(long if width > 3 else short)})\\.?"
    halves = [each[:1] if width == 1 else each for each in culture.halves]
    digits = "{1,2}" if width == 1 else "{2}"
    forms = {
        "y": f"(?P<y>[0-9]{{{'1,2' if width == 1 else width}}})",
        "f": f"(?P<f>[0-9]{{{width}}})",
        "F": f"(?P<f>[0-9]{{0,{width}}})",
        "t": f"(?P<t>{'|'.join(map(re.escape, halves))})",
        "z": "(?P<z>[+-][0-9]{1,2})" if width < 3 else "(?P<z>[+-][0-9]{2}:?[0-9]{2})",
        "K": "(?P<z>Z|[+-][0-9]{2}:[0-9]{2})?",
        "g": r"(?:A\.D\.|AD)",
        "h": f"(?P<H>[0-9]{digits})",
    }
    return forms.get(letter, f"(?P<{letter}>[0-9]{digits})")


def read_freely(text: Array, culture: Culture) -> Parts:
    """ISO 8601, numbers in the culture's order, and names of months: what ``Parse`` mostly takes."""
    trimmed = pc.utf8_trim_whitespace(text)
    parts = read_groups(trimmed, f"(?i)^(?:{_YMD})(?:(?:T|\\s+){_clock(culture)})?$", culture)
    for date in _dates(culture):
        if parts.valid.sum() + text.null_count == len(text):
            break
        form = f"(?i)^(?:{date})(?:(?:T|,?\\s+){_clock(culture)})?$"
        parts = _either(parts, read_groups(trimmed, form, culture))
    return parts


def read_iso(text: Array, culture: Culture, *, zone: bool) -> Parts:
    """ISO 8601 alone. ``zone``: with an offset, if they have one; else those that do are not read."""
    clock = r"(?P<H>[0-9]{2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9})0*)?)?"
    offset = r"(?:\s?(?P<z>Z|[+-][0-9]{2}(?::?[0-9]{2})?))?" if zone else ""
    day = "(?P<y>[0-9]{4})-(?P<M>[0-9]{2})-(?P<d>[0-9]{2})"
    return read_groups(pc.utf8_trim_whitespace(text), f"^{day}(?:[Tt ]{clock}{offset})?$", culture)


def read_clock(text: Array, culture: Culture) -> Parts:
    """Times of a day: ``13:00``, ``1:00:00.5 PM``."""
    return read_groups(pc.utf8_trim_whitespace(text), f"(?i)^{_clock(culture, zone=False)}$", culture)


_YMD = r"(?P<y>[0-9]{4})[-/.](?P<M>[0-9]{1,2})[-/.](?P<d>[0-9]{1,2})"


def _clock(culture: Culture, *, zone: bool = True) -> str:
    halves = _names([*culture.halves, "AM", "PM"])
    form = r"(?P<H>[0-9]{1,2}):(?P<m>[0-9]{1,2})(?::(?P<s>[0-9]{1,2})(?:[.,](?P<f>[0-9]{1,9})[0-9]*)?)?"
    return form + rf"(?:\s*(?P<t>{halves}))?" + (rf"(?:\s*(?P<z>{_ZONE}))?" if zone else "")


def _dates(culture: Culture) -> Iterable[str]:
    day, month, year = "(?P<d>[0-9]{1,2})", "(?P<M>[0-9]{1,2})", "(?P<y>[0-9]{4}|[0-9]{2})"
    by = {"d": day, "m": month, "y": year}
    yield r"[-/.]\s?".join(by[letter] for letter in culture.order) + r"\.?"
    name = f"(?P<N>{_names([*culture.months, *culture.short_months])})\\.?"
    weekday = f"(?:(?:{_names([*culture.days, *culture.short_days])})\\.?,?\\s+)?"
    yield rf"{weekday}{day}[\s.-]+{name}[\s,-]+{year}"
    yield rf"{weekday}{name}\s+{day}\s*,?\s+(?P<y>[0-9]{{4}})"


def _either(first: Parts, second: Parts) -> Parts:
    both = {*first.numbers, *second.numbers}
    numbers = {each: np.where(first.valid, first.of(each), second.of(each)) for each in both}
    return Parts(first.valid | second.valid, numbers)


def read_groups(text: Array, form: str, culture: Culture) -> Parts:
    """The groups of a regular expression, which have the names of ``Parts`` or ``N``, the name of a month."""
    found = pc.extract_regex(text, form)
    groups = dict(zip([field.name for field in found.type], found.flatten(), strict=True))
    valid: Flags = found.is_valid().to_numpy(zero_copy_only=False)
    numbers: dict[str, Numbers] = {}
    for letter, part in groups.items():
        if letter == "N":
            names = [each.removesuffix(".").lower() for each in (*culture.months, *culture.short_months)]
            index = _integers(pc.index_in(pc.utf8_lower(part), pa.array(names)))
            numbers["M"] = index % 12 + 1
        elif letter == "t":
            lowered = pc.utf8_lower(part)
            second = pc.or_(pc.starts_with(lowered, culture.halves[1].lower()[:1]), pc.equal(lowered, "pm"))
            if culture.halves[0][:1] == culture.halves[1][:1]:
                second = pc.or_(pc.equal(lowered, culture.halves[1].lower()), pc.equal(lowered, "pm"))
            numbers["t"] = np.where(_flags(pc.equal(part, "")), 0, _flags(second) + 1)
        elif letter == "z":
            numbers["z"] = _offsets(part)
        elif letter == "f":
            numbers["f"] = _integers(pc.utf8_rpad(part, 9, "0"))
        else:
            numbers[letter] = _integers(pc.if_else(pc.equal(part, ""), "0", part))
            if letter == "y":
                short = _flags(pc.less_equal(pc.utf8_length(part), 2))
                numbers["y"] = np.where(short, _full_year(numbers["y"]), numbers["y"])
    return Parts(valid, numbers)


def _full_year(digits: Numbers) -> Numbers:
    return np.where(digits <= _LATEST, digits + 2000, digits + 1900)


def _integers(values: Array) -> Numbers:
    found: Numbers = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return found


def _flags(values: Array) -> Flags:
    found: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return found


def _offsets(zone: Array) -> Numbers:
    """Minutes east of UTC."""
    parts = pc.extract_regex(zone, r"^(?P<sign>[+-])(?P<hours>[0-9]{1,2}):?(?P<minutes>[0-9]{2})?$").flatten()
    sign, hours, minutes = parts
    size = _integers(hours) * 60 + _integers(pc.if_else(pc.equal(minutes, ""), "0", minutes))
    return np.where(_flags(pc.equal(sign, "-")), -size, size)
