"""Triggers on both databases, with a clock that jumps."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trigger_rig import KEEPER, Rig, at, recurrence, starts

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import pipeline_runs, resources, triggers
from crossdock_scheduler.service.errors import ApiError
from crossdock_scheduler.service.triggers.misfires import Misfires, Missed
from crossdock_scheduler.service.triggers.reading import normal, read

HOUR = 3600.0
MARCH = at("2026-03-01T00:00:00")


@pytest.fixture
def rig(opened: Database) -> Rig:
    return Rig(opened)


# -- schedules -------------------------------------------------------------------------------------------


def test_one_run_for_each_tick(rig: Rig) -> None:
    rig.schedule("t", MARCH + 1, **recurrence("Minute", "2020-01-01T00:00:00Z", 15))
    for minute in range(61):
        rig.see_to(MARCH + minute * 60)
    assert rig.ticks("t") == ["03-01 00:15", "03-01 00:30", "03-01 00:45", "03-01 01:00"]
    assert rig.statuses("t") == ["Succeeded"] * 4
    started = [each.pipelines["p"] for each in rig.runs("t")]
    assert sorted(each.run_id for each in rig.pipeline_runs()) == sorted(started)


def test_pipelines_see_the_trigger(rig: Rig) -> None:
    rig.pipeline("q", when="String", day="Int", key="SecureString")
    expression = {"value": "@formatDateTime(trigger().scheduledTime, 'dd')", "type": "Expression"}
    key = {"type": "SecureString", "value": "S3cret"}
    both = (
        starts("q", when="@{trigger().scheduledTime} @{trigger().name}", day=expression, key=key),
        starts("p"),
    )
    rig.schedule("t", MARCH, *both, **recurrence("Day", "2026-03-05T06:30:00Z"))
    rig.see_to(at("2026-03-05T06:30:02"))
    (run,) = rig.runs("t")
    q, p = sorted(rig.pipeline_runs(), key=lambda each: each.pipeline, reverse=True)
    assert run.pipelines == {"q": q.run_id, "p": p.run_id}
    assert q.parameters == {"when": "2026-03-05T06:30:00.0000000Z t", "day": 5}
    assert (q.trigger_type, q.trigger_name, q.trigger_time) == (
        "ScheduleTrigger", "t", "2026-03-05T06:30:02.0000000Z",
    )  # fmt: skip
    with rig.database.read() as connection:
        rows = connection.execute(sa.select(pipeline_runs)).all()
        everything = [rows, connection.execute(sa.select(resources)).all()]
    assert "S3cret" not in str(everything)
    assert [KEEPER.unlock(each.secrets) for each in rows if each.secrets] == ['{"key": "S3cret"}']


def test_one_pipeline_that_cannot_start_does_not_stop_the_other(rig: Rig) -> None:
    rig.pipeline("q", day="Int")
    rig.schedule(
        "t", MARCH, starts("q", day="@trigger().nothing"), starts("p"), **recurrence("Hour", "2026-03-01")
    )
    rig.see_to(MARCH)
    (run,) = rig.runs("t")
    assert (run.status, list(run.pipelines)) == ("Failed", ["p"])
    assert "nothing" in run.message


def test_a_stopped_trigger_does_nothing_and_makes_nothing_up_for_it(rig: Rig) -> None:
    rig.schedule("t", MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z"))
    rig.see_to(MARCH)
    rig.stop("t")
    rig.see_to(MARCH + 2 * HOUR)
    rig.start("t", MARCH + 2.5 * HOUR)
    rig.see_to(MARCH + 3 * HOUR)
    assert rig.ticks("t") == ["03-01 00:00", "03-01 03:00"]


def test_end_time(rig: Rig) -> None:
    rig.schedule("t", MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z", endTime="2026-03-01T01:00:00Z"))
    for hour in range(5):
        rig.see_to(MARCH + hour * HOUR)
    assert rig.ticks("t") == ["03-01 00:00", "03-01 01:00"]


@pytest.mark.parametrize(
    ("misfires", "ticks"),
    [
        (Misfires(), ["03-01 00:00", "03-03 12:00"]),
        (Misfires(Missed.ALL, 3 * HOUR), ["03-01 00:00", "03-03 10:00", "03-03 11:00", "03-03 12:00"]),
        (Misfires(Missed.NONE), ["03-01 00:00"]),
    ],
    ids=["latest", "all", "none"],
)
def test_ticks_that_nobody_saw_to(rig: Rig, misfires: Misfires, ticks: list[str]) -> None:
    rig.misfires = misfires
    rig.schedule("t", MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z"))
    rig.see_to(MARCH)
    rig.see_to(MARCH + 60.5 * HOUR)
    assert rig.ticks("t") == ticks
    assert [bool(each.message) for each in rig.runs("t")] == [False, True, False, False][: len(ticks)]
    rig.see_to(MARCH + 61 * HOUR)
    assert rig.ticks("t") == [*ticks, "03-03 13:00"]


def test_the_latest_of_several_that_are_a_little_late(rig: Rig) -> None:
    rig.schedule("t", MARCH, **recurrence("Minute", "2026-03-01T00:00:00Z", 2))
    rig.see_to(MARCH)
    rig.see_to(MARCH + 700)
    assert rig.ticks("t") == ["03-01 00:00", "03-01 00:10"]


def test_replicas_do_not_double(rig: Rig) -> None:
    """Four of them look at the same time, again and again."""
    for number in range(3):
        rig.schedule(f"t{number}", MARCH, **recurrence("Minute", "2026-03-01T00:00:00Z"))
    problems: list[BaseException] = []

    def replica() -> None:
        try:
            for minute in range(20):
                rig.see_to(MARCH + minute * 60)
        except BaseException as error:
            problems.append(error)
            raise

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    rig.see_to(MARCH + 19 * 60)
    assert problems == []
    for number in range(3):
        assert len(rig.ticks(f"t{number}")) == len(set(rig.ticks(f"t{number}"))) == 20
    assert len(rig.pipeline_runs()) == 60


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.integers(1, 60), min_size=1, max_size=5), deaths=st.sets(st.integers(0, 12)))
def test_restarts_lose_and_double_nothing(
    opened: Database, monkeypatch: pytest.MonkeyPatch, looks: list[int], deaths: set[int]
) -> None:
    """The service looks at some minutes, and dies in the middle of some transactions."""
    with opened.write() as connection:
        for each in ("trigger_runs", "factories"):
            connection.execute(sa.text(f"DELETE FROM {each}"))
    rig = Rig(opened, Misfires(Missed.ALL, 10**9))
    rig.schedule("t", MARCH, **recurrence("Minute", "2026-03-01T00:00:00Z", 7))
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", frequency="Minute", interval=9)
    count = 0

    def dying(_: Any, statement: Any, *__: Any) -> None:
        nonlocal count
        if "UPDATE trigger" in str(statement):
            count += 1
            if count in deaths:
                raise KeyboardInterrupt

    sa.event.listen(opened.engine, "before_execute", dying)
    now = MARCH
    try:
        for minutes in looks:
            now += minutes * 60
            for _ in range(len(deaths) + 1):
                try:
                    rig.see_to(now)
                    break
                except KeyboardInterrupt:
                    continue
    finally:
        sa.event.remove(opened.engine, "before_execute", dying)
    passed = int(now - MARCH) // 60
    assert [each.tick for each in rig.runs("t")] == [MARCH + n * 420 for n in range(passed // 7 + 1)]
    windows = min(passed // 9, 50)
    assert [each.tick for each in rig.runs("w") if each.status == "Running"] == [
        MARCH + n * 540 for n in range(windows)
    ]
    runs = Counter(each.trigger_name for each in rig.pipeline_runs())
    assert runs == {"t": passed // 7 + 1, **({"w": windows} if windows else {})}


# -- what may be done with triggers ----------------------------------------------------------------------


def test_a_started_trigger_is_not_changed(rig: Rig) -> None:
    rig.schedule("t", MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z"))
    with pytest.raises(ApiError) as caught:
        rig.schedule("t", MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z", 2))
    assert (caught.value.status, caught.value.code) == (400, "TriggerEnabledCannotUpdate")


def test_windows_that_were_stay_as_they_are(rig: Rig) -> None:
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z")
    rig.see_to(MARCH + HOUR)
    rig.stop("w")
    with pytest.raises(ApiError, match="stay as they are"):
        rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", interval=2)
    rig.tumbling("w", MARCH, "2026-03-01T00:00:00Z", maxConcurrency=7)


@pytest.mark.parametrize(
    ("pipelines", "said"),
    [
        ([], "has no pipeline"),
        ([starts("p", colour="red")], "no parameter 'colour'"),
        ([starts("q")], "needs the parameter 'day'"),
    ],
)
def test_what_cannot_be_started(rig: Rig, pipelines: list[Any], said: str) -> None:
    rig.pipeline("q", day="Int")
    inner = recurrence("Hour", "2026-03-01T00:00:00Z")
    rig.put("t", {"type": "ScheduleTrigger", "pipelines": pipelines, "typeProperties": inner})
    with pytest.raises(ApiError, match=said):
        rig.start("t", MARCH)


def test_one_trigger_that_fails_does_not_stop_the_others(rig: Rig) -> None:
    for name in ("a", "b"):
        rig.schedule(name, MARCH, **recurrence("Hour", "2026-03-01T00:00:00Z"))
    with rig.database.write() as connection:
        broken = sa.update(resources).where(resources.c.name == "a")
        connection.execute(broken.values(properties={"type": "ScheduleTrigger"}))
    rig.see_to(MARCH)
    assert (rig.ticks("a"), rig.ticks("b")) == ([], ["03-01 00:00"])
    with rig.database.read() as connection:
        assert set(connection.execute(sa.select(triggers.c.wake_at)).scalars()) == {MARCH + 60, MARCH + HOUR}


BAD: list[tuple[dict[str, Any], str]] = [
    (recurrence("Fortnight", "2026-03-01"), "'Fortnight' is not supported; supported are Minute"),
    (recurrence("Hour", "soon"), "must be a time such as"),
    ({"recurrence": {"frequency": "Hour"}}, "startTime is missing"),
    (recurrence("Hour", "2026-03-01", 0), "must be 1 to 1000, not 0"),
    (recurrence("Hour", "2026-03-01", timeZone="Nowhere"), "does not know the time zone 'Nowhere'"),
    (recurrence("Day", "2026-03-01", schedule={"minutes": [60]}), "0 to 59, not 60"),
    (recurrence("Day", "2026-03-01", schedule={"hours": ["5"]}), "not '5'"),
    (recurrence("Day", "2026-03-01", schedule={"weekDays": ["Monday"]}), "for the frequency Week only"),
    (recurrence("Week", "2026-03-01", schedule={"weekDays": ["Mo"]}), "days such as Monday, not 'Mo'"),
    (recurrence("Month", "2026-03-01", schedule={"monthDays": [0]}), "of 1 to 31"),
    (recurrence("Month", "2026-03-01", schedule={"monthlyOccurrences": [{"day": "Monday", "occurrence": 6}]}),
     "1 to 5"),
    (recurrence("Month", "2026-02-01", 12, schedule={"monthDays": [30]}), "is never due"),
    (recurrence("Day", "2026-03-01", endTime="2026-02-01"), "is never due"),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "said"), BAD)
def test_bad_recurrences(inner: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(normal({"type": "ScheduleTrigger", "typeProperties": inner}))
    assert (caught.value.status, caught.value.code) == (400, "InvalidTrigger")
    assert said in caught.value.message
    assert caught.value.message.startswith("properties.typeProperties.recurrence")


def test_missed_is_one_of_three(run_python: Any) -> None:
    code = "from crossdock.__main__ import main; import sys; sys.argv[1:] = %r; main()"
    with pytest.raises(AssertionError, match="--missed never: it is latest, all, none"):
        run_python(code % ["service", "start", "--missed", "never"])
