"""The policy of activities: retries, time-outs, what is secure; and the end of a run that is cancelled."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pipelines.running import Bench, activity

from crossdock_scheduler.pipeline import attempts
from crossdock_scheduler.pipeline.run.local_store import record_path

HIDDEN = "s3cret-value-of-mine"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def policy(**given: object) -> dict[str, object]:
    return {"retryIntervalInSeconds": 0} | given


def test_an_activity_is_tried_again_as_often_as_its_policy_says(bench: Bench) -> None:
    ran = bench.run(bench.note("N", fails=2, policy=policy(retry=2)))
    assert (ran.status, len(bench.lines())) == ("Succeeded", 3)
    assert [(each.attempt, each.status) for each in ran.of("N")] == [
        (0, "Failed"),
        (1, "Failed"),
        (2, "Succeeded"),
    ]
    assert len({each.run_id for each in ran.of("N")}) == 3


def test_it_is_tried_no_more_often(bench: Bench) -> None:
    ran = bench.run(bench.note("N", fails=9, policy=policy(retry="@add(0, 1)")))
    assert (ran.status, len(bench.lines())) == ("Failed", 2)


def test_between_attempts_it_waits(bench: Bench) -> None:
    ran = bench.run(bench.note("N", fails=1, policy={"retry": 1, "retryIntervalInSeconds": 1}))
    first, second = ran.of("N")
    assert first.ended is not None
    assert 1 <= (second.started - first.ended).total_seconds() < 5


def test_an_attempt_that_takes_too_long_is_stopped_and_tried_again(bench: Bench) -> None:
    begun = time.monotonic()
    ran = bench.run(bench.note("N", seconds=60, policy=policy(timeout="0.00:00:01", retry=1)))
    error = ran.of("N")[1].error
    assert error is not None
    assert (ran.status, error.code, len(bench.lines())) == ("Failed", "Timeout", 2)
    assert "1 seconds" in error.message
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("heeds", [True, False])
def test_a_cancelled_run_ends_within_seconds_and_can_be_resumed(bench: Bench, heeds: bool) -> None:
    loop = activity(
        "L", "ForEach", items="@range(0, 9)",
        activities=[bench.note("Slow", seconds=30, heeds=heeds)],
    )  # fmt: skip
    begun = time.monotonic()
    ran = bench.run(
        bench.note("First"), loop, activity("W", "Wait", waitTimeInSeconds=30), run_id="it", cancel_after=1.5
    )
    assert time.monotonic() - begun < 12
    assert ran.run.ended is None
    assert {each.activity: each.ended is None for each in ran.activities} == {
        "First": False, "L": True, "Slow": True, "W": True,
    }  # fmt: skip


def test_what_is_secure_is_in_no_record_and_yet_of_use(bench: Bench) -> None:
    secure = {"secureInput": True, "secureOutput": True}
    ran = bench.run(
        bench.note("Get", output={"token": HIDDEN}, policy=secure),
        activity(
            "Set",
            "SetVariable",
            "Get",
            variableName="v",
            value="@activity('Get').output.token",
            policy=secure,
        ),
        bench.note("Use", "Set", line="@{activity('Get').output.token} @{variables('v')}", policy=secure),
        variables={"v": {"type": "String"}},
        run_id="it",
    )
    assert bench.lines() == ["Get", f"{HIDDEN} {HIDDEN}"]
    assert ran.one("Get").output == {"secureOutput": "***"}
    assert ran.one("Use").input == {"secureInput": "***"}
    assert_nowhere(bench, "it")


def test_a_secure_parameter_is_in_no_record(bench: Bench) -> None:
    ran = bench.run(
        bench.note("Use", line="@pipeline().parameters.password", policy={"secureInput": True}),
        secrets={"password": HIDDEN},
        run_id="it",
    )
    assert (ran.status, bench.lines(), ran.run.parameters) == ("Succeeded", [HIDDEN], {})
    assert_nowhere(bench, "it")


def assert_nowhere(bench: Bench, run_id: str) -> None:
    path = record_path(run_id, bench.home)
    files = list(path.parent.glob(f"{run_id}*"))
    assert path in files
    assert all(HIDDEN.encode() not in each.read_bytes() for each in files)


def test_without_a_time_out_of_its_own_an_activity_has_that_of_every_policy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_TWELVE_HOURS", 1)
    ran = bench.run(bench.note("Own", seconds=3, timeout="0.01:00:00"), bench.note("None", seconds=3))
    assert ran.statuses() == {"Own": "Succeeded", "None": "Failed"}
