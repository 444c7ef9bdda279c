"""What a sweep's figures mean: what limits the copy, and what to do next, in Data Factory's words."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Literal

from .measuring import Sample
from .settings import Dimension, Setting, shown
from .sweep import Findings, Series

Limit = Literal["throttled", "memory-bound", "CPU-bound", "source-bound", "sink-bound"]
Next = Literal["scale up", "scale out", "neither"]

_BUSY = 0.85
"""Of all cores; what is left then is lost between processes."""
_LOW = 0.10
_HELD_BACK = 0.10
_FOR_MEMORY = 0.20


@dataclass(frozen=True, slots=True)
class Usage:
    """Medians of one setting's runs; shares are from 0 to 1, None where the system does not tell."""

    cpu: float
    machine: float | None
    memory: int
    free: float
    waiting: dict[str, float]
    throttled: float

    @classmethod
    def of(cls, samples: tuple[Sample, ...]) -> Usage:
        reasons = dict.fromkeys(reason for each in samples for reason in each.waiting)
        busy = [each.machine for each in samples if each.machine is not None]
        return cls(
            cpu=median(each.cpu for each in samples),
            machine=median(busy) if busy else None,
            memory=int(median(each.memory for each in samples)),
            free=median(each.free for each in samples),
            waiting={reason: median(each.waiting.get(reason, 0.0) for each in samples) for reason in reasons},
            throttled=median(each.throttled for each in samples),
        )

    @property
    def busy(self) -> float:
        return max(self.cpu, self.machine or 0.0)

    @property
    def low_on_memory(self) -> bool:
        return self.free < _LOW

    def wait(self, *reasons: str) -> float:
        return sum(self.waiting.get(reason, 0.0) for reason in reasons)


@dataclass(frozen=True, slots=True)
class Advice:
    """``setting`` is what to take. ``reason`` says why no more, ``next`` what would help and ``how``.

    ``confidence`` is that of the least certain choice.
    """

    setting: Setting
    limit: Limit
    reason: str
    next: Next
    how: str
    confidence: float
    remarks: tuple[str, ...]


def advise(found: Findings) -> Advice:
    """The recommendation; the bottleneck is that of the recommended setting."""
    usage = Usage.of(found.chosen.samples)
    limit, reason = _limit(usage, found)
    following, how = _next(limit, usage, found)
    confidence = min(series.knee.confidence for series in found.series)
    return Advice(
        found.chosen.setting, limit, reason, following, how, confidence, tuple(_remarks(found, confidence))
    )


def _limit(usage: Usage, found: Findings) -> tuple[Limit, str]:
    if usage.throttled or usage.wait("throttle") >= _HELD_BACK:
        bandwidth = found.copy.options.get("bandwidth")
        if bandwidth and not usage.throttled:
            return "throttled", f"--bandwidth {bandwidth} holds the copy back"
        return "throttled", "a server asks for fewer requests"
    if usage.wait("budget") >= _FOR_MEMORY:
        return "memory-bound", f"workers wait for --memory {usage.wait('budget'):.0%} of their time"
    if usage.low_on_memory:
        return "memory-bound", f"{usage.free:.0%} of the machine's memory was left"
    if usage.busy >= _BUSY:
        by_others = f", to {usage.cpu:.0%} by the copy: others need it" if usage.cpu < _BUSY / 2 else ""
        return "CPU-bound", f"the processor is used to {usage.busy:.0%}{by_others}"
    return _side(usage)


def _side(usage: Usage) -> tuple[Limit, str]:
    """Neither this machine nor a limit holds the copy back: one of the two ends does."""
    reading, writing = usage.wait("source", "first"), usage.wait("sink", "begin", "commit")
    idle = f"while the processor is used to {usage.busy:.0%}"
    if reading >= writing:
        return "source-bound", f"workers spend {reading:.0%} of their time reading, {idle}"
    return "sink-bound", f"workers spend {writing:.0%} of their time writing, {idle}"


def _next(limit: Limit, usage: Usage, found: Findings) -> tuple[Next, str]:
    if found.timed_out:
        return "scale out", "copies fail because they time out: add a node"
    if limit == "throttled":
        return "neither", "more of this machine, or another one, asks for more of what is limited now"
    if limit == "CPU-bound":
        low = "high and available memory is low" if usage.low_on_memory else "high"
        return "scale out", f"processor usage is {low}: add a node, or give this one more cores"
    if limit == "memory-bound" and usage.low_on_memory:
        return "scale out", "available memory is low: add a node, or give this one more memory"
    if limit == "memory-bound":
        return "neither", "memory is available: raise --memory"
    return _more_jobs(limit, found)


def _more_jobs(limit: Limit, found: Findings) -> tuple[Next, str]:
    """Processor and memory aren't well utilized: more jobs at once use them, where that was seen."""
    series = next((series for series in found.series if "jobs" in series.dimensions), None)
    jobs = series.chosen.setting.jobs if series else 1
    if series and series.knee.rising:
        return "scale up", (
            f"processor and memory aren't well utilized, and {jobs} concurrent jobs, the most that were "
            "tried, bring more than fewer: raise the number of concurrent jobs of the node to "
            f"{jobs}, and measure with more"
        )
    if jobs > 1:
        return (
            "scale up",
            f"one job leaves processor and memory idle: let the node run {jobs} concurrent jobs",
        )
    return "neither", f"the {limit.removesuffix('-bound')} is what has to become faster"


def _remarks(found: Findings, confidence: float) -> list[str]:
    remarks = []
    for series in found.series:
        if len(series.dimensions) > 1:
            continue
        dimension: Dimension = series.dimensions[0]
        remarks += _beside(series, dimension)
        if series.knee.rising and dimension != "jobs":
            value = shown(dimension, series.chosen.setting.value(dimension))
            remarks.append(f"{value} is the last that was tried, and still brings more: try more")
    if confidence < 0.8:
        remarks.append(
            f"the runs differ so much that {1 - confidence:.0%} of resampled rounds say something else: take "
            "more --runs, a larger source or a machine with less to do"
        )
    usage = Usage.of(found.chosen.samples)
    if usage.busy >= _BUSY and usage.cpu < _BUSY / 2:
        remarks.append("others use the processor: measure when the machine has less to do")
    if median(each.seconds for each in found.chosen.samples) < 1:
        remarks.append("the copies take less than a second each: a larger source says more")
    return remarks


def _beside(series: Series, dimension: Dimension) -> list[str]:
    """How what the copy chooses by itself compares."""
    for point in series.points:
        if point.told:
            share = point.rate / series.best.rate
            if share >= 1 - series.knee.tolerance:
                return [f"{_WITHOUT[dimension]} is as fast ({share:.0%} of the fastest): it may stay"]
            return [f"{_WITHOUT[dimension]} has {share:.0%} of the fastest's speed"]
    return []


_WITHOUT: dict[Dimension, str] = {
    "parallel": "parallelCopies auto",
    "block": "the block size that the copy chooses",
    "jobs": "one job",
}
