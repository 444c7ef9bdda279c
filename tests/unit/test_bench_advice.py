"""What the figures of a sweep mean, and the settings that are tried."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock import ConfigError, NotFoundError, ThrottledError, TransientError
from crossdock.bench.advice import Advice, advise
from crossdock.bench.answer import as_json, confirmed
from crossdock.bench.knee import knee
from crossdock.bench.measuring import Sample
from crossdock.bench.scratch import Copy
from crossdock.bench.settings import Setting, Tried, counts, sizes
from crossdock.bench.sweep import Findings, Point, Series

IDLE: dict[str, Any] = {
    "cpu": 0.2, "machine": 0.3, "memory": 10**8, "free": 0.6, "parallel": 4, "throttled": 0, "files": True,
    "waiting": {"source": 0.7, "sink": 0.3},
}  # fmt: skip

LIMITED: dict[str, Any] = {"waiting": {"throttle": 0.4, "sink": 0.6}, "options": {"bandwidth": "9MB/s"}}


def sample(speed: float, **other: Any) -> Sample:
    return Sample(**IDLE | {"seconds": 1e9 / speed, "amount": 10**9, "rows": None} | other)


def findings(*jobs: float, options: dict[str, Any] | None = None, **other: Any) -> Findings:
    """A sweep over jobs with these speeds."""
    points = tuple(
        Point(Setting(4, None, 2**n), (sample(speed, **other),) * 3) for n, speed in enumerate(jobs)
    )
    found = Findings(Copy("a", "b", options or {}), 3)
    found.series.append(Series(("jobs",), points, knee([[p.rate] * 3 for p in points])))
    return found


def advice(*jobs: float, **other: Any) -> Advice:
    return advise(findings(*jobs, **other))


@pytest.mark.parametrize(
    ("other", "limit", "following", "said"),
    [
        ({"throttled": 3}, "throttled", "neither", "asks for fewer requests"),
        (LIMITED, "throttled", "neither", "--bandwidth 9MB/s"),
        ({"waiting": {"budget": 0.5, "sink": 0.5}}, "memory-bound", "neither", "wait for --memory 50%"),
        ({"free": 0.05}, "memory-bound", "scale out", "5% of the machine's memory"),
        ({"cpu": 0.9, "machine": 0.97}, "CPU-bound", "scale out", "used to 97%"),
        ({"cpu": 0.1, "machine": 0.97}, "CPU-bound", "scale out", "others need it"),
        ({}, "source-bound", "neither", "70% of their time reading"),
        ({"waiting": {"source": 0.2, "sink": 0.8}}, "sink-bound", "neither", "80% of their time writing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_limits_a_copy(other: dict[str, Any], limit: str, following: str, said: str) -> None:
    found = advice(1e9, 1e9, **other)
    assert (found.limit, found.next) == (limit, following)
    assert said in found.reason


def test_more_jobs_that_bring_more_are_scaling_up() -> None:
    found = advice(1e8, 2e8, 4e8)
    assert (found.next, found.setting.jobs) == ("scale up", 4)
    assert "measure with more" in found.how
    settled = advice(1e8, 2e8, 2.02e8)
    assert (settled.next, settled.setting.jobs) == ("scale up", 2)
    assert "2 concurrent jobs" in settled.how


def test_time_outs_are_a_reason_to_scale_out() -> None:
    found = findings(1e8, 2e8)
    found.left_out[Setting(4, None, 8)] = TransientError("the server timed out")
    assert advise(found).next == "scale out"
    for no_time_out in (NotFoundError("no such thing"), ThrottledError("slow down")):
        found.left_out = {Setting(4, 1, 1): no_time_out}
        assert advise(found).next == "scale up"


def test_what_the_copy_chooses_by_itself_is_told_and_never_taken() -> None:
    auto = Point(Setting(), (sample(3e8),) * 3, told=True)
    points = (auto, *(Point(Setting(n), (sample(n * 1e8),) * 3) for n in (1, 2)))
    found = Findings(Copy("a", "b", {}), 3)
    found.series.append(Series(("parallel",), points, knee([[1e8] * 3, [2e8] * 3])))
    said = advise(found)
    assert said.setting == Setting(2)
    assert "parallelCopies auto is as fast (150% of the fastest): it may stay" in said.remarks


def test_low_memory_and_a_busy_processor_are_called_by_their_names() -> None:
    found = advice(1e9, 1e9, cpu=0.95, machine=1.0, free=0.2)
    assert "processor usage is high: add a node" in found.how
    assert found.limit == "CPU-bound"
    assert not found.remarks
    assert "others use the processor" in advice(1e9, 1e9, cpu=0.1, machine=1.0).remarks[0]


def test_lists_of_values() -> None:
    assert counts("8, 1,2,2", "--parallel-copies", 256) == (1, 2, 8)
    assert counts("none", "--parallel-copies", 256) == ()
    assert sizes("4,8,16MiB", "--block-size") == (4 << 20, 8 << 20, 16 << 20)
    assert sizes("512KiB,1MiB", "--block-size") == (1 << 19, 1 << 20)
    assert sizes("100", "--block-size") == (100,)
    for text in ("1,,2", "0", "one", "257", "-1"):
        with pytest.raises(ConfigError, match="--parallel-copies"):
            counts(text, "--parallel-copies", 256)
    with pytest.raises(ConfigError, match="is not a size"):
        sizes("4,x", "--block-size")


def test_a_grid_begins_with_what_takes_least() -> None:
    tried = Tried((2, 1), (4, 8), (1, 2))
    settings = tried.grid()
    assert len(settings) == 8
    assert settings[0] == Setting(1, 4, 1)
    assert settings[-1] == Setting(2, 8, 2)


def test_a_second_sweep_says_whether_the_first_holds() -> None:
    first = findings(1e8, 2e8, 2.02e8)
    answer = as_json(first, advise(first))
    assert answer["recommendation"]["concurrentJobs"] == 2
    same = confirmed(findings(1.1e8, 2.1e8, 2.2e8), answer)
    assert same["confirmed"] is True
    assert same["compared"][0]["shareOfFastest"] == 0.955
    assert confirmed(findings(1e8, 2e8, 2.2e8), answer)["confirmed"] is False
    answer["series"][0]["tolerance"] = 0.12
    assert confirmed(findings(1e8, 2e8, 2.2e8), answer)["confirmed"] is True
    assert confirmed(findings(1e8), answer) == {"confirmed": None, "compared": []}
