"""A node that was stopped goes on after another has done its job: each row is there once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers.node import NodeProcess, node, register
from servers.postgres import Postgres
from servers.service import service

from crossdock_scheduler.node.status import status_of

GROUP, FACTORY, ROWS = "group", "factory", 500
# Whoever reads waits for who holds this lock of the server's: a copy is held in its middle.
LOCK = 4242


def eventually(what: Callable[[], bool], within: float = 200) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def define(sdk: Any, server: Postgres, database: str) -> None:
    """A copy that adds the rows of a query to the table ``target``."""
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    parts = {"server": "127.0.0.1", "port": server.port, "database": database, "username": "postgres"}
    link = {"type": "PostgreSqlV2", "connectVia": via, "typeProperties": parts | {"sslMode": 0}}
    sdk.linked_services.create_or_update(GROUP, FACTORY, "server", {"properties": link})
    for name in ("origin", "target"):
        dataset = {
            "type": "PostgreSqlV2Table",
            "linkedServiceName": {"referenceName": "server", "type": "LinkedServiceReference"},
            "typeProperties": {"schema": "public", "table": name},
        }
        sdk.datasets.create_or_update(GROUP, FACTORY, name, {"properties": dataset})
    query = f"SELECT i FROM origin WHERE pg_advisory_xact_lock_shared({LOCK}) IS NOT NULL"
    copy = {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "origin", "type": "DatasetReference"}],
        "outputs": [{"referenceName": "target", "type": "DatasetReference"}],
        "typeProperties": {
            "source": {"type": "PostgreSqlV2Source", "query": query},
            "sink": {"type": "AzurePostgreSqlSink"},
        },
    }
    sdk.pipelines.create_or_update(GROUP, FACTORY, "copy", {"properties": {"activities": [copy]}})


def worker_of(found: NodeProcess) -> psutil.Process:
    agent = psutil.Process(found.process.pid)
    eventually(lambda: bool(agent.children()))
    return agent.children()[0]


@pytest.mark.timeout(300)  # a lease has to run out
def test_stopped_node_adds_nothing_when_it_goes_on(tmp_path: Path, postgres: Postgres, database: str) -> None:
    import psycopg

    name = database.rpartition("/")[2]
    postgres.run(f"CREATE TABLE origin AS SELECT i FROM generate_series(1, {ROWS}) i", name)
    postgres.run("CREATE TABLE target (i int)", name)
    (tmp_path / "service").mkdir()
    with service(tmp_path / "service") as server, server.sdk() as sdk, psycopg.connect(database) as lock:
        sdk.factories.create_or_update(GROUP, FACTORY, {})
        runtime = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, FACTORY, "here", runtime)
        key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
        for each in "ab":
            register(tmp_path / each, server, key, each)
        define(sdk, postgres, name)
        lock.execute(f"SELECT pg_advisory_lock({LOCK})")  # type: ignore[arg-type]
        lock.commit()
        with node(tmp_path / "a") as first:
            run_id = sdk.pipelines.create_run(GROUP, FACTORY, "copy").run_id
            worker = worker_of(first)
            waits = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted"
            eventually(lambda: bool(postgres.run(waits, name)))
            stopped = [first.process.pid, worker.pid]
            for each in stopped:
                os.kill(each, signal.SIGSTOP)
            try:
                lock.execute(f"SELECT pg_advisory_unlock({LOCK})")  # type: ignore[arg-type]
                lock.commit()
                with node(tmp_path / "b"):
                    done = lambda: sdk.pipeline_runs.get(GROUP, FACTORY, run_id).status  # noqa: E731
                    eventually(lambda: done() not in ("Queued", "InProgress"))
                    assert (done(), _counted(postgres, name)) == ("Succeeded", (ROWS, ROWS))
                # The agent, which would end it, stays stopped: the worker itself must not go on.
                os.kill(worker.pid, signal.SIGCONT)
                # Its parent is stopped and reaps nobody.
                eventually(lambda: worker.status() == psutil.STATUS_ZOMBIE)
                assert _counted(postgres, name) == (ROWS, ROWS)
            finally:
                for each in stopped:
                    if psutil.pid_exists(each):
                        os.kill(each, signal.SIGCONT)
            eventually(lambda: status_of(tmp_path / "a" / "node").state == "Online")
            eventually(lambda: not status_of(tmp_path / "a" / "node").as_json()["jobs"])
    assert _counted(postgres, name) == (ROWS, ROWS)
    assert postgres.run("SELECT 1 FROM pg_tables WHERE tablename LIKE '\\_crossdock\\_%'", name) == []


def _counted(postgres: Postgres, database: str) -> tuple[int, int]:
    """All rows, and different ones."""
    rows = postgres.run("SELECT count(*), count(DISTINCT i) FROM target", database)
    return rows[0][0], rows[0][1]
