"""When a schedule trigger is due.

Recurrences of minutes and hours are regular in UTC. Those of days and more are times of the clock on the
wall: one that the zone skips is as much later as the clock is moved, one that it has twice is the first of
the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

Frequency = Literal["Minute", "Hour", "Day", "Week", "Month", "Year"]
_CALENDAR = {"Day": DAILY, "Week": WEEKLY, "Month": MONTHLY, "Year": YEARLY}
_HOURS = tuple(range(24))
_EACH = (1, 2, 3, 4, 5)
# No clock is moved by more than a day.
_MOVED = timedelta(hours=25)
# Whatever hours and minutes a regular recurrence meets at all, it meets within so many steps.
_STEPS = 3 * 24 * 60


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``start`` and ``end`` are in UTC, and both may be times that it is due at.

    ``week_days`` count from Monday, 0; ``occurrences`` are such a day and which of the month, 0 for each.
    """

    frequency: Frequency
    interval: int
    start: datetime
    end: datetime | None
    zone: ZoneInfo
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    occurrences: tuple[tuple[int, int], ...] = ()

    def at_or_after(self, moment: datetime) -> datetime | None:
        """The first time in UTC that it is due, not before a moment; None: never again."""
        floor = max(moment, self.start)
        try:
            found = self._regular(floor) if self.frequency in ("Minute", "Hour") else self._calendar(floor)
        except OverflowError:
            return None
        return None if found is None or (self.end is not None and found > self.end) else found

    def after(self, moment: datetime) -> datetime | None:
        return self.at_or_after(moment + timedelta(microseconds=1))

    # -- regular in UTC ----------------------------------------------------------------------------------

    def _regular(self, floor: datetime) -> datetime | None:
        first = self.start
        within: tuple[int, ...] = (0,)
        step = timedelta(**{f"{self.frequency.lower()}s": self.interval})
        if self.frequency == "Hour" and self.minutes:
            first -= timedelta(minutes=self._local(self.start).minute)
            within = self.minutes
        done = max(0, (floor - first) // step)
        for number in range(done, done + _STEPS):
            for minutes in within:
                found = first + number * step + timedelta(minutes=minutes)
                if found >= floor and self._fits(found):
                    return found
        return None

    def _fits(self, moment: datetime) -> bool:
        if not self.minutes and not self.hours:
            return True
        local = self._local(moment)
        if self.hours and local.hour not in self.hours:
            return False
        return self.frequency == "Hour" or not self.minutes or local.minute in self.minutes

    # -- by the calendar ---------------------------------------------------------------------------------

    def _calendar(self, floor: datetime) -> datetime | None:
        near = self._local(floor) - (timedelta(0) if self._is_even(floor) else _MOVED)
        best: tuple[datetime, datetime] | None = None
        for local in self._times(near):
            # The clock was moved about here: a later time on the wall may be an earlier one.
            if best is not None and local - best[1] > _MOVED:
                break
            found = local.replace(tzinfo=self.zone).astimezone(UTC)
            if found >= floor and (best is None or found < best[0]):
                best = found, local
                if self._is_even(found):
                    break
        return None if best is None else best[0]

    def _times(self, near: datetime) -> Iterator[datetime]:
        """Times of the clock on the wall from ``near`` on."""
        start = self._local(self.start)
        days: Iterable[int | weekday] = self.week_days
        month_days = self.month_days
        if self.occurrences:
            # Days with and without a number exclude each other in a rule.
            days = [
                weekday(day, each)
                for day, number in self.occurrences
                for each in ((number,) if number else _EACH)
            ]
        elif self.frequency == "Week" and not self.week_days:
            days = (start.weekday(),)
        elif self.frequency in ("Month", "Year") and not month_days:
            month_days = (start.day,)
        months = (start.month,) if self.frequency == "Year" else None
        # Minutes alone are those of every hour.
        hours = self.hours or (_HOURS if self.minutes else (start.hour,))
        rule = rrule(
            _CALENDAR[self.frequency], dtstart=self._period(start, near), interval=self.interval,
            bymonth=months, bymonthday=month_days or None, byweekday=tuple(days) or None,
            byhour=hours, byminute=self.minutes or (start.minute,), bysecond=(start.second,),
        )  # fmt: skip
        rest = timedelta(microseconds=start.microsecond)
        return (each + rest for each in rule.xafter(near - rest, inc=True))

    def _period(self, start: datetime, near: datetime) -> datetime:
        """The beginning of a day, week, month or year that counts, at or before ``near``."""
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.frequency in ("Day", "Week"):
            if self.frequency == "Week":
                day -= timedelta(days=day.weekday())
            step = timedelta(days=self.interval * (7 if self.frequency == "Week" else 1))
            return day + max(0, (near - day) // step) * step
        each = self.interval * (12 if self.frequency == "Year" else 1)
        first = start.year * 12 + (0 if self.frequency == "Year" else start.month - 1)
        done = max(0, (near.year * 12 + near.month - 1 - first) // each) * each
        year, month = divmod(first + done, 12)
        return day.replace(year=year, month=month + 1, day=1)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _is_even(self, moment: datetime) -> bool:
        """Whether the clocks are not moved about then."""
        before, after = ((moment + each).astimezone(self.zone) for each in (-_MOVED, _MOVED))
        return before.utcoffset() == after.utcoffset()
