"""The parts of a run's time add up to it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from crossdock.breakdown import breakdown
from crossdock.meter import DOINGS, Worker
from crossdock.report import CopyResult, Side
from crossdock.timeline import POINTS, Timeline


def result(**facts: Any) -> CopyResult:
    end = Side("file", "", "/x")
    return CopyResult("r", "Succeeded", "binary", end, end, datetime(2024, 2, 29, tzinfo=UTC), **facts)


@pytest.mark.parametrize("seed", range(20))
def test_they_add_up(seed: int) -> None:
    random = Random(seed)
    opening, listing, copying, after = (random.uniform(0, 3) for _ in range(4))
    seconds = {name: random.uniform(0, 9) for name in DOINGS}
    parts = breakdown(
        result(
            duration=opening + listing + copying + after, opening=opening, planning=opening + listing,
            copying=copying, seconds=seconds, throttled_seconds=1.0, retried_seconds=random.uniform(0, 9),
        )
    )  # fmt: skip
    assert sum(parts.values()) == pytest.approx(opening + listing + copying + after, abs=0.0011)
    assert min(parts.values()) >= 0
    assert parts["finishing"] == pytest.approx(after, abs=0.02)


def test_workers_share_the_clock() -> None:
    """Four workers for ten seconds; one of them waited all the time."""
    parts = breakdown(result(duration=10.0, copying=10.0, seconds={"source": 20, "sink": 10, "queue": 10}))
    assert {name: spent for name, spent in parts.items() if spent} == {
        "reading": 5.0,
        "writing": 2.5,
        "waitingForWork": 2.5,
    }


def test_what_held_it_back_is_told_apart() -> None:
    parts = breakdown(
        result(duration=6, copying=6, seconds={"throttle": 6}, throttled_seconds=1, retried_seconds=2)
    )
    assert (parts["waitingForThrottling"], parts["waitingForRetries"], parts["waitingForBandwidth"]) == (
        1,
        2,
        3,
    )


@pytest.mark.parametrize("facts", [{}, {"duration": 0.3}, {"duration": 1.0, "planning": 0.4, "copying": 0.2}])
def test_where_no_worker_worked(facts: dict[str, Any]) -> None:
    parts = breakdown(result(**facts))
    assert sum(parts.values()) == pytest.approx(facts.get("duration", 0.0))


def test_a_worker_does_one_thing_at_a_time() -> None:
    """The seconds of all things together are those that have passed."""
    worker = Worker("away")
    began = time.perf_counter()
    worker.turn("engine")
    with worker.waits_for("commit"):
        time.sleep(0.01)
        with worker.held_back():
            time.sleep(0.02)
    worker.turn("away")
    passed = time.perf_counter() - began
    spent = {name: seconds for name, seconds in worker.seconds.items() if name != "away"}
    assert sum(spent.values()) == pytest.approx(passed, abs=0.005)
    assert spent["commit"] >= 0.01
    assert spent["throttle"] >= 0.02
    assert sum(spent.values()) < worker.throttled_seconds + passed, "nothing counts twice"


def test_until_its_first_byte_all_is_for_that() -> None:
    worker = Worker("engine")
    for doing in ("begin", "source", "queue"):
        with worker.waits_for(doing):
            time.sleep(0.002)
    worker.first_byte()
    assert worker.first is not None
    assert worker.seconds["begin"] == worker.seconds["source"] == 0
    assert worker.seconds["first"] >= 0.004
    assert worker.seconds["queue"] >= 0.002


def test_another_process_tells_what_it_did() -> None:
    worker = Worker("source", {**dict.fromkeys(DOINGS, 0.0), "source": 10.0})
    worker.spent(dict.fromkeys(DOINGS, 0.0) | {"sink": 4.0, "transform": 3.0, "source": 2.0})
    assert (worker.seconds["sink"], worker.seconds["transform"]) == (4.0, 3.0)
    assert worker.seconds["source"] == pytest.approx(3.0, abs=0.1)


def test_a_timeline_is_bounded() -> None:
    timeline, workers = Timeline(), [Worker("source"), Worker("sink"), Worker("away")]
    for number in range(10_000):
        timeline.look(number * 0.1, number, workers)
    assert POINTS / 2 <= len(timeline.points) <= POINTS
    assert timeline.points[-1]["at"] > 900
    for point in timeline.points:
        assert point["workers"] == {"source": point["looks"], "sink": point["looks"]}
    ats = [point["at"] for point in timeline.points]
    assert ats == sorted(set(ats))
