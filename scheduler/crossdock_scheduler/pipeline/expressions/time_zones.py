"""Local times and UTC, by the names that Windows gives time zones and by those of IANA."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from tzlocal.windows_tz import win_tz

from .errors import did_you_mean, short
from .timestamps import Timestamp

_UTC = ("UTC", "Etc/UTC", "Etc/GMT", "Coordinated Universal Time")


@cache
def _windows_names() -> dict[str, str]:
    return {name.lower(): iana for name, iana in win_tz.items()}


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The time zone that a name means, upper and lower case alike for those of Windows."""
    known = _windows_names().get(name.strip().lower(), name.strip())
    try:
        return ZoneInfo(known)
    except (LookupError, OSError, ValueError):
        hint = did_you_mean(name, win_tz)
        raise ValueError(f"does not know the time zone '{short(name)}'{hint}") from None


def is_utc(name: str) -> bool:
    """Whether a zone's local time is UTC."""
    return str(zone_of(name)) in _UTC


def from_utc(moment: Timestamp, name: str) -> Timestamp:
    """The local time in a zone. It is one without a time zone, unless the zone is UTC."""
    try:
        local = moment.wall_clock().replace(tzinfo=UTC).astimezone(zone_of(name))
    except OverflowError:
        raise ValueError("results in a time that is not in the years 1 to 9999") from None
    moved = moment.at(moment.ticks + _ticks(local.utcoffset()))
    return Timestamp(moved.ticks, utc=is_utc(name))


def to_utc(moment: Timestamp, name: str) -> Timestamp:
    """UTC of the local time in a zone.

    A time that a zone has twice is the later one, as in .NET; one that it skips, and one that is in UTC
    already while the zone is not, are ValueError.
    """
    zone = zone_of(name)
    if moment.utc and not is_utc(name):
        raise ValueError(f"was given a timestamp in UTC, which is not in the time zone '{short(name)}'")
    local = moment.wall_clock().replace(tzinfo=zone, fold=1)
    try:
        back = local.astimezone(UTC).astimezone(zone)
    except OverflowError:
        raise ValueError("results in a time that is not in the years 1 to 9999") from None
    if back.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(f"was given a local time that '{name}' skips when its clocks go forward")
    return Timestamp(moment.at(moment.ticks - _ticks(local.utcoffset())).ticks)


def _ticks(offset: timedelta | None) -> int:
    return 0 if offset is None else (offset // timedelta(microseconds=1)) * 10
