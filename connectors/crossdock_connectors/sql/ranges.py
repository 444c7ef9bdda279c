"""Ranges of a key that together hold every row once. Pure: values come in, boundaries and SQL go out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

# Data Factory's: where the condition of a partition goes in a query.
PLACEHOLDER = "?AdfDynamicRangePartitionCondition"


def restricted(rows: str, condition: str = "") -> str:
    """What goes behind FROM for the rows that fulfil a condition; in a query it may have its place."""
    if PLACEHOLDER in rows:
        return rows.replace(PLACEHOLDER, f"({condition or '1 = 1'})")
    return f"{rows} WHERE {condition}" if condition else rows


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``low`` up to and without ``high``, as SQL literals; None is an open end.

    ``nulls``: rows without a key are in it as well.
    """

    low: str | None = None
    high: str | None = None
    nulls: bool = False

    def predicate(self, column: str) -> str:
        """The condition on a quoted column; empty where every row fulfils it."""
        if self.low is None and self.high is None:
            return "" if self.nulls else f"{column} IS NOT NULL"
        bounds = []
        if self.low is not None:
            bounds.append(f"{column} >= {self.low}")
        if self.high is not None:
            bounds.append(f"{column} < {self.high}")
        inside = " AND ".join(bounds)
        return f"({inside} OR {column} IS NULL)" if self.nulls else inside


def ranges(bounds: Sequence[str]) -> list[Range]:
    """The ranges between ascending boundaries (SQL literals): one more than there are boundaries.

    The first is open below and takes the NULL keys, the last is open above: rows that appear outside
    of what was measured are not lost.
    """
    ends: list[str | None] = [None, *bounds, None]
    return [Range(low, high, nulls=low is None) for low, high in pairwise(ends)]


def predicates(column: str, bounds: Sequence[str], *, apart: bool = False) -> list[str]:
    """The conditions on a quoted column, one for each range. ``apart``: rows without a key have one of their
    own, the first."""
    found = ranges(bounds)
    if not apart:
        return [each.predicate(column) for each in found]
    return [f"{column} IS NULL", *(replace(each, nulls=False).predicate(column) for each in found)]


def evenly(low: Any, high: Any, wanted: int) -> list[Any]:
    """At most ``wanted - 1`` boundaries that cut ``low`` to ``high`` (both exist) into equal widths.

    For numbers, dates and times without a time zone or all with one. Ascending, each above ``low`` and not
    above ``high``, so that no range is empty by construction.
    """
    number, back = _scale(low)
    first, last = number(low), number(high)
    steps = min(wanted, last - first + 1)
    found = [back(first + (last - first + 1) * i // steps) for i in range(1, steps)]
    return sorted({bound for bound in found if low < bound <= high})


_EPOCH = datetime(1, 1, 1)
_TICK = timedelta(microseconds=1)


def _scale(key: Any) -> tuple[Callable[[Any], int], Callable[[int], Any]]:
    """From a key of this kind to whole numbers of the same order, and back."""
    if isinstance(key, datetime):
        epoch = _EPOCH.replace(tzinfo=key.tzinfo)
        return lambda at: (at - epoch) // _TICK, lambda n: epoch + n * _TICK
    if isinstance(key, date):
        return lambda day: day.toordinal(), date.fromordinal
    if isinstance(key, Decimal):
        return int, Decimal
    return int, int


def by_sample(sample: Sequence[Any], wanted: int) -> list[Any]:
    """At most ``wanted - 1`` boundaries that cut a sample of keys into equally many rows.

    The sample may be in any order; None is left out. A key that alone is more than a share has a range of
    its own, however many rows that is: ranges of keys cannot cut it.
    """
    keys = sorted(key for key in sample if key is not None)
    found: list[Any] = []
    at = 0
    while keys and len(found) < wanted - 1:
        # What is left is shared anew: a frequent key took more than its part.
        share = (len(keys) - at) / (wanted - len(found))
        cut = at + max(1, round(share))
        if cut >= len(keys):
            break
        start = bisect_left(keys, keys[cut])
        if start <= at:
            start = bisect_right(keys, keys[cut])
        if start >= len(keys):
            break
        found.append(keys[start])
        at = start
    return found
