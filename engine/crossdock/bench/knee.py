"""Where more of a setting brings no more, told from runs whose speed varies by itself."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

TOLERANCE = 0.05
"""Nobody should pay with workers or memory for less than that."""

_MOST = 0.25
_RESAMPLED = 200


@dataclass(frozen=True, slots=True)
class Knee:
    """``index`` is the setting to take, ``best`` the fastest; they differ by no more than ``tolerance``.

    ``confidence`` is the share of resampled rounds in which the same setting is taken. ``levels`` are the
    speeds of all settings as shares of that of ``best``. ``rising``: the last setting is the one to take, and
    faster than the one before by more than ``tolerance``: who tries more may find more.
    """

    index: int
    best: int
    tolerance: float
    confidence: float
    levels: tuple[float, ...]
    rising: bool


def knee(rates: Sequence[Sequence[float]]) -> Knee:
    """The first setting that is as fast as the fastest one, but for ``tolerance``.

    ``rates`` has the speeds of each setting by round: settings in the order of what they cost, rounds one
    after the other on a machine whose speed may drift, which is taken out first. The tolerance is 5 %, or
    twice the standard error of the difference of two medians where that is more, up to 25 %: the fastest of
    several equal settings is the luckiest one.
    """
    steady = _without_drift(rates)
    tolerance = min(_MOST, max(TOLERANCE, 2 * _error(steady)))
    index, best, levels = _choose(steady, tolerance)
    rounds, chance = range(len(steady[0])), random.Random(1)  # noqa: S311 - the same every time
    found = Counter(
        _choose([[each[n] for n in drawn] for each in steady], tolerance)[0]
        for drawn in ([chance.choice(rounds) for _ in rounds] for _ in range(_RESAMPLED))
    )
    last = len(rates) - 1
    return Knee(
        index, best, tolerance, found[index] / _RESAMPLED, tuple(levels),
        rising=index == last and last > 0 and levels[last - 1] < 1 - tolerance,
    )  # fmt: skip


def _without_drift(rates: Sequence[Sequence[float]]) -> list[list[float]]:
    """Each speed as a share of what its setting has in the middle, less what its whole round was off by."""
    middles = [median(each) for each in rates]
    if len(rates) == 1:
        return [list(rates[0])]
    off = [
        median(each[n] / middle for each, middle in zip(rates, middles, strict=True))
        for n in range(len(rates[0]))
    ]
    return [[rate / by for rate, by in zip(each, off, strict=True)] for each in rates]


def _error(rates: Sequence[Sequence[float]]) -> float:
    """The relative standard error of the difference of two settings' medians.

    From the median of absolute deviations, but for those of the middles themselves, which are 0; what was
    taken out of a round was taken from the same figures.
    """
    spread = [abs(rate / median(each) - 1) for each in rates for rate in each]
    apart = [each for each in spread if each > 1e-9] or [0.0]
    deviation = 1.4826 * median(apart) * math.sqrt(len(rates) / max(1, len(rates) - 1))
    return math.sqrt(2) * 1.2533 * deviation / math.sqrt(len(rates[0]))


def _choose(rates: Sequence[Sequence[float]], tolerance: float) -> tuple[int, int, list[float]]:
    middles = [median(each) for each in rates]
    best = max(range(len(middles)), key=middles.__getitem__)
    levels = [middle / middles[best] for middle in middles]
    return next(n for n, level in enumerate(levels) if level >= 1 - tolerance), best, levels
