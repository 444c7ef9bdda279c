"""Functions of dates and times. A timestamp that they return is text, in the format ``o`` unless told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..date_format import format_timestamp
from ..errors import did_you_mean, short
from ..registry import function
from ..time_zones import from_utc, to_utc
from ..timestamps import DAY, HOUR, MINUTE, SECOND, Timestamp, parse_timestamp

if TYPE_CHECKING:
    from ..evaluation import Context

_SUBJECT = "Dates"
_UNITS = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
_MONTHS = {"month": 1, "year": 12}
_CULTURES = ("", "en", "en-us")


def _written(moment: Timestamp, pattern: str | None) -> str:
    return format_timestamp(moment, "o" if pattern is None else pattern)


def _moved(moment: Timestamp, count: int, unit: str) -> Timestamp:
    known = unit.lower()
    if known in _MONTHS:
        return moment.plus_months(count * _MONTHS[known])
    if known not in _UNITS:
        names = [each.capitalize() for each in (*_UNITS, *_MONTHS)]
        raise ValueError(f"does not know the time unit '{short(unit)}'{did_you_mean(unit, names)}")
    return moment.at(moment.ticks + count * _UNITS[known])


def _adder(unit: str) -> Callable[[str, int, str | None], str]:
    def add(timestamp: str, count: int, pattern: str | None = None) -> str:
        return _written(_moved(parse_timestamp(timestamp), count, unit), pattern)

    return add


for _unit in ("day", "hour", "minute", "second"):
    function(
        _SUBJECT,
        f"add{_unit.capitalize()}s(timestamp: string, {_unit}s: integer, format?: string)",
        f"The time some {_unit}s later, or earlier if there are fewer than 0.",
    )(_adder(_unit))


@function(
    _SUBJECT,
    "addToTime(timestamp: string, interval: integer, timeUnit: string, format?: string)",
    "The time some units later: Second, Minute, Hour, Day, Week, Month, Year.",
)
def add_to_time(timestamp: str, interval: int, unit: str, pattern: str | None = None) -> str:
    return _written(_moved(parse_timestamp(timestamp), interval, unit), pattern)


@function(
    _SUBJECT,
    "subtractFromTime(timestamp: string, interval: integer, timeUnit: string, format?: string)",
    "The time some units earlier.",
)
def subtract_from_time(timestamp: str, interval: int, unit: str, pattern: str | None = None) -> str:
    return add_to_time(timestamp, -interval, unit, pattern)


@function(_SUBJECT, "utcNow(format?: string)", "The time now, in UTC.", scoped=True)
def utc_now(context: Context, pattern: str | None = None) -> str:
    return _written(Timestamp(context.now), pattern)


@function(
    _SUBJECT,
    "getFutureTime(interval: integer, timeUnit: string, format?: string)",
    "The time now and some units later.",
    scoped=True,
)
def get_future_time(context: Context, interval: int, unit: str, pattern: str | None = None) -> str:
    return _written(_moved(Timestamp(context.now), interval, unit), pattern)


@function(
    _SUBJECT,
    "getPastTime(interval: integer, timeUnit: string, format?: string)",
    "The time some units before now.",
    scoped=True,
)
def get_past_time(context: Context, interval: int, unit: str, pattern: str | None = None) -> str:
    return get_future_time(context, -interval, unit, pattern)


@function(
    _SUBJECT,
    "formatDateTime(timestamp: string, format?: string, culture?: string)",
    "A timestamp as .NET's standard and custom format strings say; the culture is en-US.",
)
def format_date_time(timestamp: str, pattern: str | None = None, culture: str | None = None) -> str:
    if (culture or "").lower() not in _CULTURES:
        raise ValueError(f"knows the culture en-US only, not '{short(culture or '')}'")
    return _written(parse_timestamp(timestamp), pattern)


@function(
    _SUBJECT,
    "convertFromUtc(timestamp: string, destinationTimeZone: string, format?: string)",
    "UTC as the local time of a zone, by its name in Windows or IANA.",
)
def convert_from_utc(timestamp: str, zone: str, pattern: str | None = None) -> str:
    return _written(from_utc(parse_timestamp(timestamp), zone), pattern)


@function(
    _SUBJECT,
    "convertToUtc(timestamp: string, sourceTimeZone: string, format?: string)",
    "The local time of a zone as UTC.",
)
def convert_to_utc(timestamp: str, zone: str, pattern: str | None = None) -> str:
    return _written(to_utc(parse_timestamp(timestamp), zone), pattern)


@function(
    _SUBJECT,
    "convertTimeZone(timestamp: string, sourceTimeZone: string, destinationTimeZone: string, "
    "format?: string)",
    "The local time of one zone as that of another.",
)
def convert_time_zone(timestamp: str, source: str, destination: str, pattern: str | None = None) -> str:
    return _written(from_utc(to_utc(parse_timestamp(timestamp), source), destination), pattern)


@function(_SUBJECT, "dayOfMonth(timestamp: string)", "The day of the month, from 1.")
def day_of_month(timestamp: str) -> int:
    return parse_timestamp(timestamp).date.day


@function(_SUBJECT, "dayOfWeek(timestamp: string)", "The day of the week: Sunday is 0.")
def day_of_week(timestamp: str) -> int:
    return parse_timestamp(timestamp).date.isoweekday() % 7


@function(_SUBJECT, "dayOfYear(timestamp: string)", "The day of the year, from 1.")
def day_of_year(timestamp: str) -> int:
    return parse_timestamp(timestamp).date.timetuple().tm_yday


@function(_SUBJECT, "startOfDay(timestamp: string, format?: string)", "Midnight of the day.")
def start_of_day(timestamp: str, pattern: str | None = None) -> str:
    moment = parse_timestamp(timestamp)
    return _written(moment.at(moment.ticks - moment.time), pattern)


@function(
    _SUBJECT, "startOfHour(timestamp: string, format?: string)", "The time without minutes and seconds."
)
def start_of_hour(timestamp: str, pattern: str | None = None) -> str:
    moment = parse_timestamp(timestamp)
    return _written(moment.at(moment.ticks - moment.ticks % HOUR), pattern)


@function(_SUBJECT, "startOfMonth(timestamp: string, format?: string)", "Midnight of the month's first day.")
def start_of_month(timestamp: str, pattern: str | None = None) -> str:
    return _written(parse_timestamp(timestamp).start_of_month(), pattern)


@function(_SUBJECT, "ticks(timestamp: string)", "Units of 100 ns since 0001-01-01T00:00:00.")
def ticks(timestamp: str) -> int:
    return parse_timestamp(timestamp).ticks
