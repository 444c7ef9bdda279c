"""A sweep: the user's copy under one setting after the other, in turn, and what that tells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from ..errors import CancelledError, ConfigError, CrossdockError, ThrottledError, TransientError
from .knee import Knee, knee
from .measuring import Sample, home, measure
from .scratch import Copy, own_sql, scratch
from .settings import WORDS, Dimension, Setting, Tried

DIMENSIONS: tuple[Dimension, ...] = ("parallel", "block", "jobs")


@dataclass(frozen=True, slots=True)
class Step:
    """How far a sweep is: ``number`` of about ``total`` runs; the sample of ``setting`` that came last."""

    number: int
    total: int
    setting: Setting
    sample: Sample | None


@dataclass(frozen=True, slots=True)
class Point:
    """One setting and its runs, by round. ``told``: it is there to be compared with, not to be chosen."""

    setting: Setting
    samples: tuple[Sample, ...]
    told: bool = False

    @property
    def rate(self) -> float:
        return median(each.rate for each in self.samples)


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured along one dimension, or over a grid of all: ``knee`` is about the points that are
    not ``told``.
    """

    dimensions: tuple[Dimension, ...]
    points: tuple[Point, ...]
    knee: Knee

    @property
    def choices(self) -> list[Point]:
        return [point for point in self.points if not point.told]

    @property
    def chosen(self) -> Point:
        return self.choices[self.knee.index]

    @property
    def best(self) -> Point:
        return self.choices[self.knee.best]


@dataclass(slots=True)
class Findings:
    """All that a sweep has found. ``left_out`` says why settings have no figures."""

    copy: Copy
    runs: int
    series: list[Series] = field(default_factory=list)
    left_out: dict[Setting, CrossdockError] = field(default_factory=dict)

    @property
    def chosen(self) -> Point:
        """The recommended setting, as it was measured last."""
        return self.series[-1].chosen

    @property
    def timed_out(self) -> bool:
        return any(
            isinstance(error, TransientError) and not isinstance(error, ThrottledError)
            for error in self.left_out.values()
        )


Tell = Callable[[Step], None]


def sweep(copy: Copy, tried: Tried, *, runs: int, grid: bool, in_place: bool, tell: Tell) -> Findings:
    """Measure and find the knees.

    Coordinate by coordinate: parallel copies first, then blocks with the best number of those, then jobs;
    with ``grid`` every combination. Rounds go through all settings in turn, each beginning with another one:
    what drifts, drifts for all. One run before them is not counted.
    Raises CrossdockError: what the first run raises, ConfigError where nothing can be compared.
    """
    _refuse_repeating(copy)
    try:
        with home() as folder, closing(scratch(copy, in_place=in_place)) as targets:
            found = Findings(copy, runs)
            _Sweep(found, tried, tell, lambda setting: measure(copy, setting, targets, folder)).all(
                grid=grid, many=targets.many
            )
            return found
    except KeyboardInterrupt:
        raise CancelledError("interrupted") from None


def _refuse_repeating(copy: Copy) -> None:
    from ..spelling import snake_case

    given = snake_case(copy.options.get("source_options"))
    if given.get("delete_files_after_completion", "false").lower() not in ("false", "0", "no"):
        raise ConfigError("delete_files_after_completion moves the source, which a sweep copies many times")
    if own := own_sql(given):
        raise ConfigError(f"the source's option {own} runs your own SQL, and a sweep reads many times")


class _Sweep:
    def __init__(
        self, found: Findings, tried: Tried, tell: Tell, measured: Callable[[Setting], Sample]
    ) -> None:
        self.found, self._tried, self._tell, self._measured = found, tried, tell, measured
        self._number = self._total = 0

    def all(self, *, grid: bool, many: bool) -> None:
        if not many and self._tried.jobs not in ((), (1,)):
            raise ConfigError(
                "several copies at once cannot replace one sink; add --concurrent-jobs none to --in-place"
            )
        self._total = self._expected(grid)
        first = self._run(Setting())
        if not first.files:
            # Blocks are what files are written in.
            self._tried = Tried(self._tried.parallel, (), self._tried.jobs)
            self._total = self._expected(grid)
        if grid:
            given = tuple(each for each in DIMENSIONS if self._tried.values(each))
            self._series(given, self._tried.grid(), Setting())
        else:
            self._one_by_one()

    def _one_by_one(self) -> None:
        chosen = Setting()
        for dimension in DIMENSIONS:
            if values := self._tried.values(dimension):
                settings = [chosen.with_value(dimension, value) for value in values]
                beside = chosen if chosen.value(dimension) is None else None
                chosen = self._series((dimension,), settings, beside).chosen.setting

    def _expected(self, grid: bool) -> int:
        if grid:
            return 1 + self.found.runs * (
                1 + math.prod(len(self._tried.values(each)) or 1 for each in DIMENSIONS)
            )
        autos = bool(self._tried.parallel) + bool(self._tried.block)
        return 1 + self.found.runs * (autos + sum(len(self._tried.values(each)) for each in DIMENSIONS))

    def _series(
        self, dimensions: tuple[Dimension, ...], settings: Sequence[Setting], beside: Setting | None
    ) -> Series:
        everyone = list(dict.fromkeys([*([] if beside is None else [beside]), *settings]))
        samples: dict[Setting, list[Sample]] = {setting: [] for setting in everyone}
        for turn in range(self.found.runs):
            begin = turn % len(everyone)
            for setting in [*everyone[begin:], *everyone[:begin]]:
                if setting not in samples:
                    continue
                try:
                    samples[setting].append(self._run(setting))
                except CrossdockError as error:
                    if isinstance(error, CancelledError):
                        raise
                    self.found.left_out[setting] = error
                    del samples[setting]
        points = [
            Point(setting, tuple(taken), told=setting == beside and setting not in settings)
            for setting, taken in samples.items()
        ]
        choices = [point for point in points if not point.told]
        if not choices:
            why = next(iter(self.found.left_out.values()))
            names = " and ".join(WORDS[each] for each in dimensions)
            raise ConfigError(f"the copy fails with every {names} that was tried: {why}")
        series = Series(
            dimensions, tuple(points), knee([[each.rate for each in point.samples] for point in choices])
        )
        self.found.series.append(series)
        return series

    def _run(self, setting: Setting) -> Sample:
        self._tell(Step(self._number, self._total, setting, None))
        sample = self._measured(setting)
        self._number += 1
        self._tell(Step(self._number, self._total, setting, sample))
        return sample
