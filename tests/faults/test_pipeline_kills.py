"""Processes that run a pipeline are killed; what had ended before is not done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pipelines.running import Bench, activity

from crossdock.redact import remember

_CHILD = """
import json, sys
from pathlib import Path
from crossdock.redact import remember
from pipelines.running import Bench
remember(json.loads(sys.argv[3]).values())
bench = Bench(Path(sys.argv[1]))
bench.pipelines = json.loads(Path(sys.argv[2]).read_text())
bench.run(run_id="it", secrets=json.loads(sys.argv[3]))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def killed(bench: Bench, when: int, secrets: dict[str, Any] | None = None, after: float = 0.1) -> list[str]:
    """Run ``main`` in a process of its own, killed when the trace has so many lines. Returns the trace."""
    file = bench.home / "pipelines.json"
    file.write_text(json.dumps(bench.pipelines))
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", _CHILD, str(bench.home), str(file), json.dumps(secrets or {})]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as process:
        deadline = time.monotonic() + 60
        while len(bench.lines()) < when and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(after)
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
    return bench.lines()


def test_what_has_ended_is_not_run_again_and_what_was_in_flight_is(bench: Bench) -> None:
    bench.add("main", [bench.note("A"), bench.note("B", "A", seconds=2), bench.note("C", "B")])
    assert killed(bench, 2) == ["A", "B"]
    ran = bench.run(run_id="it")
    assert (ran.status, bench.lines()) == ("Succeeded", ["A", "B", "B", "C"])


@pytest.mark.parametrize("lines", [1, 7, 13])
def test_iterations_that_have_ended_are_not_run_again(bench: Bench, lines: int) -> None:
    body = [
        bench.note("N", line="@{item()}", seconds=0.2),
        activity("Add", "AppendVariable", "N", variableName="v", value="@item()"),
    ]
    bench.add(
        "main",
        [
            # Asked again, it would answer otherwise.
            activity("L", "ForEach", items="@if(empty(variables('v')), range(0, 16), range(50, 9))",
                     batchCount=3, activities=body),
            bench.note("Sum", "L", line="sum @{length(variables('v'))} "
                       "@{length(union(variables('v'), range(0, 1)))}"),
        ],
        variables={"v": {"type": "Array"}},
    )  # fmt: skip
    before = killed(bench, lines)
    ran = bench.run(run_id="it")
    counts = Counter(each for each in bench.lines() if not each.startswith("sum"))
    assert ran.status == "Succeeded"
    assert set(counts) == {str(i) for i in range(16)}
    again = [name for name, count in counts.items() if count > 1]
    assert len(again) <= 3  # those in flight
    assert len(before) >= lines
    assert bench.lines()[-1] == "sum 16 16"


def test_decisions_are_not_taken_again(bench: Bench) -> None:
    # Each decision is about a variable that changes after it.
    flip = activity("Flip", "SetVariable", variableName="v", value="second")
    inside = [flip, bench.note("T", "Flip", seconds=2, line="first branch")]
    switch = activity(
        "S", "Switch", on="@variables('v')", cases=[{"value": "first", "activities": inside}],
        defaultActivities=[bench.note("D")],
    )  # fmt: skip
    bench.add("main", [switch, bench.note("End", "S", line="@variables('v')")],
              variables={"v": {"type": "String", "defaultValue": "first"}})  # fmt: skip
    assert killed(bench, 1) == ["first branch"]
    ran = bench.run(run_id="it")
    assert (ran.status, bench.lines()) == ("Succeeded", ["first branch", "first branch", "second"])


def test_rounds_and_attempts_are_counted_on(bench: Bench) -> None:
    body = [
        activity("Add", "AppendVariable", variableName="v", value="x"),
        bench.note("N", "Add", line="@{length(variables('v'))}", seconds=0.3),
    ]
    bench.add(
        "main",
        [
            activity("U", "Until", expression="@equals(length(variables('v')), 6)", activities=body),
            bench.note("Try", "U", fails=9, policy={"retry": 3, "retryIntervalInSeconds": 0}),
        ],
        variables={"v": {"type": "Array"}},
    )
    killed(bench, 3)
    ran = bench.run(run_id="it")
    lines = bench.lines()
    assert lines.count("Try") == 4
    assert sorted(set(lines)) == ["1", "2", "3", "4", "5", "6", "Try"]
    assert len(lines) <= 4 + 6 + 1
    output = ran.one("U").output
    assert (ran.status, output) == ("Failed", {"iterations": 6})


def test_attempts_that_failed_before_the_kill_count(bench: Bench) -> None:
    bench.add("main", [bench.note("Try", fails=9, policy={"retry": 3, "retryIntervalInSeconds": 1})])
    killed(bench, 2)
    ran = bench.run(run_id="it")
    assert (ran.status, len(bench.lines())) == ("Failed", 4)
    assert [each.attempt for each in ran.of("Try")] == [0, 1, 2, 3]


def test_a_wait_goes_on_where_it_was(bench: Bench) -> None:
    bench.add("main", [bench.note("A"), activity("W", "Wait", waitTimeInSeconds=6)])
    killed(bench, 1, after=3)
    begun = time.monotonic()
    ran = bench.run(run_id="it")
    assert ran.status == "Succeeded"
    assert time.monotonic() - begun < 4.5


@pytest.mark.parametrize("wait", [True, False])
def test_a_called_pipeline_goes_on_too(bench: Bench, wait: bool) -> None:
    reference = {"referenceName": "child", "type": "PipelineReference"}
    bench.add("main", [
        activity("Call", "ExecutePipeline", pipeline=reference, waitOnCompletion=wait,
                 parameters={"at": "@utcNow()"}),
        bench.note("After", "Call", seconds=0),
    ])  # fmt: skip
    bench.add(
        "child",
        [
            bench.note("A", line="@pipeline().parameters.at"),
            bench.note("B", "A", seconds=2),
            bench.note("C", "B"),
        ],
        parameters={"at": {"type": "string"}},
    )
    before = killed(bench, 2 if wait else 3)
    ran = bench.run(run_id="it")
    counts = Counter(bench.lines())
    assert [each.status for each in ran.pipelines] == ["Succeeded", "Succeeded"]
    assert counts == {
        before[0] if wait else next(x for x in before if x[0] == "2"): 1,
        "B": 2,
        "C": 1,
        "After": 1,
    }


def test_outputs_that_no_record_may_have_are_had_again_where_they_are_needed(bench: Bench) -> None:
    secure = {"secureOutput": True, "secureInput": True}
    bench.add("main", [
        bench.note("Bad", fails=1, policy=secure),
        bench.note("Get", "Bad:Failed", output={"token": "a-s3cret"}, policy=secure),
        bench.note("Other", "Get", output={"token": "b-s3cret"}, policy=secure),
        activity("Set", "SetVariable", "Other", variableName="v", value="@activity('Get').output.token",
                 policy=secure),
        bench.note("Slow", "Set", seconds=2),
        bench.note("Use", "Slow", policy=secure, line="@{activity('Get').output.token} @{variables('v')} "
                   "@{activity('Bad').output.errors[0].Message}"),
    ], variables={"v": {"type": "String"}})  # fmt: skip
    killed(bench, 4)
    ran = bench.run(run_id="it")
    counts = Counter(bench.lines())
    assert ran.status == "Succeeded"
    assert counts == {
        "Bad": 1, "Get": 2, "Other": 1, "Slow": 2, "a-s3cret a-s3cret attempt 1 fails": 1,
    }  # fmt: skip


def test_a_variable_whose_value_is_lost_is_an_error_and_not_empty(bench: Bench) -> None:
    secure = {"secureOutput": True, "secureInput": True}
    inside = [activity("Set", "SetVariable", variableName="v", value="a-s3cret", policy=secure)]
    bench.add("main", [
        activity("If", "IfCondition", expression="@bool('true')", ifTrueActivities=inside),
        bench.note("Slow", "If", seconds=2),
        bench.note("Use", "Slow", line="@{variables('v')}"),
    ], variables={"v": {"type": "String"}})  # fmt: skip
    killed(bench, 1)
    ran = bench.run(run_id="it")
    error = ran.one("Use").error
    assert error is not None
    assert "held a secret, which records of runs do not keep" in error.message


def test_a_secret_that_was_returned_is_lost_and_not_taken_for_stars(bench: Bench) -> None:
    hidden = "a-s3cret-of-seven-words"
    keys = [{"key": "k", "value": {"type": "Expression", "content": "@pipeline().parameters.p"}}]
    reference = {"referenceName": "child", "type": "PipelineReference"}
    call = activity(
        "Call", "ExecutePipeline", pipeline=reference, waitOnCompletion=True,
        parameters={"p": "@pipeline().parameters.p"},
    )  # fmt: skip
    line = "@{activity('Call').output.pipelineReturnValue.k}"
    declared = {"p": {"type": "SecureString"}}
    bench.add("main", [call, bench.note("Slow", "Call", seconds=2), bench.note("Use", "Slow", line=line)],
              parameters=declared)  # fmt: skip
    bench.add("child", [activity("Return", "SetVariable", variableName="pipelineReturnValue", value=keys,
                                 setSystemVariable=True)], parameters=declared)  # fmt: skip
    remember([hidden])
    assert bench.run(run_id="whole", secrets={"p": hidden}).status == "Succeeded"
    assert bench.lines() == ["Slow", hidden]
    bench.trace.unlink()
    killed(bench, 1, {"p": hidden})
    ran = bench.run(run_id="it", secrets={"p": hidden})
    error = ran.one("Call").error
    assert error is not None
    assert (ran.status, error.code, "***" in "".join(bench.lines())) == ("Failed", "SecretLost", False)


def test_a_finished_run_is_not_run_again(bench: Bench) -> None:
    bench.run(bench.note("A"), run_id="it")
    assert bench.run(run_id="it").status == "Succeeded"
    assert bench.lines() == ["A"]
