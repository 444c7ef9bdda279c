"""How numbers and dates are written in a culture, by the names that .NET gives cultures.

``cultures.json`` is made of the CLDR by ``.ci/cultures.py``. The invariant culture has no name, as in .NET.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import ConfigError

_FIRST = {"en": "en-us", "zh": "zh-cn", "pt": "pt-br"}


@dataclass(frozen=True, slots=True)
class Culture:
    """Patterns are .NET's. ``days`` begin with Monday."""

    name: str
    decimal: str
    group: str
    short_date: str
    long_date: str
    short_time: str
    long_time: str
    halves: tuple[str, str]
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    days: tuple[str, ...]
    short_days: tuple[str, ...]

    @property
    def order(self) -> str:
        """The order of day, month and year in numbers: ``dmy``, ``mdy`` or ``ymd``."""
        letters = [letter for letter in self.short_date.lower() if letter in "dmy"]
        return "".join(dict.fromkeys(letters))

    @property
    def date_separator(self) -> str:
        """What ``/`` in a pattern stands for."""
        return next((each for each in self.short_date if each in "/.-"), "/")

    def standard(self, letter: str) -> str | None:
        """The custom pattern of a standard one."""
        date, long, time, seconds = self.short_date, self.long_date, self.short_time, self.long_time
        return {
            "d": date,
            "D": long,
            "f": f"{long} {time}",
            "F": f"{long} {seconds}",
            "g": f"{date} {time}",
            "G": f"{date} {seconds}",
            "m": "MMMM d",
            "M": "MMMM d",
            "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
            "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
            "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
            "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
            "s": "yyyy-MM-ddTHH':'mm':'ss",
            "t": time,
            "T": seconds,
            "u": "yyyy-MM-dd HH':'mm':'ss'Z'",
            "U": f"{long} {seconds}",
            "y": "MMMM yyyy",
            "Y": "MMMM yyyy",
        }.get(letter)


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(__package__).joinpath("cultures.json").read_text("utf-8"))
    return found


@cache
def culture(name: str) -> Culture:
    """The culture; a language alone is that of the first country that has it. Raises ConfigError."""
    known = {each.lower(): each for each in _known()}
    lowered = name.strip().lower().replace("_", "-")
    if lowered in ("", "invariant", "iv"):
        return _invariant()
    languages = [each for each in known if each.partition("-")[0] == lowered]
    first = _FIRST.get(lowered, f"{lowered}-{lowered}")
    found = known.get(lowered) or known.get(first) or known.get(next(iter(languages), ""))
    if found is None:
        near = difflib.get_close_matches(lowered, known, 1)
        hint = f"; did you mean {known[near[0]]}?" if near else f"; known are {', '.join(_known())}"
        raise ConfigError(f"the culture {name!r} is not known{hint}")
    facts: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in _known()[found].items()
    }
    return Culture(found, **facts)


def _invariant() -> Culture:
    return replace(
        culture("en-US"),
        name="",
        short_date="MM/dd/yyyy",
        long_date="dddd, dd MMMM yyyy",
        short_time="HH:mm",
        long_time="HH:mm:ss",
    )
