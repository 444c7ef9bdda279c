"""What operators see: health, figures, logs, and how the service stops."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers.service import ServiceProcess, service
from test_service_definitions import path
from test_service_runs import copying, ended, factory_of, node_of

RUNTIME = {"properties": {"type": "SelfHosted"}}


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


def figures(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_health_needs_no_token(control_plane: ServiceProcess) -> None:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls()) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/metrics").status_code == 401


def test_figures_of_a_job(control_plane: ServiceProcess, sdk: Any, tmp_path: Path) -> None:
    factory = factory_of(sdk)
    copying(sdk, factory, tmp_path / "a", tmp_path / "b")
    with control_plane.client() as client, node_of(control_plane, sdk, factory) as node:
        before = figures(client)
        run_id = sdk.pipelines.create_run("group", factory, "copy").run_id
        until = time.monotonic() + 30
        while figures(client).get(("crossdock_queue_jobs", factory, "here", "queued")) != 1:
            assert time.monotonic() < until
        assert ("crossdock_queue_oldest_seconds", factory, "here") in figures(client)
        # A request that a node has left behind wins nothing.
        for state in ("upgrading", "stopping"):
            node.beat(state=state).raise_for_status()
            assert node.claim() == []
        node.beat().raise_for_status()
        (job,) = node.claim()
        assert figures(client)["crossdock_queue_jobs", factory, "here", "claimed"] == 1
        said = {"epoch": job["epoch"], "outcome": "failed", "result": {}}
        assert node.post(f"jobs/{job['id']}/finish", **said).status_code == 200
        # Said again it is not counted again; said by a late holder it is refused, and counted as such.
        assert node.post(f"jobs/{job['id']}/finish", **said).status_code == 200
        assert node.post(f"jobs/{job['id']}/finish", **said | {"epoch": 9}).status_code == 409
        assert ended(sdk, factory, run_id).status == "Failed"
        # Objects' names are in no route.
        assert client.get(path(factory, "/pipelines/secret-name")).status_code == 404
        now = figures(client)

    def grown(*key: str) -> float:
        return now[key] - before.get(key, 0.0)

    assert grown("crossdock_jobs_claimed_total") == 1
    assert grown("crossdock_jobs_ended_total", "failed") == 1
    assert grown("crossdock_job_seconds_count", "failed") == 1
    assert grown("crossdock_leases_lost_total", "refused") == 1
    assert grown("crossdock_runs_ended_total", "Failed") == 1
    assert now["crossdock_nodes", "Online"] >= 1
    assert now["crossdock_database_up",] == 1
    finished = "/crossdock/v1/nodes/jobs/{job_id}/finish"
    assert grown("crossdock_request_seconds_count", "POST", finished, "409") == 1
    assert not any("secret-name" in each for key in now for each in key)
    assert not any(job["id"] in each for key in now for each in key)


def test_labels_are_few(control_plane: ServiceProcess) -> None:
    with control_plane.client() as client:
        for name in (uuid.uuid4().hex, uuid.uuid4().hex):
            assert client.request(f"M{name}", f"/{name}").status_code in (404, 405)
        found = [key for key in figures(client) if key[0] == "crossdock_request_seconds_count"]
    assert ("crossdock_request_seconds_count", "other", "unknown", "404") in found
    assert len(found) == len({key[1:] for key in found})


def test_log_is_json_with_the_ids_of_requests(tmp_path: Path) -> None:
    with service(tmp_path, "--log-format", "json") as found, found.client() as client:
        answer = client.get(path("nowhere"), headers={"x-ms-client-request-id": "mine"})
        client.get("/healthz")
    lines = [json.loads(line) for line in found.errors.read_text().splitlines()]
    (asked,) = [line for line in lines if line.get("request_id") == answer.headers["x-ms-request-id"]]
    assert (asked["method"], asked["status"], asked["level"]) == ("GET", 404, "info")
    assert asked["route"].endswith("/factories/{factory}")
    assert not any(line.get("route") == "/healthz" for line in lines)
    assert found.token not in found.errors.read_text()


def test_stopping_lets_nobody_wait(tmp_path: Path) -> None:
    """Told to stop it says that it is not ready, answers who waits, and ends well."""
    with service(tmp_path, "--drain-delay", "1.5") as found, found.sdk() as sdk:
        factory = factory_of(sdk)
        sdk.integration_runtimes.create_or_update("group", factory, "here", RUNTIME)
        with node_of(found, sdk, factory) as node, ThreadPoolExecutor() as pool, found.client() as other:
            other.get("/readyz")
            waiting = pool.submit(node.claim, 1, 25.0)
            _until_waiting(found, waiting)
            begun = time.monotonic()
            found.process.send_signal(signal.SIGTERM)
            assert waiting.result(10) == []
            answer = other.get("/readyz")
            assert (answer.status_code, answer.json()["reason"]) == (503, "the service is stopping")
            assert node.post("claim", want=1, wait=20).headers["retry-after"] == "2"
            assert other.get("/healthz").status_code == 200
            assert found.process.wait(20) == 0
    assert time.monotonic() - begun < 15


def test_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with service(tmp_path, "--drain-delay", "60") as found, found.client() as client:
        assert client.get("/readyz").status_code == 200
        found.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 10
        while client.get("/readyz").status_code != 503:
            assert time.monotonic() < until
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(5) == -signal.SIGTERM


def _until_waiting(found: ServiceProcess, waiting: Any) -> None:
    """The claim of a node with nothing to do has reached the service."""
    time.sleep(0.5)
    assert not waiting.done(), waiting.result()
