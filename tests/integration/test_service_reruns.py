"""Runs that are repeated from where they failed, or from one of their activities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from servers.service import ServiceProcess
from test_service_runs import ALWAYS, GROUP, activities, activity, ended, factory_of, pipeline, variable

APPEND = {"variableName": "seen", "value": "@string(length(variables('seen')))"}


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    return factory_of(sdk)


def begin(sdk: Any, factory: str, **more: Any) -> Any:
    return ended(sdk, factory, sdk.pipelines.create_run(GROUP, factory, "p", **more).run_id)


def again(sdk: Any, factory: str, run_id: str, **more: Any) -> Any:
    return begin(sdk, factory, reference_pipeline_run_id=run_id, is_recovery=True, **more)


def outputs(sdk: Any, factory: str, run_id: str) -> dict[str, Any]:
    found = activities(sdk, factory, run_id)
    return {each.activity_name: (each.output or {}).get("value") for each in found}


def ends(sdk: Any, factory: str, run_id: str) -> dict[str, Any]:
    return {each.activity_name: each.activity_run_end for each in activities(sdk, factory, run_id)}


@pytest.fixture
def failing(sdk: Any, factory: str) -> None:
    """Fails in its middle, unless it is given an n that is no zero."""
    middle = variable("middle", "@string(div(10, int(pipeline().parameters.n)))", "first")
    notify = variable("told", "no", "set middle")
    notify["dependsOn"][0]["dependencyConditions"] = ["Failed"]
    pipeline(
        sdk, factory, "p",
        activity("AppendVariable", "first", APPEND),
        middle, notify,
        activity("AppendVariable", "last", APPEND, "set middle"),
        parameters={"n": {"type": "String", "defaultValue": "0"}},
        variables={
            "seen": {"type": "Array"}, "middle": {"type": "String"},
            "told": {"type": "String", "defaultValue": ""},
        },
    )  # fmt: skip


@pytest.mark.usefixtures("failing")
def test_repeated_from_where_it_failed(sdk: Any, factory: str) -> None:
    first = begin(sdk, factory)
    assert outputs(sdk, factory, first.run_id)["set told"] == "no"
    second = again(sdk, factory, first.run_id, start_from_failure=True, parameters={"n": "5"})
    assert second.status == "Succeeded"
    before, after = ends(sdk, factory, first.run_id), ends(sdk, factory, second.run_id)
    assert after["first"] == before["first"]
    assert after["set middle"] > before["set middle"]
    # The variable is as the activity that did not run again had left it.
    found = outputs(sdk, factory, second.run_id)
    assert (found["set middle"], found["last"]) == ("2", "1")
    # What had run because of the failure is decided anew.
    statuses = {each.activity_name: each.status for each in activities(sdk, factory, second.run_id)}
    assert statuses["set told"] == "Skipped"


@pytest.mark.usefixtures("failing")
def test_runs_that_repeat_each_other_are_a_group(sdk: Any, factory: str) -> None:
    first = begin(sdk, factory)
    second = again(sdk, factory, first.run_id)
    third = again(sdk, factory, first.run_id, start_from_failure=True)
    assert {each.run_group_id for each in (first, second, third)} == {first.run_id}
    runs = {
        each.run_id: each.is_latest
        for each in sdk.pipeline_runs.query_by_factory(GROUP, factory, ALWAYS).value
    }
    assert runs == {first.run_id: False, second.run_id: False, third.run_id: True}
    latest = {**ALWAYS, "filters": [{"operand": "LatestOnly", "operator": "Equals", "values": ["true"]}]}
    found = sdk.pipeline_runs.query_by_factory(GROUP, factory, latest).value
    assert [each.run_id for each in found] == [third.run_id]
    group = {**ALWAYS, "filters": [{"operand": "RunGroupId", "operator": "Equals", "values": [first.run_id]}]}
    assert len(sdk.pipeline_runs.query_by_factory(GROUP, factory, group).value) == 3


@pytest.mark.usefixtures("failing")
def test_repeated_from_an_activity(sdk: Any, factory: str) -> None:
    first = begin(sdk, factory, parameters={"n": "5"})
    second = again(sdk, factory, first.run_id, start_activity_name="LAST")
    before, after = ends(sdk, factory, first.run_id), ends(sdk, factory, second.run_id)
    assert (after["first"], after["set middle"]) == (before["first"], before["set middle"])
    assert after["last"] > before["last"]
    assert second.parameters == {"n": "5"}
    # As it was before that activity, not after it.
    assert outputs(sdk, factory, second.run_id)["last"] == "1"


def test_iterations_that_did_not_fail_are_not_repeated(sdk: Any, factory: str) -> None:
    inner = activity("SetVariable", "divide", {"variableName": "x", "value": "@string(div(10, item()))"})
    each = activity(
        "ForEach", "each", {"items": "@createArray(1, 0, 2)", "isSequential": True, "activities": [inner]}
    )
    each["dependsOn"] = [{"activity": "begin", "dependencyConditions": ["Succeeded"]}]
    start = activity("SetVariable", "begin", {"variableName": "x", "value": "0"})
    pipeline(sdk, factory, "p", start, each, variables={"x": {"type": "String"}})
    first = begin(sdk, factory)
    second = again(sdk, factory, first.run_id, start_from_failure=True)
    assert (first.status, second.status) == ("Failed", "Failed")

    def ends_of(run_id: str) -> dict[str, Any]:
        found = activities(sdk, factory, run_id)
        return {one["iteration"]: one.activity_run_end for one in found if one.activity_name == "divide"}

    before, after = ends_of(first.run_id), ends_of(second.run_id)
    assert {key for key in before if before[key] == after[key]} == {"each[0]", "each[2]"}
    # From an activity inside on, it is the whole container that runs again, and nothing before it.
    third = again(sdk, factory, first.run_id, start_activity_name="Divide")
    anew = ends_of(third.run_id)
    assert {key for key in anew if anew[key] > before[key]} == set(before)
    assert ends(sdk, factory, third.run_id)["begin"] == ends(sdk, factory, first.run_id)["begin"]


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"is_recovery": True}, "needs referencePipelineRunId"),
        ({"start_activity_name": "first"}, "need isRecovery"),
        ({"is_recovery": True, "start_activity_name": "frist"}, "did you mean 'first'"),
        ({"is_recovery": True, "reference_pipeline_run_id": "nobody"}, "was not found"),
    ],
)
def test_what_cannot_be_repeated(sdk: Any, factory: str, more: dict[str, Any], message: str) -> None:
    first = begin(sdk, factory)
    if "did you" in message:
        more = {**more, "reference_pipeline_run_id": first.run_id}
    with pytest.raises(HttpResponseError, match=message):
        sdk.pipelines.create_run(GROUP, factory, "p", **more)
    assert len(sdk.pipeline_runs.query_by_factory(GROUP, factory, ALWAYS).value) == 1
