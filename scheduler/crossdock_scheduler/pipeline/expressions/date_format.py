"""Timestamps to text by .NET's standard and custom format strings, in the culture en-US.

learn.microsoft.com/dotnet/standard/base-types: "Standard date and time format strings" and "Custom date and
time format strings". A timestamp without a time zone has the offset of the service, which is that of UTC.
"""

from __future__ import annotations

from collections.abc import Callable

from crossdock.conversion.date_patterns import tokens

from .timestamps import DAYS, HOUR, MINUTE, MONTHS, SECOND, Timestamp

_CUSTOM_OF_STANDARD = {
    "d": "M/d/yyyy",
    "D": "dddd, MMMM d, yyyy",
    "f": "dddd, MMMM d, yyyy h:mm tt",
    "F": "dddd, MMMM d, yyyy h:mm:ss tt",
    "g": "M/d/yyyy h:mm tt",
    "G": "M/d/yyyy h:mm:ss tt",
    "m": "MMMM d",
    "M": "MMMM d",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "h:mm tt",
    "T": "h:mm:ss tt",
    "u": "yyyy-MM-dd HH:mm:ss'Z'",
    "U": "dddd, MMMM d, yyyy h:mm:ss tt",
    "y": "MMMM yyyy",
    "Y": "MMMM yyyy",
}


def format_timestamp(moment: Timestamp, pattern: str = "o") -> str:
    """A timestamp as text; ValueError if the pattern is none of .NET's."""
    if len(pattern) <= 1:
        known = _CUSTOM_OF_STANDARD.get(pattern or "G")
        if known is None:
            standard = " ".join(sorted(_CUSTOM_OF_STANDARD, key=str.lower))
            raise ValueError(
                f"does not know the format '{pattern}': one of {standard}, or %{pattern} for a part of a date"
            )
        pattern = known
    return _custom(moment, pattern)


def _custom(moment: Timestamp, pattern: str) -> str:
    out: list[str] = []
    for token in tokens(pattern):
        if token.run:
            _add(out, moment, token.text)
        else:
            out.append(token.text)
    return "".join(out)


def _add(out: list[str], moment: Timestamp, run: str) -> None:
    text = _WRITERS[run[0]](moment, len(run))
    # 'F' drops the decimal point as well if nothing follows it.
    if run[0] == "F" and not text and out and out[-1] == ".":
        out.pop()
    out.append(text)


def _number(value: int, width: int) -> str:
    return f"{value:0{min(width, 2)}d}"


def _day(moment: Timestamp, width: int) -> str:
    day = moment.date
    if width <= 2:
        return _number(day.day, width)
    return DAYS[day.weekday()][: 3 if width == 3 else None]


def _month(moment: Timestamp, width: int) -> str:
    month = moment.date.month
    if width <= 2:
        return _number(month, width)
    return MONTHS[month - 1][: 3 if width == 3 else None]


def _year(moment: Timestamp, width: int) -> str:
    year = moment.date.year
    return _number(year % 100, width) if width <= 2 else f"{year:0{width}d}"


def _fraction(moment: Timestamp, width: int) -> str:
    if width > 7:
        raise ValueError("was given a format with more than 7 digits of a second")
    return f"{moment.ticks % SECOND:07d}"[:width]


def _hour(moment: Timestamp) -> int:
    return moment.time // HOUR


def _half(moment: Timestamp, width: int) -> str:
    return ("AM" if _hour(moment) < 12 else "PM")[: 1 if width == 1 else 2]


_WRITERS: dict[str, Callable[[Timestamp, int], str]] = {
    "d": _day,
    "f": _fraction,
    "F": lambda moment, width: _fraction(moment, width).rstrip("0"),
    "g": lambda moment, width: "A.D.",
    "h": lambda moment, width: _number(_hour(moment) % 12 or 12, width),
    "H": lambda moment, width: _number(_hour(moment), width),
    "K": lambda moment, width: "Z" if moment.utc else "",
    "m": lambda moment, width: _number(moment.time // MINUTE % 60, width),
    "M": _month,
    "s": lambda moment, width: _number(moment.time // SECOND % 60, width),
    "t": _half,
    "y": _year,
    "z": lambda moment, width: ("+0", "+00", "+00:00")[min(width, 3) - 1],
}
