"""Numbers and booleans as texts and back, as .NET writes and reads them in a culture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cultures import Culture
from .numbers import to_decimal, to_number

Array: TypeAlias = pa.Array


def boolean_to_text(values: Array, *, as_number: bool) -> Array:
    return pc.if_else(values, "1", "0") if as_number else pc.if_else(values, "True", "False")


def text_to_boolean(text: Array, *, as_number: bool) -> Array:
    lowered = pc.ascii_lower(pc.utf8_trim_whitespace(text))
    texts = [["true", "1"], ["false", "0"]] if as_number else [["true"], ["false"]]
    true, false = (pc.is_in(lowered, pa.array(each)) for each in texts)
    return pc.if_else(pc.or_(true, false), true, None)


def number_to_text(values: Array, culture: Culture) -> Array:
    """The shortest text that is the number, such as ``1.5`` and ``1E+16``; decimals with all their digits."""
    text = pc.cast(values, pa.string())
    if pa.types.is_decimal(values.type):
        text = _plain_decimals(text, values.type.scale)
    elif pa.types.is_floating(values.type):
        text = _as_dotnet(text, values)
    return text if culture.decimal == "." else pc.replace_substring(text, ".", culture.decimal)


def _plain_decimals(text: Array, scale: int) -> Array:
    """Arrow writes small decimals with an exponent."""
    small = pc.match_substring(text, "E")
    if not pc.any(small).as_py():
        return text
    digits = pc.replace_substring_regex(text, r"^-|\.|E.*$", "")
    plain = pc.binary_join_element_wise("0.", pc.utf8_lpad(digits, scale, "0"), "")
    signed = pc.if_else(pc.starts_with(text, "-"), pc.binary_join_element_wise("-", plain, ""), plain)
    return pc.if_else(small, signed, text)


# Where .NET's bounds between digits and exponents are not Arrow's: 1E+10 to 1E+15, and below 0.0001.
_FORMS = (
    (r"^(-?)0\.0000([1-9])(\d*)$", r"\1\2.\3E-05"),
    (r"^(-?)0\.00000([1-9])(\d*)$", r"\1\2.\3E-06"),
    (r"\.(E-\d+)$", r"\1"),
    (r"e\+(\d)$", r"E+0\1"),
    (r"e-(\d)$", r"E-0\1"),
    (r"e([+-])(\d+)$", r"E\1\2"),
    (r"^nan$", "NaN"),
    (r"^(-?)inf$", r"\1Infinity"),
)


def _as_dotnet(text: Array, values: Array) -> Array:
    odd = pc.match_substring_regex(text, r"e|n|^-?0\.0000")
    if not pc.any(odd).as_py():
        return text
    digits = pc.and_(odd, pc.and_(pc.greater_equal(pc.abs(values), 1e10), pc.less(pc.abs(values), 1e15)))
    if pc.any(digits).as_py():
        plain = pc.cast(pc.cast(pc.if_else(digits, text, None), pa.decimal128(38, 10)), pa.string())
        plain = pc.utf8_rtrim(pc.utf8_rtrim(plain, "0"), ".")
        text = pc.coalesce(plain, text)
    for pattern, replacement in _FORMS:
        text = pc.replace_substring_regex(text, pattern, replacement)
    return text


def text_to_number(text: Array, kind: pa.DataType, culture: Culture, *, truncate: bool) -> Array:
    """Texts as .NET reads them: groups of thousands in floats and decimals, exponents in floats only."""
    if pa.types.is_integer(kind):
        return _to_integer(text, kind)
    if culture.decimal == "." and (quick := _quick(text, kind, b"0123456789-.")) is not None:
        return quick
    plain = _plain(text, culture)
    if pa.types.is_decimal(kind):
        return to_decimal(_matching(plain, _FIXED), kind, truncate=truncate)
    return _to_float(plain, kind, _SYMBOLS)


_FIXED = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$"
_SYMBOLS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf", "\u221e": "inf", "-\u221e": "-inf"}
_PLAIN_SYMBOLS = {**_SYMBOLS, "nan": "nan", "inf": "inf", "-inf": "-inf"}
_EXACT = {16: 3, 32: 7, 64: 15}  # digits that a whole number in a float of so many bits always keeps


def exact_number(text: Array, kind: pa.DataType) -> Array:
    """Texts of digits without groups. A whole number that a float would round becomes null too."""
    if pa.types.is_integer(kind):
        return _to_integer(text, kind)
    is_float, plain = pa.types.is_floating(kind), pc.utf8_trim_whitespace(text)
    quick = _quick(text, kind, b"0123456789-." + b"eE+" * is_float)
    if not is_float:
        return quick if quick is not None else to_decimal(_matching(plain, _FIXED), kind, truncate=False)
    if quick is None or pc.any(pc.is_inf(quick)).as_py():
        quick = _to_float(plain, kind, _PLAIN_SYMBOLS)
    long = pc.greater(pc.binary_length(text), _EXACT[kind.bit_width])
    if not pc.any(pc.and_not(long, pc.match_substring(text, "."))).as_py():
        return quick
    whole = _matching(plain, rf"^[+-]?[0-9]{{{_EXACT[kind.bit_width] + 1},}}$")
    wide = pa.decimal256(75, 0)
    kept = pc.equal(to_decimal(whole, wide, truncate=False), to_decimal(quick, wide, truncate=False))
    return pc.if_else(pc.or_(pc.is_null(whole), pc.fill_null(kept, False)), quick, None)


def _quick(text: Array, kind: pa.DataType, characters: bytes) -> Array | None:
    """All of a column at once, where it has no other characters: Arrow reads those as .NET does."""
    known = np.zeros(256, np.bool_)
    known[list(characters)] = True
    buffers = text.buffers()
    ends = np.frombuffer(buffers[1], np.int32)[text.offset : text.offset + len(text) + 1]
    data = (
        np.frombuffer(buffers[2] or b"", np.uint8)[ends[0] : ends[-1]] if len(ends) else np.empty(0, np.uint8)
    )
    if not known[data].all():
        return None
    try:
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        return None


def _to_integer(text: Array, kind: pa.DataType) -> Array:
    if (quick := _quick(text, kind, b"0123456789-")) is not None:
        return quick
    digits = _matching(pc.utf8_trim_whitespace(text), r"^[+-]?0*[0-9]{1,37}$")
    # In between, for the bounds to be looked at.
    return to_number(pc.cast(digits, pa.decimal128(38, 0)), kind, truncate=False)


def _to_float(plain: Array, kind: pa.DataType, symbols: Mapping[str, str]) -> Array:
    number = _matching(plain, r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$")
    found = pc.cast(pc.utf8_ltrim(number, "+"), pa.float64())
    for symbol, value in symbols.items():
        found = pc.if_else(pc.equal(plain, symbol), float(value), found)
    # What is too large for a float is an infinity that nobody wrote.
    found = pc.if_else(pc.and_(pc.is_inf(found), number.is_valid()), None, found)
    return to_number(found, kind, truncate=True)


def _plain(text: Array, culture: Culture) -> Array:
    """Without white space around, groups of thousands and the culture's sign between whole and fraction."""
    text = pc.utf8_trim_whitespace(text)
    group, point = culture.group, culture.decimal
    spaces = "\u00a0\u202f " if group.isspace() else ""
    # A group separator stands between digits and before the fraction, wherever there: as .NET takes it.
    grouped = rf"^[+-]?[0-9][0-9{re.escape(group)}{spaces}]*(?:{re.escape(point)}[0-9]*)?$"
    has = pc.match_substring_regex(text, grouped)
    bare = pc.replace_substring_regex(text, f"[{re.escape(group)}{spaces}]", "")
    text = pc.if_else(has, bare, text)
    if point == ".":
        return text
    # A point is no digit there: what has one is no number.
    text = pc.if_else(pc.match_substring(text, "."), None, text)
    return pc.replace_substring(text, point, ".")


def _matching(text: Array, form: str) -> Array:
    return pc.if_else(pc.match_substring_regex(text, form), text, None)
