"""Which texts are values of a type, as far as their form says it: what Arrow's parser is not asked about."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = {8: (2, 2), 16: (4, 4), 32: (9, 9), 64: (18, 19)}  # of any number of so many bits: signed, unsigned
_DAY = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


@dataclass(frozen=True, slots=True)
class Forms:
    """``sure``: these are values. ``possible``: whatever is none of these, is none."""

    sure: str
    possible: str


def forms(kind: pa.DataType) -> Forms | None:
    """None of types whose values are told by nothing but Arrow's parser."""
    types = pa.types
    if types.is_boolean(kind):
        return Forms("1|0|true|false", "(?i)1|0|true|false")
    if types.is_date(kind):
        return Forms(_DAY, "[0-9]{4}-[0-9]{2}-[0-9]{2}")
    if types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        return Forms(f"{_DAY}[ T]{_TIME}{zone}", r"(?i)[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][-+0-9:.Z]*)?")
    return _forms_of_number(kind)


def _forms_of_number(kind: pa.DataType) -> Forms | None:
    types, number = pa.types, r"[0-9.]+(e[+-]?[0-9]*)?"
    if types.is_integer(kind):
        signed = types.is_signed_integer(kind)
        digits = _DIGITS[kind.bit_width][0 if signed else 1]
        return Forms(f"{'-?' if signed else ''}[0-9]{{1,{digits}}}", "[+-]?(0[xX][0-9a-fA-F]*|[0-9]+)")
    if types.is_floating(kind):
        return Forms(r"-?[0-9]{1,4}(\.[0-9]{1,12})?", rf"(?i)[+-]?({number}|nan(\(.*\))?|inf(inity)?)")
    if types.is_decimal(kind):
        whole, part = kind.precision - kind.scale, kind.scale
        fraction = rf"(\.[0-9]{{1,{part}}})?" if part > 0 else ""
        sure = rf"-?[0-9]{{1,{whole}}}{fraction}" if whole > 0 and part >= 0 else "0"
        return Forms(sure, rf"(?i)[+-]?{number}")
    return None


def sorted_out(text: pa.Array, known: Forms) -> tuple[pa.Array, pa.Array]:
    """Of which values it is open whether they are some, and which are none. A null is neither."""
    sure = pc.match_substring_regex(text, rf"\A({known.sure})\z")
    may = pc.match_substring_regex(text, rf"\A\s*({known.possible})\s*\z")
    return pc.fill_null(pc.and_not(may, sure), False), pc.fill_null(pc.invert(may), False)
