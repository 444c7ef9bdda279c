"""When triggers are due: against an oracle that tries every minute of the clock on the wall."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossdock_scheduler.service.triggers.recurrence import Recurrence
from crossdock_scheduler.service.triggers.windows import Windows

# Where clocks are moved by an hour, by half of one, at midnight, and by a whole day.
MOVES = [
    ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
    ("Europe/Paris", date(2026, 3, 29)), ("Europe/Paris", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)), ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 9, 6)), ("Pacific/Apia", date(2011, 12, 30)), ("UTC", date(2026, 2, 28)),
]  # fmt: skip


def due(rule: Recurrence, since: datetime, until: datetime) -> list[datetime]:
    found, tick = [], rule.at_or_after(since)
    while tick is not None and tick <= until:
        found.append(tick)
        tick = rule.after(tick)
    return found


def instants(rule: Recurrence, since: datetime, until: datetime) -> list[datetime]:
    """The oracle for days and more."""
    start = rule.start.astimezone(rule.zone).replace(tzinfo=None)
    minutes = rule.minutes or (start.minute,)
    hours = rule.hours or (tuple(range(24)) if rule.minutes else (start.hour,))
    day, found = since.date() - timedelta(days=3), set()
    while day <= until.date() + timedelta(days=3):
        if in_step(rule, start.date(), day) and is_day(rule, start.date(), day):
            for hour in hours:
                for minute in minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute, start.second)
                    found.add(utc(local, rule.zone))
        day += timedelta(days=1)
    return sorted(each for each in found if max(since, rule.start) <= each <= until)


def utc(local: datetime, zone: ZoneInfo) -> datetime:
    """The first moment that is called so, else by the offset that held before the clocks were moved."""
    before, after = offsets(zone, local.date())
    found = [local.replace(tzinfo=UTC) - each for each in (before, after)]
    real = [each for each in found if each.astimezone(zone).replace(tzinfo=None) == local]
    return min(real, default=found[0])


@cache
def offsets(zone: ZoneInfo, day: date) -> tuple[timedelta, timedelta]:
    """Those of a day before and a day after."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    moments = (midnight - timedelta(hours=26), midnight + timedelta(hours=50))
    before, after = (each.astimezone(zone).utcoffset() for each in moments)
    assert before is not None
    assert after is not None
    return before, after


def in_step(rule: Recurrence, first: date, day: date) -> bool:
    if rule.frequency == "Day":
        passed = (day - first).days
    elif rule.frequency == "Week":
        monday = first - timedelta(days=first.weekday())
        passed = (day - monday).days // 7
    elif rule.frequency == "Month":
        passed = (day.year - first.year) * 12 + day.month - first.month
    else:
        passed = day.year - first.year
    return passed % rule.interval == 0


def is_day(rule: Recurrence, first: date, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if rule.frequency == "Day":
        return True
    if rule.frequency == "Week":
        return day.weekday() in (rule.week_days or (first.weekday(),))
    if rule.frequency == "Year":
        return (day.month, day.day) == (first.month, first.day)
    is_one = any(
        day.weekday() == weekday and number in (0, (day.day - 1) // 7 + 1, -((last - day.day) // 7 + 1))
        for weekday, number in rule.occurrences
    )
    if rule.occurrences and not is_one:
        return False
    if rule.month_days:
        return day.day in rule.month_days or day.day - last - 1 in rule.month_days
    return bool(rule.occurrences) or day.day == first.day


@st.composite
def rules(draw: st.DrawFn) -> tuple[Recurrence, datetime]:
    """A recurrence, and a moment about which clocks are moved."""
    zone, move = draw(st.sampled_from(MOVES))
    frequency: Any = draw(st.sampled_from(["Day", "Week", "Month", "Year"]))
    moved = datetime(move.year, move.month, move.day, tzinfo=UTC)
    days, minute = draw(st.integers(0, 800)), draw(st.integers(0, 24 * 60 - 1))
    start = moved - timedelta(days=days) + timedelta(minutes=minute)
    few: Any = {"max_size": 3, "unique": True}

    def some(least: int, most: int) -> tuple[int, ...]:
        values = st.integers(least, most).filter(bool) if least < 0 else st.integers(least, most)
        return tuple(sorted(draw(st.lists(values, **few))))

    month = frequency == "Month"
    occurrences = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(-5, 5)), **few)) if month else []
    rule = Recurrence(
        frequency, draw(st.integers(1, 3)), start, None, ZoneInfo(zone),
        minutes=some(0, 59), hours=some(0, 23), week_days=some(0, 6) if frequency == "Week" else (),
        month_days=some(-31, 31) if month else (), occurrences=tuple(occurrences),
    )  # fmt: skip
    return rule, moved


HOWE, MOVED = ZoneInfo("Australia/Lord_Howe"), datetime(2026, 10, 4, tzinfo=UTC)
# Half an hour is skipped: ten past two is run at twenty to three, after what is due at 2:35.
OUT_OF_ORDER = Recurrence("Day", 1, MOVED - timedelta(days=9), None, HOWE, minutes=(10, 35), hours=(2,))


@settings(max_examples=100)
@given(rules(), st.integers(0, 72 * 60))
@example((OUT_OF_ORDER, MOVED), 24 * 60)
def test_days_and_more_are_those_of_the_oracle(found: tuple[Recurrence, datetime], minutes: int) -> None:
    rule, moved = found
    since = moved - timedelta(minutes=minutes)
    until = since + timedelta(days=6)
    assert due(rule, since, until) == instants(rule, since, until)


@given(
    st.tuples(st.sampled_from(["Minute", "Hour"]), st.integers(1, 90)), st.sampled_from(MOVES),
    st.integers(0, 10**6),
    st.lists(st.integers(0, 23), max_size=3), st.lists(st.integers(0, 59), max_size=3),
)  # fmt: skip
def test_minutes_and_hours_are_regular(
    every: tuple[Any, int], move: tuple[str, date], ago: int, hours: list[int], minutes: list[int]
) -> None:
    zone, day = ZoneInfo(move[0]), datetime(move[1].year, move[1].month, move[1].day, tzinfo=UTC)
    start = day - timedelta(minutes=ago)
    rule = Recurrence(*every, start, None, zone, tuple(sorted(set(minutes))), tuple(sorted(hours)))
    since, until = day - timedelta(hours=12), day + timedelta(hours=24)
    assert due(rule, since, until) == list(regular(rule, since, until))


def regular(rule: Recurrence, since: datetime, until: datetime) -> Iterator[datetime]:
    """The oracle: every minute is asked whether it is one."""
    local = rule.start.astimezone(rule.zone)
    for number in range(int((until - since).total_seconds()) // 60 + 1):
        tick = since + timedelta(minutes=number)
        wall, passed = tick.astimezone(rule.zone), int((tick - rule.start).total_seconds()) // 60
        if rule.frequency == "Minute":
            fits = passed % rule.interval == 0 and wall.minute in (rule.minutes or (wall.minute,))
        elif rule.minutes:
            fits = any((passed + local.minute - each) % (60 * rule.interval) == 0 for each in rule.minutes)
        else:
            fits = passed % (60 * rule.interval) == 0
        if fits and tick >= rule.start and (not rule.hours or wall.hour in rule.hours):
            yield tick


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("local", "since", "expected"),
    [
        # Half past two is skipped on the 8th of March, and there twice on the 1st of November: half past one.
        ((2, 30), datetime(2026, 3, 8, tzinfo=UTC), ["08 07:30", "09 06:30"]),
        ((1, 30), datetime(2026, 11, 1, tzinfo=UTC), ["01 05:30", "02 06:30"]),
    ],
)
def test_daylight_saving(local: tuple[int, int], since: datetime, expected: list[str]) -> None:
    start = datetime(2026, 1, 1, *local, tzinfo=NEW_YORK).astimezone(UTC)
    rule = Recurrence("Day", 1, start, None, NEW_YORK)
    found = due(rule, since, since + timedelta(days=1, hours=12))
    assert [each.strftime("%d %H:%M") for each in found] == expected


def test_never_again() -> None:
    start = datetime(2026, 2, 1, tzinfo=UTC)
    rule = Recurrence("Month", 12, start, None, ZoneInfo("UTC"), month_days=(30,))
    assert rule.at_or_after(start) is None
    rule = Recurrence("Hour", 24, start, None, ZoneInfo("UTC"), hours=(5,))
    assert rule.at_or_after(start) is None
    rule = Recurrence("Hour", 1000, start, None, ZoneInfo("UTC"))
    assert rule.after(datetime(9999, 12, 31, tzinfo=UTC)) is None


@given(
    st.sampled_from(["Minute", "Hour", "Month"]), st.integers(5, 100), st.integers(0, 500),
    st.integers(0, 10**6), st.integers(1, 10**5),
)  # fmt: skip
def test_windows_have_no_gaps(frequency: Any, interval: int, number: int, offset: int, size: int) -> None:
    start = datetime(2020, 1, 28, 3, 4, 5, tzinfo=UTC)
    windows = Windows(frequency, interval, start)
    assert windows.number(windows.at(number)) == number
    assert windows.number(windows.at(number + 1) - timedelta(microseconds=1)) == number
    begin = start + timedelta(minutes=offset)
    found = list(windows.overlapping(begin, begin + timedelta(minutes=size)))
    assert found[0] <= begin < windows.at(windows.number(found[0]) + 1)
    assert found[-1] < begin + timedelta(minutes=size) <= windows.at(windows.number(found[-1]) + 1)
    assert found == [windows.at(windows.number(found[0]) + each) for each in range(len(found))]
