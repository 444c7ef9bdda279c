"""What time it is: for all replicas of a service it is their database's time, elsewhere the machine's.

Machines' clocks are set, and differ. The database's was read a moment ago, and has gone on since then as the
machine's clock that nobody sets.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

# How far that clock is ahead of ``time.monotonic()``.
_ahead: float | None = None


def now() -> float:
    """Seconds since 1970."""
    return time.time() if _ahead is None else time.monotonic() + _ahead


def moment() -> datetime:
    return datetime.fromtimestamp(now(), UTC)


def follow(theirs: float, asked: float, answered: float) -> None:
    """Go by a clock that showed ``theirs`` at some time between two of ``time.monotonic()``.

    It is not known better than that: what fits already stays.
    """
    global _ahead  # noqa: PLW0603 - there is one time
    least, most = theirs - answered, theirs - asked
    _ahead = (least + most) / 2 if _ahead is None else min(max(_ahead, least), most)
