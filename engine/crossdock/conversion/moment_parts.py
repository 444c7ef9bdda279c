"""Parts of dates and times, as numbers, put together: a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
_DAY = 86_400 * 10**9
_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass
class Parts:
    """Numbers by .NET's letters: y M d H m s, ``f`` nanoseconds, ``t`` 1 or 2 for the halves of a day (0:
    none), ``z`` minutes east of UTC. ``valid`` are the rows that have any.
    """

    valid: Flags
    numbers: dict[str, Numbers] = field(default_factory=dict)

    def of(self, letter: str, default: int = 0) -> Numbers:
        found = self.numbers.get(letter)
        return np.full(len(self.valid), default, np.int64) if found is None else found

    def clock(self) -> tuple[Numbers, Flags]:
        """Nanoseconds since midnight, and where hours, minutes and seconds are what they may be."""
        hour, half, minute, second = self.of("H"), self.of("t"), self.of("m"), self.of("s")
        halved = half > 0
        fits = (minute < 60) & (second < 60) & np.where(halved, (hour >= 1) & (hour <= 12), hour < 24)
        hour = np.where(halved, hour % 12 + 12 * (half == 2), hour)
        return ((hour * 60 + minute) * 60 + second) * 10**9 + self.of("f"), fits

    def days(self) -> tuple[Numbers, Flags]:
        """Days since 1970, and where there is such a day."""
        year, month, day = self.of("y", 1), self.of("M", 1), self.of("d", 1)
        fits = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        months = ((np.where(fits, year, 1970) - 1970) * 12 + np.where(fits, month, 1) - 1).astype("M8[M]")
        dates = months.astype("M8[D]") + (np.where(fits, day, 1) - 1)
        return dates.astype(np.int64), fits & (dates.astype("M8[M]") == months)

    def timestamps(self, unit: str, *, truncate: bool) -> pa.Array:
        """In UTC where there are zones. Fractions finer than the unit are cut off, or the value is null."""
        days, real = self.days()
        clock, fits = self.clock()
        per = _PER[unit]
        ticks = days * (_DAY // per) + (clock - self.of("z") * 60 * 10**9) // per
        valid = self.valid & real & fits
        if not truncate:
            valid &= clock % per == 0
        if unit == "ns":
            # 64 bits of nanoseconds end in 2262.
            valid &= np.abs(days) < 106_751
        return pa.array(ticks, pa.int64(), mask=~valid).cast(pa.timestamp(unit))

    def times(self, unit: str, *, truncate: bool) -> pa.Array:
        """Times of a day."""
        clock, fits = self.clock()
        valid, per = self.valid & fits, _PER[unit]
        if not truncate:
            valid &= clock % per == 0
        kind = pa.time64(unit) if unit in ("us", "ns") else pa.time32(unit)
        return pa.array(
            (clock // per).astype(np.int64 if kind.bit_width == 64 else np.int32), mask=~valid
        ).cast(kind)
