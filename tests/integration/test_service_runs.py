"""Runs of pipelines in the service, with the official client; the node is the test itself."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from servers.node_client import NodeClient
from servers.service import ServiceProcess, service
from test_service_definitions import path

from crossdock_scheduler.pipeline.activity_types import activity_types
from crossdock_scheduler.pipeline.policy import Policy
from crossdock_scheduler.pipeline.run.shipping import unpacked

GROUP = "group"
ENDED = ("Succeeded", "Failed", "Cancelled")
ALWAYS = {
    "lastUpdatedAfter": datetime.now(UTC) - timedelta(days=1),
    "lastUpdatedBefore": datetime.now(UTC) + timedelta(days=1),
}


def factory_of(sdk: Any) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    sdk.factories.create_or_update(GROUP, name, {})
    return name


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    return factory_of(sdk)


def variable(name: str, value: Any, *after: str) -> dict[str, Any]:
    return activity("SetVariable", f"set {name}", {"variableName": name, "value": value}, *after)


def activity(kind: str, name: str, properties: dict[str, Any], *after: str) -> dict[str, Any]:
    needed = [{"activity": each, "dependencyConditions": ["Succeeded"]} for each in after]
    return {"name": name, "type": kind, "typeProperties": properties, "dependsOn": needed}


def pipeline(sdk: Any, factory: str, name: str, *activities: Any, **more: Any) -> None:
    body = {"properties": {"activities": list(activities), **more}}
    sdk.pipelines.create_or_update(GROUP, factory, name, body)


def ended(sdk: Any, factory: str, run_id: str, within: float = 60) -> Any:
    until = time.monotonic() + within
    while True:
        found = sdk.pipeline_runs.get(GROUP, factory, run_id)
        if found.status in ENDED:
            return found
        assert time.monotonic() < until, found.status
        time.sleep(0.1)


def activities(sdk: Any, factory: str, run_id: str) -> list[Any]:
    found: list[Any] = sdk.activity_runs.query_by_pipeline_run(GROUP, factory, run_id, ALWAYS).value
    return found


def copying(sdk: Any, factory: str, source: Path, sink: Path) -> None:
    """A pipeline ``copy`` of a copy from one folder to another, and the runtime ``here`` for it."""
    sdk.integration_runtimes.create_or_update(GROUP, factory, "here", {"properties": {"type": "SelfHosted"}})
    copying_there(sdk, factory, source, sink)


def copying_there(sdk: Any, factory: str, source: Path, sink: Path) -> None:
    """As ``copying``, with the runtime ``here`` that is there."""
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    for name, folder in (("source", source), ("sink", sink)):
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder)}}
        sdk.linked_services.create_or_update(GROUP, factory, name, {"properties": host})
        link = {"referenceName": name, "type": "LinkedServiceReference"}
        location = {"location": {"type": "FileServerLocation"}}
        dataset = {"type": "Binary", "linkedServiceName": link, "typeProperties": location}
        sdk.datasets.create_or_update(GROUP, factory, name, {"properties": dataset})
    store = {"type": "FileServerReadSettings", "recursive": True}
    properties = {
        "source": {"type": "BinarySource", "storeSettings": store},
        "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
    }
    copy = activity("Copy", "copy", properties)
    copy["inputs"] = [{"referenceName": "source", "type": "DatasetReference"}]
    copy["outputs"] = [{"referenceName": "sink", "type": "DatasetReference"}]
    count = variable("files", "@string(activity('copy').output.filesWritten)", "copy")
    pipeline(sdk, factory, "copy", copy, count, variables={"files": {"type": "String"}})


@contextmanager
def node_of(server: ServiceProcess, sdk: Any, factory: str, name: str = "node") -> Iterator[NodeClient]:
    with httpx.Client(base_url=server.url, verify=server.tls(), timeout=30) as http:
        found = NodeClient(http, name)
        found.register(sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1)
        found.beat()
        yield found


def carry_out(node: NodeClient, job: dict[str, Any]) -> httpx.Response:
    """As a node does."""
    attempt = unpacked(job["work"], Policy())
    output = dict(activity_types()[attempt.activity.type.lower()].run(attempt))
    return node.post(
        f"jobs/{job['id']}/finish", epoch=job["epoch"], outcome="succeeded", result={"output": output}
    )


def test_control_activities(sdk: Any, factory: str) -> None:
    pipeline(
        sdk, factory, "p",
        activity("Wait", "wait", {"waitTimeInSeconds": 1}),
        variable("name", "@concat(pipeline().parameters.who, '!')", "wait"),
        parameters={"who": {"type": "String"}}, variables={"name": {"type": "String"}},
    )  # fmt: skip
    run_id = sdk.pipelines.create_run(GROUP, factory, "P", parameters={"who": "world"}).run_id
    found = ended(sdk, factory, run_id)
    assert (found.status, found.pipeline_name, found.parameters) == ("Succeeded", "p", {"who": "world"})
    waited, was_set = activities(sdk, factory, run_id)
    assert (waited.activity_name, waited.status, was_set.output["value"]) == ("wait", "Succeeded", "world!")
    assert found.duration_in_ms >= 1000


def test_what_a_run_cannot_begin_with(sdk: Any, factory: str) -> None:
    pipeline(
        sdk,
        factory,
        "p",
        parameters={"count": {"type": "Int"}, "key": {"type": "SecureString", "defaultValue": ""}},
    )
    with pytest.raises(ResourceNotFoundError):
        sdk.pipelines.create_run(GROUP, factory, "nope")
    for given in ({}, {"count": "many"}, {"count": 1, "unknown": 2}):
        with pytest.raises(HttpResponseError) as caught:
            sdk.pipelines.create_run(GROUP, factory, "p", parameters=given)
        assert caught.value.status_code == 400


def test_created_once_for_one_request(control_plane: ServiceProcess, sdk: Any, factory: str) -> None:
    pipeline(sdk, factory, "p")
    with control_plane.client() as http:
        headers = {"x-ms-client-request-id": str(uuid.uuid4())}
        runs = {
            http.post(path(factory, "/pipelines/p/createRun"), headers=headers).json()["runId"]
            for _ in range(3)
        }
    assert len(runs) == 1
    ended(sdk, factory, runs.pop())
    assert len(sdk.pipeline_runs.query_by_factory(GROUP, factory, ALWAYS).value) == 1


def test_copy_on_a_node(control_plane: ServiceProcess, sdk: Any, factory: str, tmp_path: Path) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.bin").write_bytes(bytes([number]) * 1000)
    copying(sdk, factory, source, sink)
    run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
    with node_of(control_plane, sdk, factory) as node:
        (job,) = node.claim(wait=20)
        assert sdk.pipeline_runs.get(GROUP, factory, run_id).status == "InProgress"
        assert carry_out(node, job).status_code == 200
    assert ended(sdk, factory, run_id).status == "Succeeded"
    copied, was_set = activities(sdk, factory, run_id)
    assert (copied.output["filesWritten"], was_set.output["value"]) == (3, "3")
    assert "integrationRuntimeQueue" in copied.output["durationInQueue"]
    assert sorted(each.read_bytes() for each in sink.iterdir()) == [bytes([n]) * 1000 for n in range(3)]


def test_failure_on_a_node(control_plane: ServiceProcess, sdk: Any, factory: str, tmp_path: Path) -> None:
    copying(sdk, factory, tmp_path / "nothing", tmp_path / "sink")
    run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
    error = {"errorCode": "NotFound", "message": "there is nothing", "failureType": "UserError"}
    with node_of(control_plane, sdk, factory) as node:
        (job,) = node.claim(wait=20)
        node.post(f"jobs/{job['id']}/finish", epoch=job["epoch"], outcome="failed", result={"error": error})
    found = ended(sdk, factory, run_id)
    assert (found.status, found.message) == (
        "Failed", "Operation on target copy failed: there is nothing",
    )  # fmt: skip
    assert activities(sdk, factory, run_id)[0].error["errorCode"] == "NotFound"


def test_cancelling(control_plane: ServiceProcess, sdk: Any, factory: str, tmp_path: Path) -> None:
    copying(sdk, factory, tmp_path, tmp_path / "sink")
    run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
    with node_of(control_plane, sdk, factory) as node:
        (job,) = node.claim(wait=20)
        holding = [{"id": job["id"], "epoch": job["epoch"]}]
        assert node.beat(holding=holding).json()["cancel"] == []
        sdk.pipeline_runs.cancel(GROUP, factory, run_id)
        until = time.monotonic() + 20
        while not node.beat(holding=holding).json()["cancel"]:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert sdk.pipeline_runs.get(GROUP, factory, run_id).status == "Canceling"
        node.post(f"jobs/{job['id']}/finish", epoch=job["epoch"], outcome="cancelled")
    assert ended(sdk, factory, run_id).status == "Cancelled"
    assert [each.status for each in activities(sdk, factory, run_id)] == ["Cancelled"]


def test_concurrency_of_a_pipeline(sdk: Any, factory: str) -> None:
    pipeline(sdk, factory, "p", activity("Wait", "wait", {"waitTimeInSeconds": 2}), concurrency=1)
    runs = [sdk.pipelines.create_run(GROUP, factory, "p").run_id for _ in range(2)]
    time.sleep(1)
    assert sorted(sdk.pipeline_runs.get(GROUP, factory, each).status for each in runs) == [
        "InProgress",
        "Queued",
    ]
    found = sorted((ended(sdk, factory, each) for each in runs), key=lambda run: run.run_end)
    waits = sorted(activities(sdk, factory, each.run_id)[0].activity_run_start for each in found)
    assert waits[1] >= found[0].run_end


def test_filters(sdk: Any, factory: str) -> None:
    pipeline(sdk, factory, "good")
    pipeline(sdk, factory, "bad", activity("Fail", "fail", {"message": "no", "errorCode": "7"}))
    runs = {name: sdk.pipelines.create_run(GROUP, factory, name).run_id for name in ("good", "bad")}
    for each in runs.values():
        ended(sdk, factory, each)

    def asked(operand: str, operator: str, *values: str) -> list[str]:
        filters = [{"operand": operand, "operator": operator, "values": list(values)}]
        answer = sdk.pipeline_runs.query_by_factory(GROUP, factory, ALWAYS | {"filters": filters})
        return [each.pipeline_name for each in answer.value]

    assert asked("PipelineName", "Equals", "GOOD") == ["good"]
    assert asked("Status", "In", "Failed", "Queued") == ["bad"]
    assert asked("Status", "NotEquals", "Failed") == ["good"]
    with pytest.raises(HttpResponseError, match="operand"):
        asked("Colour", "Equals", "red")


@pytest.mark.parametrize("hard", [True, False], ids=["killed", "stopped"])
def test_restart_loses_nothing_and_repeats_nothing(tmp_path: Path, *, hard: bool) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.mkdir()
    (source / "a.bin").write_bytes(b"content")
    with service(tmp_path) as first, first.sdk() as sdk:
        factory = factory_of(sdk)
        copying(sdk, factory, source, sink)
        run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
        with node_of(first, sdk, factory) as node:
            (job,) = node.claim(wait=20)
            if hard:
                first.kill()
    options = ["--port", first.url.rpartition(":")[2]]
    with service(tmp_path, *options, token=first.token) as second, second.sdk() as sdk:
        with httpx.Client(base_url=second.url, verify=second.tls(), timeout=30) as http:
            node.http = http
            assert carry_out(node, job).status_code == 200
            assert ended(sdk, factory, run_id).status == "Succeeded"
            assert node.claim() == []
        copied, _ = activities(sdk, factory, run_id)
        assert copied.output["filesWritten"] == 1
        assert (sink / "a.bin").read_bytes() == b"content"


def test_many_runs_at_once(control_plane: ServiceProcess, sdk: Any, factory: str, tmp_path: Path) -> None:
    """Each copy is carried out once, by one of two nodes."""
    copying(sdk, factory, tmp_path, tmp_path / "sink")
    runs = [sdk.pipelines.create_run(GROUP, factory, "copy").run_id for _ in range(20)]
    done: list[str] = []

    def work(name: str) -> None:
        with node_of(control_plane, sdk, factory, name) as node:
            while len(done) < len(runs):
                for job in node.claim(want=3, wait=1):
                    done.append(job["id"])
                    node.post(f"jobs/{job['id']}/finish", epoch=job["epoch"], outcome="succeeded",
                              result={"output": {"filesWritten": 1}})  # fmt: skip

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {ended(sdk, factory, each).status for each in runs} == {"Succeeded"}
    assert len(set(done)) == len(done) == len(runs)
