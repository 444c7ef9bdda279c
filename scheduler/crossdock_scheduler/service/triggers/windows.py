"""Windows of time of a tumbling window trigger, and which windows they depend on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows one after the other from ``start`` on; those that do not end by ``end`` are none."""

    frequency: Literal["Minute", "Hour", "Month"]
    interval: int
    start: datetime
    end: datetime | None = None

    def at(self, number: int) -> datetime:
        """When the window of a number begins, counted from 0, and the one before it ends."""
        if self.frequency == "Month":
            year, month = divmod(self.start.year * 12 + self.start.month - 1 + number * self.interval, 12)
            return self.start.replace(year=year, month=month + 1)
        return self.start + number * self._size

    def number(self, moment: datetime) -> int:
        """Of the window that a moment is in; negative before the first."""
        if self.frequency == "Month":
            months = (moment.year - self.start.year) * 12 + moment.month - self.start.month
            found = months // self.interval
            return found if self.at(found) <= moment else found - 1
        return (moment - self.start) // self._size

    def is_one(self, number: int) -> bool:
        return number >= 0 and (self.end is None or self.at(number + 1) <= self.end)

    def overlapping(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The beginnings of windows that have a moment in common with a span of time."""
        number = max(0, self.number(start))
        while self.at(number) < end and self.is_one(number):
            yield self.at(number)
            number += 1

    @property
    def _size(self) -> timedelta:
        return timedelta(**{f"{self.frequency.lower()}s": self.interval})


@dataclass(frozen=True, slots=True)
class Dependency:
    """On the windows of another trigger, or of the trigger itself where ``trigger`` is empty.

    They are those that overlap the window moved by ``offset``, or ``size`` from there on.
    """

    trigger: str
    offset: timedelta
    size: timedelta | None

    def span(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        begun = start + self.offset
        return begun, begun + (end - start if self.size is None else self.size)
