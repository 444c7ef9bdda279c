"""Spans of time (.NET's TimeSpan) as texts and back: a column at a time.

learn.microsoft.com/dotnet/standard/base-types: "Standard TimeSpan format strings" and "Custom TimeSpan format
strings". What .NET wants to be escaped may also stand there as it is, as in Microsoft's own examples.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError
from .cultures import Culture
from .date_patterns import Token, tokens
from .moment_parts import Numbers
from .moment_reading import read_groups

Array: TypeAlias = pa.Array
_SECOND = 10**9
_DAY = 86_400 * _SECOND
_STANDARD = ("c", "t", "T", "g", "G")
_FREE = (
    r"^-?(?:(?P<d>[0-9]{1,8})\.)?(?P<H>[0-9]{1,2}):(?P<m>[0-9]{1,2})"
    r"(?::(?P<s>[0-9]{1,2})(?:\.(?P<f>[0-9]{1,9}))?)?$"
)
_GENERAL = (
    r"^-?(?:(?P<d>[0-9]{1,8}):)?(?P<H>[0-9]{1,2}):(?P<m>[0-9]{1,2}):(?P<s>[0-9]{1,2})"
    r"(?:\.(?P<f>[0-9]{1,9}))?$"
)
_PER = {"s": _SECOND, "ms": 10**6, "us": 10**3, "ns": 1}


def is_clock_format(pattern: str) -> bool:
    """Whether a format is one of a time of day (``HH:mm``, ``h:mm tt``), not of a span."""
    return bool(re.search("[Ht]", re.sub(r"\\.|'[^']*'", "", pattern))) and pattern not in _STANDARD


def _span_tokens(pattern: str) -> list[Token]:
    try:
        found = list(tokens(pattern))
    except ValueError as error:
        raise ConfigError(f"the format {pattern!r} cannot be read: it {error}") from None
    bad = [each.text for each in found if each.run and each.text[0] not in "dhmsfF"]
    if bad:
        raise ConfigError(f"the format {pattern!r} cannot be read: {bad[0]!r} is no part of a span of time")
    return found


def _nanoseconds(values: Array) -> tuple[Numbers, Array]:
    unit, size = values.type.unit, pa.int32() if values.type.bit_width == 32 else pa.int64()
    ticks = pc.fill_null(pc.cast(values.cast(size), pa.int64()), 0).to_numpy(zero_copy_only=False)
    return ticks * _PER[unit], values.is_valid()


def span_to_text(values: Array, pattern: str) -> Array:
    """Durations and times of a day as text."""
    ticks, valid = _nanoseconds(values)
    size = np.abs(ticks)
    parts = {
        "d": size // _DAY,
        "h": size // (3600 * _SECOND) % 24,
        "m": size // (60 * _SECOND) % 60,
        "s": size // _SECOND % 60,
    }
    fraction = pc.utf8_lpad(pc.cast(pa.array(size % _SECOND // 100), pa.string()), 7, "0")
    if len(pattern) == 1 and pattern in _STANDARD:
        return pc.if_else(valid, _standard(pattern, ticks, parts, fraction), None)
    out: list[Array | str] = []
    for token in _span_tokens(pattern):
        letter, width = token.text[0], len(token.text)
        if not token.run:
            out.append(token.text)
        elif letter in "fF":
            cut = pc.utf8_slice_codeunits(fraction, 0, width)
            out.append(pc.utf8_rtrim(cut, "0") if letter == "F" else cut)
        else:
            out.append(_padded(parts[letter], width))
    return pc.if_else(valid, pc.binary_join_element_wise(*out, ""), None)


def _padded(numbers: Numbers, width: int) -> Array:
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")


def _standard(pattern: str, ticks: Numbers, parts: dict[str, Numbers], fraction: Array) -> Array:
    """``c``: ``[-][d.]hh:mm:ss[.fffffff]``; ``g`` is short, ``G`` has everything."""
    sign, short = pa.array(np.where(ticks < 0, "-", "")), pattern == "g"
    mark, always = (":", pattern == "G") if pattern in "gG" else (".", False)
    days = pc.binary_join_element_wise(_padded(parts["d"], 1), mark, "")
    if not always:
        days = pc.if_else(pa.array(parts["d"] > 0), days, "")
    rest = pc.utf8_rtrim(fraction, "0") if short else fraction
    some = pc.binary_join_element_wise(".", rest, "")
    if not always:
        some = pc.if_else(pc.equal(fraction, "0000000"), "", some)
    clock = [_padded(parts["h"], 1 if short else 2), ":", _padded(parts["m"], 2), ":", _padded(parts["s"], 2)]
    return pc.binary_join_element_wise(sign, days, *clock, some, "")


def text_to_span(text: Array, pattern: str, kind: pa.DataType, culture: Culture, *, truncate: bool) -> Array:
    """Texts as durations, or as times of a day, where a span of less than none or more than a day is null."""
    trimmed = pc.utf8_trim_whitespace(text)
    standard = not pattern or pattern in _STANDARD
    form = (_GENERAL if pattern in ("g", "G") else _FREE) if standard else _form(pattern)
    parts = read_groups(trimmed, form, culture)
    clock, fits = parts.clock()
    ticks = parts.of("d") * _DAY + clock
    negative = pc.fill_null(pc.starts_with(trimmed, "-"), False).to_numpy(zero_copy_only=False)
    ticks = np.where(negative, -ticks, ticks)
    return of_nanoseconds(ticks, parts.valid & fits, kind, truncate=truncate)


def of_nanoseconds(
    ticks: Numbers, valid: np.ndarray[tuple[int], np.dtype[np.bool_]], kind: pa.DataType, *, truncate: bool
) -> Array:
    """Nanoseconds as durations or times of a day."""
    per = _PER[kind.unit]
    if not truncate:
        valid = valid & (ticks % per == 0)
    if pa.types.is_time(kind):
        valid = valid & (ticks >= 0) & (ticks < _DAY)
    wide = np.int32 if kind.bit_width == 32 else np.int64
    # Towards zero, also of a negative span.
    whole = np.sign(ticks) * (np.abs(ticks) // per)
    return pa.array(np.where(valid, whole, 0).astype(wide), mask=~valid).cast(kind)


def _form(pattern: str) -> str:
    form = ""
    for token in _span_tokens(pattern):
        letter, width = token.text[0], len(token.text)
        if not token.run:
            form += re.escape(token.text)
        elif letter == "d":
            form += f"(?P<d>[0-9]{{{width},8}})"
        elif letter in "fF":
            form += f"(?P<f>[0-9]{{{width if letter == 'f' else f'0,{width}'}}})"
        else:
            form += f"(?P<{'H' if letter == 'h' else letter}>[0-9]{{{'1,2' if width == 1 else 2}}})"
    return f"^-?{form}$"


def span_to_span(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    """Durations and times of a day, one into the other."""
    ticks, valid = _nanoseconds(values)
    return of_nanoseconds(ticks, valid.to_numpy(zero_copy_only=False), kind, truncate=truncate)
