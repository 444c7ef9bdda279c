"""Control activities, by what they have other activities do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pipelines.running import Bench, Ran, activity


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def problem(ran: Ran, name: str) -> tuple[str, str]:
    error = ran.one(name).error
    assert error is not None
    return error.code, error.message


STRING, ARRAY = {"v": {"type": "String", "defaultValue": "first"}}, {"v": {"type": "Array"}}

# -- variables -------------------------------------------------------------------------------------------


def test_a_variable_has_its_default_and_then_what_is_set(bench: Bench) -> None:
    ran = bench.run(
        bench.note("Before", line="@variables('v')"),
        activity("Set", "SetVariable", "Before", variableName="V", value="@concat(variables('v'), '!')"),
        bench.note("After", "Set", line="@variables('v')"),
        variables=STRING,
    )
    assert bench.lines() == ["first", "first!"]
    assert ran.one("Set").output == {"name": "v", "value": "first!"}


def test_items_are_appended_to_an_array_that_has_no_default(bench: Bench) -> None:
    bench.run(
        activity("One", "AppendVariable", variableName="v", value="a"),
        activity(
            "Two",
            "AppendVariable",
            "One",
            variableName="v",
            value={"value": "@json('[1]')", "type": "Expression"},
        ),
        bench.note("After", "Two", line="@{variables('v')}"),
        variables=ARRAY,
    )
    assert bench.lines() == ['["a",[1]]']


@pytest.mark.parametrize(
    ("kind", "value"),
    [("String", "@add(1, 1)"), ("String", "@createArray(1)"), ("Array", "@concat('a')"),
     ("Boolean", "@add(1, 0)"),
     ("Integer", "@string(1)"), ("Integer", "@bool('true')")],
)  # fmt: skip
def test_a_value_of_another_type_than_the_variable_fails(bench: Bench, kind: str, value: str) -> None:
    ran = bench.run(
        activity("Set", "SetVariable", variableName="v", value=value), variables={"v": {"type": kind}}
    )
    code, message = problem(ran, "Set")
    assert (ran.status, code) == ("Failed", "InvalidVariable")
    assert kind.lower() in message


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [("Boolean", "true", "True"), ("Integer", "5", "5"), ("String", 5, "5"), ("Array", ["a"], '["a"]'),
     ("String", None, "")],
)  # fmt: skip
def test_a_value_that_is_written_out_is_read_as_one_of_the_type(
    bench: Bench, kind: str, value: Any, line: str
) -> None:
    ran = bench.run(
        activity("Set", "SetVariable", variableName="v", value=value),
        bench.note("After", "Set", line="@{variables('v')}"),
        variables={"v": {"type": kind}},
    )
    assert (ran.status, bench.lines()) == ("Succeeded", [line])


def test_the_return_value_of_a_pipeline_has_typed_values(bench: Bench) -> None:
    keys = [
        {"key": "text", "value": {"type": "String", "content": "a"}},
        {"key": "sum", "value": {"type": "Expression", "content": "@add(1, 2)"}},
        {"key": "none", "value": {"type": "Null"}},
        {"key": "list", "value": {"type": "Array", "content": [{"type": "Int", "content": 1}]}},
    ]
    ran = bench.run(
        activity(
            "Return", "SetVariable", variableName="pipelineReturnValue", value=keys, setSystemVariable=True
        )
    )
    assert ran.run.return_value == {"text": "a", "sum": 3, "none": None, "list": [1]}


# -- branches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "line"), [(5, "more"), (1, "less")])
def test_a_condition_chooses_its_branch(bench: Bench, given: int, line: str) -> None:
    ran = bench.run(
        activity(
            "If",
            "IfCondition",
            expression={"value": "@greater(pipeline().parameters.n, 3)", "type": "Expression"},
            ifTrueActivities=[bench.note("T", line="more")],
            ifFalseActivities=[bench.note("F", line="less")],
        ),
        parameters={"n": given},
    )
    assert (ran.status, bench.lines()) == ("Succeeded", [line])


def test_a_branch_that_is_empty_succeeds(bench: Bench) -> None:
    ran = bench.run(
        activity("If", "IfCondition", expression="@bool('true')", ifFalseActivities=[bench.note("F")])
    )
    assert (ran.status, bench.lines()) == ("Succeeded", [])


def test_a_condition_that_is_no_truth_fails(bench: Bench) -> None:
    ran = bench.run(activity("If", "IfCondition", expression="@add(1, 1)"))
    assert problem(ran, "If") == ("InvalidValue", "the condition must be true or false, not a number")


@pytest.mark.parametrize(("on", "lines"), [("a", ["A"]), ("b", ["B"]), ("B", ["other"]), ("", ["other"])])
def test_a_switch_runs_one_case_or_the_default(bench: Bench, on: str, lines: list[str]) -> None:
    cases = [
        {"value": "a", "activities": [bench.note("A")]},
        {"value": "b", "activities": [bench.note("B")]},
    ]
    ran = bench.run(
        activity("S", "Switch", on="@pipeline().parameters.on", cases=cases,
                 defaultActivities=[bench.note("D", line="other")]),
        parameters={"on": on},
    )  # fmt: skip
    assert (ran.status, bench.lines()) == ("Succeeded", lines)


def test_a_failure_inside_is_told_by_those_around_it(bench: Bench) -> None:
    inner = activity("Switch", "Switch", on="x", cases=[], defaultActivities=[bench.note("Bad", fails=1)])
    ran = bench.run(
        activity("Loop", "ForEach", items="@createArray(1)", activities=[inner]),
        bench.note("C", "Loop:Failed"),
    )
    assert ran.statuses() == {"Loop": "Failed", "Switch": "Failed", "Bad": "Failed", "C": "Succeeded"}
    assert "Bad: attempt 1 fails" in problem(ran, "Loop")[1]
    assert problem(ran, "Switch") == ("InvalidConfig", "an inner activity failed: Bad: attempt 1 fails")


# -- loops -----------------------------------------------------------------------------------------------


def test_a_sequential_loop_goes_in_order_and_one_at_a_time(bench: Bench) -> None:
    body = [
        bench.note("N", line="@{item().n}", seconds=0.1),
        activity("Add", "AppendVariable", "N", variableName="v", value="@item().n"),
    ]
    ran = bench.run(
        activity(
            "L",
            "ForEach",
            items='@json(\'[{"n": 3}, {"n": 1}, {"n": 2}]\')',
            isSequential=True,
            activities=body,
        ),
        bench.note("After", "L", line="@{variables('v')}"),
        variables=ARRAY,
    )
    assert bench.lines() == ["3", "1", "2", "[3,1,2]"]
    times = [(each.started, each.ended) for each in ran.of("N")]
    assert all(first[1] <= second[0] for first, second in pairwise(times))
    assert [each.iteration for each in ran.of("N")] == ["L[0]", "L[1]", "L[2]"]
    assert len({each.as_json()["iterationHash"] for each in ran.of("N")}) == 3


def most_at_once(ran: Ran, name: str) -> int:
    events = [(each.started, 1) for each in ran.of(name)] + [(each.ended, -1) for each in ran.of(name)]
    most = running = 0
    for _, change in sorted(events, key=lambda event: (event[0], event[1])):
        running += change
        most = max(most, running)
    return most


@pytest.mark.parametrize(("batch", "most"), [(None, 20), (3, 3), ("@add(1, 1)", 2)])
def test_a_parallel_loop_runs_so_many_at_once(bench: Bench, batch: Any, most: int) -> None:
    given = {} if batch is None else {"batchCount": batch}
    body = [bench.note("N", line="@{item()}", seconds=0.5)]
    ran = bench.run(activity("L", "ForEach", items="@range(0, 24)", activities=body, **given))
    assert ran.status == "Succeeded"
    assert sorted(map(int, bench.lines())) == list(range(24))
    assert most_at_once(ran, "N") == most


def test_all_iterations_go_on_when_one_fails(bench: Bench) -> None:
    body = [
        bench.note("N", line="@{item()}", fails="@if(equals(item(), 1), 9, 0)"),
        bench.note("Next", "N", line="next @{item()}"),
    ]
    ran = bench.run(activity("L", "ForEach", items="@range(0, 4)", isSequential=True, activities=body))
    assert ran.status == "Failed"
    assert bench.lines() == ["0", "next 0", "1", "2", "next 2", "3", "next 3"]
    assert problem(ran, "L")[1] == "1 of 4 iterations failed; [1]: N: attempt 1 fails"


def test_outputs_inside_of_an_iteration_are_its_own(bench: Bench) -> None:
    body = [
        bench.note("N", line="x@{item()}", output={"mine": "@item()"}, seconds="@div(item(), 50.0)"),
        bench.note("Next", "N", line="@{item()}=@{activity('N').output.mine}"),
    ]
    bench.run(activity("L", "ForEach", items="@range(0, 9)", activities=body))
    assert sorted(each for each in bench.lines() if "=" in each) == [f"{i}={i}" for i in range(9)]


def test_items_that_are_no_list_fail(bench: Bench) -> None:
    ran = bench.run(activity("L", "ForEach", items="@concat('a')", activities=[bench.note("N")]))
    assert problem(ran, "L") == ("InvalidValue", "items must be a list, not a text")


def test_a_loop_over_nothing_succeeds(bench: Bench) -> None:
    ran = bench.run(activity("L", "ForEach", items="@json('[]')", activities=[bench.note("N")]))
    assert (ran.status, ran.one("L").output) == ("Succeeded", {"itemsCount": 0})


def test_until_goes_on_until_its_condition_which_knows_the_activities_inside(bench: Bench) -> None:
    ran = bench.run(
        activity(
            "U", "Until", expression="@equals(activity('N').output.count, 3)", timeout="0.00:01:00",
            activities=[bench.note("N")],
        )
    )  # fmt: skip
    assert (ran.status, bench.lines(), ran.one("U").output) == ("Succeeded", ["N"] * 3, {"iterations": 3})
    assert [each.key for each in ran.of("N")] == ["U[0]/N", "U[1]/N", "U[2]/N"]


def test_until_goes_on_after_a_round_that_failed(bench: Bench) -> None:
    ran = bench.run(
        activity(
            "U",
            "Until",
            expression="@equals(activity('N').status, 'Succeeded')",
            activities=[bench.note("N", fails=2)],
        )
    )
    assert (ran.status, len(bench.lines())) == ("Succeeded", 3)


def test_until_ends_at_its_time_out(bench: Bench) -> None:
    ran = bench.run(
        activity(
            "U",
            "Until",
            expression="@bool('false')",
            timeout={"value": "@concat('00:00:', '01')", "type": "Expression"},
            activities=[bench.note("N", seconds=0.2)],
        )
    )
    assert problem(ran, "U") == (
        "Timeout",
        "the condition did not come true within the time-out of 1 seconds",
    )
    duration = ran.one("U").duration
    assert duration is not None
    assert 900 <= duration < 6000


def test_a_filter_keeps_the_items_for_which_its_condition_is_true(bench: Bench) -> None:
    body = [activity("F", "Filter", items="@range(0, item())", condition="@greater(item(), 1)")]
    ran = bench.run(activity("L", "ForEach", items="@createArray(4, 5000)", activities=body))
    outputs = sorted((each.output for each in ran.of("F")), key=lambda each: each["ItemsCount"])
    assert outputs[0] == {"ItemsCount": 4, "FilteredItemsCount": 2, "Value": [2, 3]}
    assert outputs[1]["FilteredItemsCount"] == 4998


# -- the rest --------------------------------------------------------------------------------------------


def test_wait_waits(bench: Bench) -> None:
    ran = bench.run(activity("W", "Wait", waitTimeInSeconds={"value": "@int('1')", "type": "Expression"}))
    duration = ran.one("W").duration
    assert duration is not None
    assert 1000 <= duration < 5000


def test_fail_fails_with_its_message_and_code(bench: Bench) -> None:
    ran = bench.run(
        activity("F", "Fail", message="@concat('no ', 'rows')", errorCode="@string(404)"),
        bench.note("C", "F:Failed", line="@{activity('F').error.errorCode}"),
        bench.note("D", "F"),
    )
    assert (ran.status, ran.run.message) == ("Failed", "Operation on target F failed: no rows")
    assert problem(ran, "F") == ("404", "no rows")
    assert bench.lines() == ["404"]


def call(name: str, wait: bool | None = True, **more: Any) -> dict[str, Any]:
    made = activity(
        name, "ExecutePipeline", pipeline={"referenceName": "child", "type": "PipelineReference"}, **more
    )
    if wait is not None:
        made["typeProperties"]["waitOnCompletion"] = wait
    return made


def test_a_pipeline_calls_another_one_and_has_its_return_value(bench: Bench) -> None:
    value = [
        {"key": "doubled", "value": {"type": "Expression", "content": "@mul(pipeline().parameters.n, 2)"}}
    ]
    bench.add(
        "child",
        [
            bench.note("N", line="@{pipeline().TriggeredByPipelineName} @{pipeline().TriggerType}"),
            activity(
                "R",
                "SetVariable",
                "N",
                variableName="pipelineReturnValue",
                value=value,
                setSystemVariable=True,
            ),
        ],
        parameters={"n": {"type": "int"}, "more": {"type": "string", "defaultValue": "x"}},
    )
    ran = bench.run(
        call("Call", parameters={"n": "21"}),
        bench.note("After", "Call", line="@{activity('Call').output.pipelineReturnValue.doubled}"),
    )
    main, child = ran.pipelines
    assert bench.lines() == ["main PipelineActivity", "42"]
    assert ran.one("Call").output == {
        "pipelineName": "child",
        "pipelineRunId": child.run_id,
        "pipelineReturnValue": {"doubled": 42},
    }
    assert (child.parameters, child.caller_run_id, child.status) == (
        {"n": 21, "more": "x"},
        main.run_id,
        "Succeeded",
    )
    assert ran.one("N").pipeline_run_id == child.run_id


def test_a_called_pipeline_that_fails_fails_its_caller(bench: Bench) -> None:
    bench.add("child", [bench.note("Bad", fails=1)])
    ran = bench.run(call("Call"))
    assert ran.run.message == (
        "Operation on target Call failed: Operation on target Bad failed: attempt 1 fails"
    )


@pytest.mark.parametrize("wait", [False, None])
def test_a_called_pipeline_that_nobody_waits_for_ends_all_the_same(bench: Bench, wait: bool | None) -> None:
    bench.add("child", [bench.note("Slow", seconds=1), bench.note("Bad", "Slow", fails=1)])
    ran = bench.run(call("Call", wait), bench.note("After", "Call"))
    assert ran.status == "Succeeded"
    assert bench.lines() in (["Slow", "After", "Bad"], ["After", "Slow", "Bad"])
    assert [each.status for each in ran.pipelines] == ["Succeeded", "Failed"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "the pipeline 'child' needs the parameter 'n', which is not given"),
        (
            {"n": "many"},
            "the parameter 'n' of the pipeline 'child' is of the type int: it must be a whole number",
        ),
        ({"n": 1, "m": 2}, "the pipeline 'child' has no parameter 'm': did you mean 'n'?"),
    ],
)
def test_what_a_called_pipeline_is_given_must_fit(bench: Bench, given: dict[str, Any], message: str) -> None:
    bench.add("child", [bench.note("N")], parameters={"n": {"type": "int"}})
    ran = bench.run(call("Call", parameters=given))
    code, told = problem(ran, "Call")
    assert (code, bench.lines()) == ("InvalidParameter", [])
    assert told.startswith(message.partition(": did")[0])
