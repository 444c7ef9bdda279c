"""Which activities of a pipeline run, and what the pipeline comes to."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pipelines.running import Bench, activity

from crossdock_scheduler.pipeline.run.records import moment, span


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_activities_run_in_the_order_of_their_dependencies(bench: Bench) -> None:
    ran = bench.run(
        bench.note("C", ["A", "B"]), bench.note("B", "A"), bench.note("A"), bench.note("D", "C:Completed")
    )
    assert ran.status == "Succeeded"
    assert bench.lines() == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("fails", "after", "status", "ends"),
    [
        # try-catch
        (True, {"Catch": "Work:Failed"}, "Succeeded",
         (["Work", "Catch"], [])),
        (False, {"Catch": "Work:Failed"}, "Succeeded",
         (["Work"], ["Catch"])),
        # do-if-else
        (True, {"Next": "Work", "Catch": "Work:Failed"}, "Failed", (["Work", "Catch"], ["Next"])),
        (False, {"Next": "Work", "Catch": "Work:Failed"}, "Succeeded",
         (["Work", "Next"], ["Catch"])),
        # do-if-skip-else
        (True, {"Next": "Work", "Skip": "Next:Skipped", "Catch": "Work:Failed"}, "Succeeded",
         (["Work", "Catch", "Skip"], ["Next"])),
        (False, {"Next": "Work", "Skip": "Next:Skipped", "Catch": "Work:Failed"}, "Succeeded",
         (["Work", "Next"], ["Skip", "Catch"])),
        # what is skipped is passed on, and counts as what came before it
        (True, {"Next": "Work", "Last": "Next"}, "Failed", (["Work"], ["Next", "Last"])),
        (True, {"Next": "Work:Completed"}, "Succeeded", (["Work", "Next"], [])),
        # Completed is not Skipped
        (True, {"Next": "Work", "Last": "Next:Completed"}, "Failed", (["Work"], ["Next", "Last"])),
        (True, {"Next": "Work:Succeeded,Failed"}, "Succeeded", (["Work", "Next"], [])),
    ],
)  # fmt: skip
def test_what_follows_a_failure(
    bench: Bench, fails: bool, after: dict[str, str], status: str, ends: tuple[list[str], list[str]]
) -> None:
    lines, skipped = ends
    made = [bench.note("Work", fails=1 if fails else 0)]
    made += [bench.note(name, needed) for name, needed in after.items()]
    ran = bench.run(*made)
    assert ran.status == status
    assert sorted(bench.lines()) == sorted(lines)
    assert {name for name, each in ran.statuses().items() if each == "Skipped"} == set(skipped)
    if status == "Failed":
        assert ran.run.message == "Operation on target Work failed: attempt 1 fails"


def test_an_activity_needs_all_that_it_depends_on(bench: Bench) -> None:
    ran = bench.run(bench.note("A"), bench.note("B", fails=1), bench.note("Both", ["A", "B"]))
    assert (ran.status, ran.one("Both").status) == ("Failed", "Skipped")


def test_activities_that_wait_for_nobody_run_at_once(bench: Bench) -> None:
    ran = bench.run(*(bench.note(f"N{i}", seconds=1) for i in range(8)))
    begun, ended = (
        max(each.started for each in ran.activities),
        min(e for each in ran.activities if (e := each.ended)),
    )
    assert ran.status == "Succeeded"
    assert begun < ended  # all have begun before the first has ended


@pytest.mark.parametrize(
    ("mark", "status", "after"),
    [(None, "Succeeded", "Next"), ("Failed", "Failed", "Catch"), ("Skipped", "Skipped", "Skip")],
)
def test_an_inactive_activity_does_not_run_and_is_what_it_is_marked_as(
    bench: Bench, mark: str | None, status: str, after: str
) -> None:
    work = bench.note("Work") | {"state": "Inactive"} | ({"onInactiveMarkAs": mark} if mark else {})
    ran = bench.run(
        work,
        bench.note("Next", "Work"),
        bench.note("Catch", "Work:Failed"),
        bench.note("Skip", "Work:Skipped"),
    )
    assert ran.one("Work").status == status
    assert bench.lines() == [after]


def test_errors_and_outputs_of_activities_are_there_for_those_after_them(bench: Bench) -> None:
    ran = bench.run(
        bench.note("Good", output={"rows": [1, 2]}),
        bench.note("Bad", fails=1),
        bench.note(
            "After",
            ["Good", "Bad:Failed"],
            line="@{activity('good').output.rows[1]} @{activity('Good').status} "
            "@{activity('Bad').error.message} @{activity('Bad').error.errorCode} "
            "@{activity('Bad').Error.failureType} @{activity('Bad').error.target} "
            "@{activity('Good')?.error?.message}|@{activity('Bad')?.output?.x} "
            "@{activity('Bad').output.errors[0].Message}",
        ),
    )
    assert ran.status == "Succeeded"
    assert bench.lines()[-1] == "2 Succeeded attempt 1 fails InvalidConfig UserError Bad | attempt 1 fails"


def test_what_is_known_of_an_activity_has_data_factorys_names(bench: Bench) -> None:
    ran = bench.run(
        bench.note("Good"),
        bench.note("Left", "Good:Failed"),
        bench.note(
            "After",
            ["Good", "Left:Skipped"],
            line="@{activity('Good').ActivityRunId} @{activity('good').PipelineRunId} "
            "@{activity('Good').ExecutionStartTime} @{activity('Good').executionEndTime} "
            "@{activity('Good').Duration} @{activity('Good').StatusCode} "
            "@{equals(activity('Good').error, null)} "
            "@{activity('Good').Error?.message}|@{activity('Left').output?.x}|@{activity('Left').Status}",
        ),
    )
    assert ran.status == "Succeeded"
    good = ran.one("Good")
    assert good.ended is not None
    run_id, pipeline_run_id, began, ended, duration, *rest = bench.lines()[-1].split(" ")
    assert (run_id, pipeline_run_id) == (good.run_id, good.pipeline_run_id)
    assert (began, ended) == (moment(good.started), moment(good.ended))
    assert datetime.strptime(duration, "%H:%M:%S.%f0") - datetime(1900, 1, 1) == good.ended - good.started
    assert rest == ["200", "True", "||Skipped"]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(), "00:00:00"),
        (timedelta(minutes=1, seconds=2, milliseconds=500), "00:01:02.5000000"),
        (timedelta(days=1, hours=2), "1.02:00:00"),
    ],
)
def test_spans_are_those_of_dotnet(time: timedelta, text: str) -> None:
    assert span(time) == text


def test_an_expression_that_fails_fails_its_activity(bench: Bench) -> None:
    ran = bench.run(
        activity("Set", "SetVariable", variableName="v", value="@activity('Skipped').output"),
        bench.note("Catch", "Set:Failed"),
        variables={"v": {"type": "String"}},
    )
    error = ran.one("Set").error
    assert error is not None
    assert (ran.status, error.code, error.target) == ("Succeeded", "InvalidExpression", "Set")
    assert bench.lines() == ["Catch"]


def test_system_variables(bench: Bench) -> None:
    ran = bench.run(
        bench.note(
            "Say",
            line="@{pipeline().Pipeline} @{pipeline().RunId} @{pipeline().TriggerType} "
            "@{pipeline().DataFactory} @{formatDateTime(pipeline().TriggerTime, 'yyyy')} "
            "@{pipeline().parameters.day} @{pipeline().GroupId}",
        ),
        run_id="the-run",
        parameters={"day": "monday"},
    )
    year = ran.run.started.year
    assert bench.lines() == [f"main the-run Manual bench {year} monday the-run"]
