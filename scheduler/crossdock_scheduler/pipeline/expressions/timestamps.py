"""Points in time as .NET has them: units of 100 ns since the year 1, with or without a time zone.

A timestamp with an offset is one in UTC from then on; one without stays so, and is written without ``Z``.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from .errors import short

SECOND = 10_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = 719_162 * DAY  # 1970-01-01
_END = date.max.toordinal() * DAY  # the first tick after year 9999

MONTHS = tuple(calendar.month_name)[1:]
DAYS = tuple(calendar.day_name)


def now_ticks() -> int:
    """The time of this machine's clock, in UTC."""
    return EPOCH + time.time_ns() // 100


@dataclass(frozen=True, slots=True)
class Timestamp:
    """``ticks`` of 100 ns since 0001-01-01; ``utc`` unless nothing is known of its time zone."""

    ticks: int
    utc: bool = True

    @property
    def date(self) -> date:
        return date.fromordinal(self.ticks // DAY + 1)

    @property
    def time(self) -> int:
        """Ticks since midnight."""
        return self.ticks % DAY

    def at(self, ticks: int) -> Timestamp:
        """The same kind of timestamp at another time."""
        if not 0 <= ticks < _END:
            raise ValueError("results in a time that is not in the years 1 to 9999")
        return Timestamp(ticks, self.utc)

    def plus_months(self, months: int) -> Timestamp:
        """The same day and time of another month, or its last day if it is shorter."""
        day = self.date
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        if not 1 <= year <= 9999:
            raise ValueError("results in a time that is not in the years 1 to 9999")
        last = calendar.monthrange(year, month + 1)[1]
        moved = date(year, month + 1, min(day.day, last))
        return self.at((moved.toordinal() - 1) * DAY + self.time)

    def start_of_month(self) -> Timestamp:
        return self.at((self.date.replace(day=1).toordinal() - 1) * DAY)

    def wall_clock(self) -> datetime:
        """Without a time zone, to the microsecond below."""
        return datetime.min + timedelta(microseconds=self.ticks // 10)


# -- reading -------------------------------------------------------------------------------------------

_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if name[3:] else name for name in MONTHS)
_WEEKDAY = "(?:" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in DAYS) + r")\s*,?\s+"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])[Mm]?)?"
)
_ZONE = r"(?:\s*(?P<zone>Z|GMT|UTC|[+-]\d{1,2}(?::?\d{2})?))?"
_DATES = (
    r"(?P<year>\d{4})(?P<s>[-/.])(?P<month>\d{1,2})(?P=s)(?P<day>\d{1,2})",
    r"(?P<month>\d{1,2})(?P<s>[-/.])(?P<day>\d{1,2})(?P=s)(?P<year>\d{4}|\d{2})",
    r"(?P<year>\d{4})[-/](?P<month>\d{1,2})",
    rf"(?:{_WEEKDAY})?(?P<day>\d{{1,2}})[\s-]+(?P<name>{_MONTH})\.?[\s,-]+(?P<year>\d{{4}}|\d{{2}})",
    rf"(?:{_WEEKDAY})?(?P<name>{_MONTH})\.?\s+(?P<day>\d{{1,2}})\s*,?\s+(?P<year>\d{{4}})",
    rf"(?P<name>{_MONTH})\.?[\s,]+(?P<year>\d{{4}})",
)
_FORMS = tuple(
    re.compile(rf"\s*{each}(?:(?:[Tt]|\s*,?\s+)\s*{_CLOCK}{_ZONE})?\s*", re.IGNORECASE) for each in _DATES
)
_DATE_WITH_ZONE = re.compile(r"\s*(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?P<zone>Z)\s*")
_LONGEST = 100


def parse_timestamp(text: str) -> Timestamp:
    """The time that a text means: ISO 8601, month/day/year, or with the English name of a month."""
    if len(text) <= _LONGEST:
        for form in (*_FORMS, _DATE_WITH_ZONE):
            if found := form.fullmatch(text):
                try:
                    return _timestamp(found.groupdict())
                except ValueError as error:
                    raise ValueError(f"was given '{short(text)}', which is no time: {error}") from None
    raise ValueError(f"was given '{short(text)}', which is no timestamp such as 2018-03-15T13:00:00Z")


def _timestamp(parts: dict[str, str | None]) -> Timestamp:
    name = parts.get("name")
    month = _month_number(name) if name else int(parts["month"] or 1)
    day = date(_year(parts["year"] or ""), month, int(parts.get("day") or 1))
    ticks = (day.toordinal() - 1) * DAY + _time_of_day(parts)
    zone = parts.get("zone")
    if zone is None:
        return Timestamp(ticks, utc=False)
    return Timestamp(0).at(ticks - _offset(zone))


def _month_number(name: str) -> int:
    return next(n for n, each in enumerate(MONTHS, 1) if each.lower().startswith(name.lower()[:3]))


def _year(digits: str) -> int:
    # .NET reads two digits as a year from 1950 to 2049.
    year = int(digits)
    return year if len(digits) == 4 else year + (2000 if year < 50 else 1900)


def _time_of_day(parts: dict[str, str | None]) -> int:
    hour, minute, second = (int(parts.get(each) or 0) for each in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError("hours with AM or PM are 1 to 12")
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("hours are 0 to 23, minutes and seconds 0 to 59")
    digits = parts.get("fraction") or "0"
    # More than seven digits are rounded, as .NET does.
    return (
        hour * HOUR
        + minute * MINUTE
        + second * SECOND
        + round(Fraction(int(digits), 10 ** len(digits)) * SECOND)
    )


def _offset(zone: str) -> int:
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    if hours > 14 or minutes > 59:
        raise ValueError("offsets are at most 14 hours")
    return (hours * HOUR + minutes * MINUTE) * (-1 if zone[0] == "-" else 1)
