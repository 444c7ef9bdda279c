"""Triggers through the REST API, with the official client; the clock is the service's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.datafactory import models
from servers.service import ServiceProcess, service
from test_service_definitions import path
from test_service_runs import ALWAYS, GROUP, ended, factory_of, pipeline, variable
from trigger_rig import recurrence, starts


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    name = factory_of(sdk)
    pipeline(sdk, name, "p")
    return name


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


def hourly(*pipelines: Any) -> dict[str, Any]:
    inner = recurrence("Hour", "2026-03-01T00:00:00Z")
    return {"properties": {"type": "ScheduleTrigger", "pipelines": list(pipelines), "typeProperties": inner}}


def windows(start: datetime, **more: Any) -> dict[str, Any]:
    inner = {
        "frequency": "Minute",
        "interval": 5,
        "startTime": start.isoformat(),
        "maxConcurrency": 2,
        **more,
    }
    properties = {"type": "TumblingWindowTrigger", "pipeline": starts("p"), "typeProperties": inner}
    return {"properties": properties}


def finished(sdk: Any, factory: str, count: int, **filters: str) -> list[Any]:
    """The runs of triggers, once so many are over."""
    found = [{"operand": key, "operator": "Equals", "values": [value]} for key, value in filters.items()]
    until = time.monotonic() + 60
    while True:
        runs = sdk.trigger_runs.query_by_factory(GROUP, factory, ALWAYS | {"filters": found}).value
        over = [each for each in runs if each.status != "Inprogress"]
        if len(over) >= count:
            return over
        assert time.monotonic() < until, runs
        time.sleep(0.1)


def test_life_of_a_trigger(sdk: Any, http: httpx.Client, factory: str) -> None:
    made = sdk.triggers.create_or_update(GROUP, factory, "Every hour", hourly(starts("p")))
    assert (made.name, made.properties.runtime_state) == ("Every hour", "Stopped")
    assert sdk.triggers.begin_start(GROUP, factory, "every hour").result() is None
    started = sdk.triggers.get(GROUP, factory, "Every hour")
    assert (started.properties.runtime_state, started.etag == made.etag) == ("Started", False)
    sdk.triggers.begin_start(GROUP, factory, "Every hour").result()
    assert [each.properties.runtime_state for each in sdk.triggers.list_by_factory(GROUP, factory)] == [
        "Started"
    ]
    for refused in (
        lambda: sdk.triggers.create_or_update(GROUP, factory, "Every hour", hourly(starts("p"))),
        lambda: sdk.triggers.delete(GROUP, factory, "Every hour"),
    ):
        with pytest.raises(HttpResponseError, match="enabled Trigger") as caught:
            refused()
        assert caught.value.status_code == 400
    with pytest.raises(HttpResponseError, match="referenced"):
        sdk.pipelines.delete(GROUP, factory, "p")
    answer = http.post(path(factory, "/triggers/Every hour/stop"))
    assert (answer.status_code, answer.content) == (200, b"null")
    assert sdk.triggers.get(GROUP, factory, "Every hour").properties.runtime_state == "Stopped"
    sdk.triggers.delete(GROUP, factory, "Every hour")
    with pytest.raises(ResourceNotFoundError):
        sdk.triggers.begin_start(GROUP, factory, "Every hour")


def test_typed_models(sdk: Any, factory: str) -> None:
    """The client sends the wrong type for one and none for the other."""
    reference = models.TriggerPipelineReference(
        pipeline_reference=models.PipelineReference(type="PipelineReference", reference_name="p"),
        parameters={},
    )
    rule = models.ScheduleTriggerRecurrence(
        frequency="Week", interval=1, start_time=datetime(2026, 3, 1, tzinfo=UTC),
        time_zone="Romance Standard Time",
        schedule=models.RecurrenceSchedule(hours=[5], week_days=["Monday"]),
    )  # fmt: skip
    typed = models.ScheduleTrigger(recurrence=rule, pipelines=[reference])
    sdk.triggers.create_or_update(GROUP, factory, "s", models.TriggerResource(properties=typed))
    window = models.TumblingWindowTrigger(
        pipeline=reference, frequency="Hour", interval=1, start_time=datetime(2026, 3, 1, tzinfo=UTC),
        max_concurrency=1, retry_policy=models.RetryPolicy(count=1, interval_in_seconds=60),
    )  # fmt: skip
    sdk.triggers.create_or_update(GROUP, factory, "w", models.TriggerResource(properties=window))
    found = {each.name: each.properties for each in sdk.triggers.list_by_factory(GROUP, factory)}
    assert {name: each.type for name, each in found.items()} == {
        "s": "ScheduleTrigger", "w": "TumblingWindowTrigger",
    }  # fmt: skip
    assert found["w"].max_concurrency == 1


def test_windows_run(sdk: Any, factory: str) -> None:
    """Those of the past, which are over: their pipelines run, one is run again."""
    pipeline(sdk, factory, "p", variable("v", "@pipeline().TriggerName"), variables={"v": {"type": "String"}})
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=12)
    sdk.triggers.create_or_update(GROUP, factory, "w", windows(begin))
    sdk.triggers.begin_start(GROUP, factory, "w").result()
    # Both are started at one instant: the order of the answer says nothing.
    over = finished(sdk, factory, 2, TriggerName="W")
    first, second = sorted(over, key=lambda each: str(each.properties["windowStartTime"]))
    assert (first.status, second.status, first.trigger_type) == (
        "Succeeded",
        "Succeeded",
        "TumblingWindowTrigger",
    )
    assert first.properties["windowEndTime"] == second.properties["windowStartTime"]
    run = ended(sdk, factory, first.triggered_pipelines["p"])
    assert (run.status, run.invoked_by.name, run.invoked_by.invoked_by_type) == (
        "Succeeded", "w", "TumblingWindowTrigger",
    )  # fmt: skip
    sdk.trigger_runs.rerun(GROUP, factory, "w", first.trigger_run_id)
    runs = finished(sdk, factory, 3)
    assert [each.properties["windowStartTime"] for each in runs].count(
        first.properties["windowStartTime"]
    ) == 2
    sdk.trigger_runs.cancel(GROUP, factory, "w", first.trigger_run_id)
    with pytest.raises(ResourceNotFoundError):
        sdk.trigger_runs.cancel(GROUP, factory, "w", "nope")
    assert finished(sdk, factory, 0, Status="Failed") == []


def test_a_tick_runs(sdk: Any, factory: str) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    sdk.triggers.create_or_update(GROUP, factory, "s", {
        "properties": {
            "type": "ScheduleTrigger", "pipelines": [starts("p")],
            "typeProperties": recurrence("Month", soon.isoformat()),
        }
    })  # fmt: skip
    sdk.triggers.begin_start(GROUP, factory, "s").result()
    (run,) = finished(sdk, factory, 1)
    assert run.status == "Succeeded"
    assert run.properties["ScheduleTime"].startswith(soon.strftime("%Y-%m-%dT%H:%M:%S"))
    assert ended(sdk, factory, run.triggered_pipelines["p"]).status == "Succeeded"
    with pytest.raises(HttpResponseError, match="only windows"):
        sdk.trigger_runs.rerun(GROUP, factory, "s", run.trigger_run_id)


def test_dependent_triggers(sdk: Any, factory: str) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    reference = {"type": "TriggerReference", "referenceName": "up"}
    needs = {"type": "TumblingWindowTriggerDependencyReference", "referenceTrigger": reference}
    with pytest.raises(HttpResponseError, match="up"):
        sdk.triggers.create_or_update(GROUP, factory, "down", windows(begin, dependsOn=[needs]))
    sdk.triggers.create_or_update(GROUP, factory, "up", windows(begin))
    sdk.triggers.create_or_update(GROUP, factory, "down", windows(begin, dependsOn=[needs]))
    asked = {"parentTriggerName": "up"}
    assert [each.name for each in sdk.triggers.query_by_factory(GROUP, factory, asked).value] == ["down"]
    assert len(sdk.triggers.query_by_factory(GROUP, factory, {}).value) == 2
    with pytest.raises(HttpResponseError, match="referenced"):
        sdk.triggers.delete(GROUP, factory, "up")


def test_events_are_not_for_this_service(sdk: Any, factory: str) -> None:
    """Such a trigger is kept, so that a factory can be deployed whole."""
    inner = {"events": ["Microsoft.Storage.BlobCreated"], "scope": "/subscriptions/s"}
    body = {"type": "BlobEventsTrigger", "pipelines": [starts("p")], "typeProperties": inner}
    sdk.triggers.create_or_update(GROUP, factory, "b", {"properties": body})
    for refused in (sdk.triggers.begin_start, sdk.triggers.begin_subscribe_to_events):
        with pytest.raises(HttpResponseError, match="BlobEventsTrigger"):
            refused(GROUP, factory, "b")
    found = sdk.triggers.get_event_subscription_status(GROUP, factory, "b")
    assert (found.trigger_name, found.status) == ("b", "Disabled")
    sdk.triggers.begin_unsubscribe_from_events(GROUP, factory, "b").result()


def test_bad_trigger(sdk: Any, factory: str) -> None:
    body = {"properties": {"type": "ScheduleTrigger", "typeProperties": recurrence("Hour", "soon")}}
    with pytest.raises(HttpResponseError, match="startTime must be a time") as caught:
        sdk.triggers.create_or_update(GROUP, factory, "t", body)
    assert caught.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        sdk.triggers.get(GROUP, factory, "t")


def test_killed_between_ticks(tmp_path: Path) -> None:
    """Windows of the past are all run, once each, though the service is killed while it runs them."""
    with service(tmp_path) as first, first.sdk() as sdk:
        factory = factory_of(sdk)
        pipeline(sdk, factory, "p")
        begin = datetime.now(UTC) - timedelta(minutes=5 * 12 + 1)
        sdk.triggers.create_or_update(GROUP, factory, "w", windows(begin))
        sdk.triggers.begin_start(GROUP, factory, "w").result()
        finished(sdk, factory, 3)
        first.kill()
    with service(tmp_path, token=first.token) as second, second.sdk() as sdk:
        runs = finished(sdk, factory, 12)
        pipelines = sdk.pipeline_runs.query_by_factory(GROUP, factory, ALWAYS).value
    starting = [each.properties["windowStartTime"] for each in runs]
    assert (len(starting), len(set(starting))) == (12, 12)
    assert {each.status for each in runs} == {"Succeeded"}
    assert sorted(each.run_id for each in pipelines) == sorted(each.triggered_pipelines["p"] for each in runs)
