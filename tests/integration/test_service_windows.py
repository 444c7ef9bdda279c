"""Tumbling windows on both databases, with a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest
from trigger_rig import Rig, at, starts

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.errors import ApiError
from crossdock_scheduler.service.triggers.reading import normal, read

HOUR = 3600.0
MARCH = at("2026-03-01T00:00:00")


@pytest.fixture
def rig(opened: Database) -> Rig:
    return Rig(opened)


def test_windows_of_the_past_in_order_and_so_many_at_once(rig: Rig) -> None:
    rig.pipeline("q", begin="String", end="String")
    outputs = {"begin": "@trigger().outputs.windowStartTime", "end": "@trigger().outputs.windowEndTime"}
    now = MARCH + 5.5 * HOUR
    rig.tumbling("w", now, "2026-03-01T00:00:00Z", pipeline=starts("q", **outputs), maxConcurrency=2)
    rig.see_to(now)
    assert rig.ticks("w") == ["03-01 00:00", "03-01 01:00"]
    rig.end(rig.runs("w")[1].pipeline_run_id, now=now)
    rig.see_to(now + 1)
    assert rig.ticks("w") == ["03-01 00:00", "03-01 01:00", "03-01 02:00"]
    assert rig.statuses("w") == ["Running", "Succeeded", "Running"]
    for _ in range(3):
        rig.end_all("w", now)
        rig.see_to(now + 2)
    assert rig.statuses("w") == ["Succeeded"] * 5
    assert sorted(each.parameters["begin"] for each in rig.pipeline_runs()) == [
        f"2026-03-01T0{hour}:00:00.0000000Z" for hour in range(5)
    ]
    assert {each.parameters["end"] for each in rig.pipeline_runs()} > {"2026-03-01T05:00:00.0000000Z"}


def test_windows_go_on_where_they_were_stopped(rig: Rig) -> None:
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", delay="00:10:00")
    rig.see_to(MARCH + HOUR)
    assert rig.ticks("w") == []
    rig.see_to(MARCH + HOUR + 600)
    rig.stop("w")
    rig.see_to(MARCH + 3.5 * HOUR)
    assert rig.ticks("w") == ["03-01 00:00"]
    rig.end_all("w", MARCH + 3.5 * HOUR)
    rig.see_to(MARCH + 3.6 * HOUR)
    assert rig.statuses("w") == ["Succeeded"]
    rig.start("w", MARCH + 3.7 * HOUR)
    rig.see_to(MARCH + 3.7 * HOUR)
    assert rig.ticks("w") == ["03-01 00:00", "03-01 01:00", "03-01 02:00"]


def test_windows_end(rig: Rig) -> None:
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", endTime="2026-03-01T02:30:00Z")
    rig.see_to(MARCH + 100 * HOUR)
    assert rig.ticks("w") == ["03-01 00:00", "03-01 01:00"]


def test_months_are_windows(rig: Rig) -> None:
    rig.tumbling("w", MARCH, "2025-12-15T00:00:00Z", frequency="Month")
    rig.see_to(MARCH)
    assert rig.ticks("w") == ["12-15 00:00", "01-15 00:00"]


def test_failed_windows_are_tried_again(rig: Rig) -> None:
    retry = {"count": 1, "intervalInSeconds": 300}
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", retryPolicy=retry, endTime="2026-03-01T01:00:00Z")
    now = MARCH + HOUR
    rig.see_to(now)
    first = rig.runs("w")[0].pipeline_run_id
    rig.end(first, "Failed", now, "no luck")
    rig.see_to(now + 1)
    rig.see_to(now + 299)
    assert rig.statuses("w") == ["Waiting"]
    rig.see_to(now + 302)
    (run,) = rig.runs("w")
    assert (run.status, run.tries) == ("Running", 2)
    assert run.pipeline_run_id != first
    rig.end(run.pipeline_run_id, "Failed", now + 400, "no luck")
    rig.see_to(now + 401)
    (run,) = rig.runs("w")
    assert (run.status, run.message) == ("Failed", "no luck")


def test_window_run_again(rig: Rig) -> None:
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", endTime="2026-03-01T01:00:00Z")
    now = MARCH + HOUR
    rig.see_to(now)
    (run,) = rig.runs("w")
    with pytest.raises(ApiError, match="still going on"):
        rig.rerun("w", run.id, now)
    rig.end_all("w", now, "Failed")
    rig.see_to(now)
    rig.rerun("w", run.id, now + 5)
    rig.see_to(now + 5)
    assert rig.statuses("w") == ["Failed", "Running"]
    rig.end_all("w", now + 6)
    rig.see_to(now + 6)
    assert rig.statuses("w") == ["Failed", "Succeeded"]
    assert len({each.run_id for each in rig.pipeline_runs()}) == 2


def test_cancelled_windows_are_not_tried_again(rig: Rig) -> None:
    now = MARCH + 3 * HOUR
    more = {"retryPolicy": {"count": 3}, "maxConcurrency": 1, "endTime": "2026-03-01T02:00:00Z"}
    rig.tumbling("w", now, "2026-03-01T00:00:00Z", **more)
    rig.see_to(now)
    (run,) = rig.runs("w")
    rig.cancel("w", run.id, now)
    rig.see_to(now)
    assert rig.statuses("w") == ["Cancelled", "Running"]
    assert [each.status for each in rig.pipeline_runs()] == ["Cancelled", "InProgress"]
    assert rig.answered() == [("Cancelled", "The trigger run was cancelled."), ("Inprogress", None)]


def test_windows_wait_for_those_of_another_trigger(rig: Rig) -> None:
    """Two hours of the one for each hour of the other, from the hour before on."""
    now = MARCH + 4 * HOUR
    rig.tumbling("up", now, "2026-03-01T00:00:00Z", endTime="2026-03-01T03:00:00Z")
    reference = {"type": "TriggerReference", "referenceName": "up"}
    needs = {
        "type": "TumblingWindowTriggerDependencyReference", "referenceTrigger": reference,
        "offset": "-01:00:00", "size": "02:00:00",
    }  # fmt: skip
    rig.tumbling("down", now, "2026-03-01T00:00:00Z", endTime="2026-03-01T03:00:00Z", dependsOn=[needs])
    rig.see_to(now)
    assert rig.statuses("down") == ["Blocked"] * 3
    first, second, third = (each.pipeline_run_id for each in rig.runs("up"))
    rig.end(first, now=now)
    rig.end(second, "Failed", now)
    rig.end(third, now=now)
    rig.see_to(now + 6)
    rig.see_to(now + 12)
    assert rig.statuses("down") == ["Running", "Blocked", "Blocked"]
    rig.rerun("up", rig.runs("up")[1].id, now + 13)
    rig.see_to(now + 13)
    rig.end_all("up", now + 14)
    rig.see_to(now + 14)
    rig.see_to(now + 20)
    assert rig.statuses("down") == ["Running"] * 3


def test_windows_that_waited_are_not_run_all_at_once(rig: Rig) -> None:
    now, end = MARCH + 4 * HOUR, "2026-03-01T04:00:00Z"
    rig.tumbling("up", now, "2026-03-01T00:00:00Z", endTime=end)
    needs = {"type": "TumblingWindowTriggerDependencyReference"}
    needs |= {"referenceTrigger": {"type": "TriggerReference", "referenceName": "up"}}
    rig.tumbling("w", now, "2026-03-01T00:00:00Z", endTime=end, dependsOn=[needs], maxConcurrency=2)
    for _ in range(2):
        rig.see_to(now)
    assert rig.statuses("w") == ["Blocked"] * 4
    rig.end_all("up", now)
    rig.see_to(now + 1)
    rig.see_to(now + 6)
    assert rig.statuses("w") == ["Running"] * 2 + ["Blocked"] * 2


def test_windows_that_wait_too_long_fail(rig: Rig) -> None:
    now = MARCH + 2 * HOUR
    rig.tumbling("up", now, "2026-03-01T00:00:00Z", endTime="2026-03-01T01:00:00Z")
    needs = {"type": "TumblingWindowTriggerDependencyReference"}
    needs |= {"referenceTrigger": {"type": "TriggerReference", "referenceName": "up"}}
    rig.tumbling("down", now, "2026-03-01T00:00:00Z", endTime="2026-03-01T01:00:00Z", dependsOn=[needs])
    rig.see_to(now)
    rig.see_to(now + 6 * 24 * HOUR)
    assert rig.statuses("down") == ["Blocked"]
    rig.see_to(now + 8 * 24 * HOUR)
    assert rig.statuses("down") == ["Failed"]
    assert "seven days" in rig.runs("down")[0].message


def test_windows_wait_for_the_ones_before(rig: Rig) -> None:
    needs = [{"type": "SelfDependencyTumblingWindowTriggerReference", "offset": "-01:00:00"}]
    now = MARCH + 3 * HOUR
    rig.tumbling("w", now, "2026-03-01T00:00:00Z", endTime="2026-03-01T03:00:00Z", dependsOn=needs)
    rig.see_to(now)
    for done in range(3):
        assert rig.statuses("w") == [*["Succeeded"] * done, "Running", *["Blocked"] * (2 - done)]
        rig.end_all("w", now)
        rig.see_to(now + 1)
    assert rig.statuses("w") == ["Succeeded"] * 3


def test_windows_whose_pipeline_cannot_start_do_not_stop_the_trigger(rig: Rig) -> None:
    rig.pipeline("q", day="Int")
    now = MARCH + 4 * HOUR
    pipeline = starts("q", day="@trigger().nothing")
    rig.tumbling("w", now, "2026-03-01T00:00:00Z", pipeline=pipeline, maxConcurrency=1)
    rig.see_to(now)
    assert rig.statuses("w") == ["Failed"] * 4


SELF = {"type": "SelfDependencyTumblingWindowTriggerReference"}


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        ({"frequency": "Day"}, "'Day' is not supported"),
        ({"frequency": "Minute", "interval": 4}, "must be 5 to"),
        ({"maxConcurrency": 51}, "must be 1 to 50"),
        ({"maxConcurrency": None}, "maxConcurrency is missing"),
        ({"delay": "soon"}, "a span of time"),
        ({"frequency": "Month", "startTime": "2026-03-31"}, "1 to 28"),
        ({"dependsOn": [SELF]}, "must be negative"),
        ({"dependsOn": [SELF | {"offset": "01:00:00"}]}, "must be negative"),
        ({"dependsOn": [SELF | {"offset": "-01:00:00", "size": "02:00:00"}]}, "wait for its own end"),
        ({"dependsOn": [{"type": "TumblingWindowTriggerDependencyReference"}]}, "must name a trigger"),
        ({"dependsOn": [SELF | {"offset": "-01:00:00"}] * 6}, "at most 5"),
    ],
)
def test_bad_windows(inner: dict[str, Any], said: str) -> None:
    good = {"frequency": "Hour", "interval": 1, "startTime": "2026-03-01", "maxConcurrency": 1}
    properties = {"type": "TumblingWindowTrigger", "pipeline": starts("p"), "typeProperties": good | inner}
    with pytest.raises(ApiError) as caught:
        read(normal(properties))
    assert said in caught.value.message
