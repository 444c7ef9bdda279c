"""The knee of a curve of noisy speeds: what a second sweep has to find again."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from crossdock.bench.knee import knee

VALUES = (1, 2, 4, 8, 16)
CURVES: dict[str, tuple[Callable[[int], float], int]] = {
    "as many as there are cores": (lambda n: min(n, 4), 4),
    "no difference": (lambda n: 1.0, 1),
    "still rising": (lambda n: n, 16),
    "too many hurt": (lambda n: min(n, 4) / (1 + max(0, n - 4) / 10), 4),
    "latency": (lambda n: n / (1 + n / 6), 16),
    "throttled above two": (lambda n: n if n <= 2 else 1.0, 2),
}
ROUNDS = 5


def sweep(speed: Callable[[int], float], seed: int, noise: float = 0.05) -> list[list[float]]:
    """Speeds by setting and round: each run is off by itself, each round by as much again and more."""
    chance = random.Random(seed)
    rounds = [chance.gauss(1, 2 * noise) for _ in range(ROUNDS)]
    return [[speed(value) * off * chance.gauss(1, noise) for off in rounds] for value in VALUES]


@pytest.mark.parametrize("noise", [0.01, 0.05])
@pytest.mark.parametrize("curve", CURVES)
def test_a_second_sweep_confirms_the_first(curve: str, noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly always where runs differ by 5 %, always where they differ by 1 %."""
    monkeypatch.setattr("crossdock.bench.knee._RESAMPLED", 1)
    speed, expected = CURVES[curve]
    least = 88 if noise > 0.01 else 100
    found, held = [], []
    for seed in range(100):
        taken = knee(sweep(speed, seed, noise)).index
        again = knee(sweep(speed, seed + 1000, noise))
        found.append(VALUES[taken])
        held.append(again.levels[taken] >= 1 - again.tolerance)
    assert sum(value == expected for value in found) >= least
    assert sum(held) >= least
    assert all(speed(value) >= 0.75 * speed(expected) for value in found)


def test_a_machine_with_a_bad_hour_is_told_from_a_bad_setting() -> None:
    steady = [[100.0, 50.0, 100.0], [200.0, 100.0, 200.0], [201.0, 99.0, 200.0]]
    found = knee(steady)
    assert (found.index, found.confidence) == (1, 1.0)


def test_what_is_uncertain_is_called_so() -> None:
    """Two settings that differ by about what is tolerated: no figure is certain."""
    unsure = [knee(sweep(lambda n: 1.0 + 0.02 * n, seed, noise=0.15)).confidence for seed in range(20)]
    sure = [knee(sweep(lambda n: min(n, 4), seed, noise=0.01)).confidence for seed in range(20)]
    assert min(sure) == 1.0
    assert sorted(unsure)[10] < 0.9


def test_noise_widens_what_counts_as_equal_but_not_beyond_a_quarter() -> None:
    assert knee(sweep(lambda n: 1.0, 1, noise=0.001)).tolerance == 0.05
    assert 0.05 < knee(sweep(lambda n: 1.0, 1, noise=0.1)).tolerance <= 0.25
    assert knee(sweep(lambda n: 1.0, 1, noise=0.5)).tolerance == 0.25


def test_rising_means_that_the_last_one_tried_still_brings_more() -> None:
    assert knee([[1.0] * 3, [2.0] * 3, [4.0] * 3]).rising
    assert not knee([[1.0] * 3, [2.0] * 3, [2.01] * 3]).rising
    assert not knee([[1.0] * 3]).rising
