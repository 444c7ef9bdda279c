"""The database is gone for a while, or full: what the service answers, and how runs go on afterwards."""

from __future__ import annotations

import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.node_client import NodeClient
from servers.postgres import Postgres, postgres
from servers.service import ServiceProcess, service
from test_service_definitions import path
from test_service_runs import activities, activity, copying, ended, factory_of, node_of, pipeline

GROUP = "group"
# The driver of a run looks after its lease this often; then it notices.
_RENEWAL = 5.5


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One of its own: it is stopped."""
    with postgres() as found:
        yield found


def until_ready(client: httpx.Client, status: int = 200) -> None:
    until = time.monotonic() + 30
    while client.get("/readyz").status_code != status:
        assert time.monotonic() < until
        time.sleep(0.1)


def finish(node: NodeClient, job: dict[str, Any]) -> httpx.Response:
    output = {"filesWritten": 1}
    return node.post(
        f"jobs/{job['id']}/finish", epoch=job["epoch"], outcome="succeeded", result={"output": output}
    )


def during(node: NodeClient, client: httpx.Client, factory: str, job: dict[str, Any]) -> None:
    """While the database can take nothing."""
    for answer in (
        client.put(path(factory), json={}),
        finish(node, job),
        client.post(path(factory, "/pipelines/copy/createrun"), headers={"x-ms-client-request-id": "one"}),
    ):
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), answer.text
        assert answer.json()["error"]["code"] == "ServiceUnavailable"
    # Sent again without an id it could become two runs.
    answer = client.post(path(factory, "/pipelines/copy/createrun"))
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, None)


def went_on(sdk: Any, factory: str, node: NodeClient, job: dict[str, Any], run_id: str) -> None:
    assert finish(node, job).status_code == 200
    # The driver takes it up at once: it does not wait for its own lease to run out.
    assert ended(sdk, factory, run_id, within=15).status == "Succeeded"
    assert node.claim() == []
    # Attempted once: neither cancelled nor begun again.
    assert [each.activity_name for each in activities(sdk, factory, run_id)] == ["copy", "set files"]
    again = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
    (other,) = node.claim(wait=20)
    assert finish(node, other).status_code == 200
    assert ended(sdk, factory, again).status == "Succeeded"


@pytest.mark.parametrize("how", ["INT", "KILL"])
def test_postgresql_stops_and_comes_back(tmp_path: Path, server: Postgres, how: str) -> None:
    address = server.create(f"outage_{how.lower()}").replace("postgresql://", "postgresql+psycopg://")
    with service(tmp_path, "--database", address) as found, found.sdk() as sdk, found.client() as client:
        factory = factory_of(sdk)
        copying(sdk, factory, tmp_path / "a", tmp_path / "b")
        with node_of(found, sdk, factory) as node:
            run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
            (job,) = node.claim(wait=20)
            server.stop(signal.Signals[f"SIG{how}"])
            try:
                until_ready(client, 503)
                assert client.get("/healthz").status_code == 200
                during(node, client, factory, job)
                # As long as the driver of the run needs to notice.
                _until_said(found, f"the run {run_id} is left for later")
            finally:
                server.start()
            until_ready(client)
            went_on(sdk, factory, node, job, run_id)


def test_postgresql_only_answers_questions(tmp_path: Path, server: Postgres) -> None:
    """As what was the first server does when another one has taken over."""
    address = server.create("read_only").replace("postgresql://", "postgresql+psycopg://")

    def only_reads(is_so: str) -> None:
        server.run(f"ALTER DATABASE read_only SET default_transaction_read_only = {is_so}")
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'read_only'")

    with service(tmp_path, "--database", address) as found, found.sdk() as sdk, found.client() as client:
        factory = factory_of(sdk)
        copying(sdk, factory, tmp_path / "a", tmp_path / "b")
        with node_of(found, sdk, factory) as node:
            run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
            (job,) = node.claim(wait=20)
            only_reads("on")
            try:
                during(node, client, factory, job)
                assert client.get(path(factory)).status_code == 200
            finally:
                only_reads("off")
            until_ready(client)
            went_on(sdk, factory, node, job, run_id)


def _until_said(found: ServiceProcess, text: str) -> None:
    until = time.monotonic() + 30
    while text not in found.errors.read_text():
        assert time.monotonic() < until, found.errors.read_text()
        time.sleep(0.1)


def test_disk_of_sqlite_takes_no_more(tmp_path: Path) -> None:
    with service(tmp_path) as found, found.sdk() as sdk, found.client() as client:
        factory = factory_of(sdk)
        copying(sdk, factory, tmp_path / "a", tmp_path / "b")
        with node_of(found, sdk, factory) as node:
            run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
            (job,) = node.claim(wait=20)
            # No file of the process may grow: the database as little as on a disk that is full.
            before = resource.prlimit(found.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(found.process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
            try:
                during(node, client, factory, job)
                # What is there already can be read.
                assert client.get(path(factory)).status_code == 200
                time.sleep(_RENEWAL)
            finally:
                resource.prlimit(found.process.pid, resource.RLIMIT_FSIZE, before)
            went_on(sdk, factory, node, job, run_id)


def test_run_that_cannot_be_saved_leaves_its_jobs_alone(tmp_path: Path) -> None:
    with service(tmp_path) as found, found.sdk() as sdk:
        factory = factory_of(sdk)
        copying(sdk, factory, tmp_path / "a", tmp_path / "b")
        copy = sdk.pipelines.get(GROUP, factory, "copy").as_dict()["properties"]["activities"][0]
        pipeline(sdk, factory, "both", copy, activity("Wait", "wait", {"waitTimeInSeconds": 2}))
        with node_of(found, sdk, factory) as node:
            run_id = sdk.pipelines.create_run(GROUP, factory, "both").run_id
            (job,) = node.claim(wait=20)
            with closing(sqlite3.connect(tmp_path / "service" / "service.db")) as database:
                database.execute(
                    "CREATE TRIGGER no BEFORE UPDATE ON activity_runs BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
                _until_said(found, f"the run {run_id} is left for later")
                holding = [{"id": job["id"], "epoch": job["epoch"]}]
                assert node.beat(holding=holding).json()["cancel"] == []
                database.execute("DROP TRIGGER no")
            assert finish(node, job).status_code == 200
            assert ended(sdk, factory, run_id, within=15).status == "Succeeded"
            assert len(activities(sdk, factory, run_id)) == 2
