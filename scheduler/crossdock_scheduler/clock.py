"""What time it is: for all replicas of a service it is their database's time, elsewhere the machine's.

Machines' clocks are set, and differ. The database's was read a moment ago, and has gone on since then as the
machine's clock that nobody sets, and that goes on while it sleeps.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

# How far that clock is ahead of ``passing()``.
_ahead: float | None = None
# When it was last read, of ``passing()``.
_read = 0.0


def passing() -> float:
    """Seconds; unlike ``time.monotonic`` they pass while the machine sleeps, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def now() -> float:
    """Seconds since 1970."""
    return time.time() if _ahead is None else passing() + _ahead


def moment() -> datetime:
    return datetime.fromtimestamp(now(), UTC)


def follow(theirs: float, asked: float, answered: float) -> None:
    """Go by a clock that showed ``theirs`` at some time between two of ``passing()``.

    It is not known better than that: what fits already stays.
    """
    global _ahead, _read  # noqa: PLW0603 - there is one time
    least, most = theirs - answered, theirs - asked
    _ahead = (least + most) / 2 if _ahead is None else min(max(_ahead, least), most)
    _read = asked


def followed() -> float:
    """For how many seconds the clock that is gone by has not been read."""
    return passing() - _read
