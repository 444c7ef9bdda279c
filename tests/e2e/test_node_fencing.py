"""A node that was stopped, or cut off, comes back after another has done its jobs: each row is there once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers.node import node, register
from servers.postgres import Postgres
from servers.service import ServiceProcess, service
from servers.waiting import eventually
from servers.wire import wire

from crossdock_scheduler.commands.service import start
from crossdock_scheduler.node.lease import _FRESH
from crossdock_scheduler.node.presence import running
from crossdock_scheduler.node.status import status_of

GROUP, FACTORY, ROWS = "group", "factory", 500
PIPELINES = ("early", "middle")
# Whoever reads waits for who holds this lock of the server's: a copy is held in its middle.
LOCK = 4242


def define(sdk: Any, server: Postgres, database: str) -> None:
    """Pipelines that add the rows of ``origin_X`` to ``target_X``: ``early`` reads without, ``middle`` with
    waiting for LOCK."""
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    parts = {"server": "127.0.0.1", "port": server.port, "database": database, "username": "postgres"}
    link = {"type": "PostgreSqlV2", "connectVia": via, "typeProperties": parts | {"sslMode": 0}}
    sdk.linked_services.create_or_update(GROUP, FACTORY, "server", {"properties": link})
    waiting = {"early": "true", "middle": f"pg_advisory_xact_lock_shared({LOCK}) IS NOT NULL"}
    for name, condition in waiting.items():
        for end in ("origin", "target"):
            dataset = {
                "type": "PostgreSqlV2Table",
                "linkedServiceName": {"referenceName": "server", "type": "LinkedServiceReference"},
                "typeProperties": {"schema": "public", "table": f"{end}_{name}"},
            }
            sdk.datasets.create_or_update(GROUP, FACTORY, f"{end}_{name}", {"properties": dataset})
        copy = {
            "name": "copy",
            "type": "Copy",
            "inputs": [{"referenceName": f"origin_{name}", "type": "DatasetReference"}],
            "outputs": [{"referenceName": f"target_{name}", "type": "DatasetReference"}],
            "typeProperties": {
                "source": {
                    "type": "PostgreSqlV2Source",
                    "query": f"SELECT i FROM origin_{name} WHERE {condition}",
                },
                "sink": {"type": "AzurePostgreSqlSink"},
            },
        }
        sdk.pipelines.create_or_update(GROUP, FACTORY, name, {"properties": {"activities": [copy]}})


def _tables(server: Postgres, database: str) -> None:
    for each in PIPELINES:
        server.run(f"CREATE TABLE origin_{each} AS SELECT i FROM generate_series(1, {ROWS}) i", database)
        server.run(f"CREATE TABLE target_{each} (i int)", database)


def _nodes(sdk: Any, server: ServiceProcess, folder: Path, names: str = "ab") -> None:
    sdk.factories.create_or_update(GROUP, FACTORY, {})
    runtime = {"properties": {"type": "SelfHosted"}}
    sdk.integration_runtimes.create_or_update(GROUP, FACTORY, "here", runtime)
    key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
    for each in names:
        register(folder / each, server, key, each)


def _hold(lock: Any) -> None:
    lock.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
    lock.execute("LOCK TABLE origin_early IN ACCESS EXCLUSIVE MODE")


def _held_runs(sdk: Any, server: Postgres, database: str) -> list[str]:
    """Runs of both pipelines, each of which waits for a lock."""
    runs = [sdk.pipelines.create_run(GROUP, FACTORY, each).run_id for each in PIPELINES]
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    eventually(lambda: server.run(waits, database) == [(2,)])
    return runs


@pytest.mark.timeout(300)  # a lease has to run out
def test_stopped_node_adds_nothing_when_it_goes_on(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """One copy is stopped before it has begun anything at its sink, one while it loads."""
    import psycopg

    name = database.rpartition("/")[2]
    _tables(postgres, name)
    (tmp_path / "service").mkdir()
    with (
        service(tmp_path / "service", "--lease", "8") as server,
        server.sdk() as sdk,
        psycopg.connect(database) as lock,
    ):
        _nodes(sdk, server, tmp_path)
        define(sdk, postgres, name)
        _hold(lock)
        with node(tmp_path / "a") as first:
            runs = _held_runs(sdk, postgres, name)
            workers = psutil.Process(first.process.pid).children()
            stopped = [first.process.pid, *(each.pid for each in workers)]
            for each in stopped:
                os.kill(each, signal.SIGSTOP)
            try:
                lock.rollback()
                with node(tmp_path / "b"):
                    eventually(lambda: all(_ended(sdk, each) for each in runs))
                assert [_ended(sdk, each) for each in runs] == ["Succeeded"] * 2
                _check_once(postgres, name)
                # The agent, which would end them, stays stopped: the workers themselves must not go on.
                for each in workers:
                    os.kill(each.pid, signal.SIGCONT)
                # Their parent reaps nobody.
                eventually(lambda: all(each.status() == psutil.STATUS_ZOMBIE for each in workers))
                _check_once(postgres, name)
            finally:
                for each in stopped:
                    if psutil.pid_exists(each):
                        os.kill(each, signal.SIGCONT)
            eventually(lambda: status_of(tmp_path / "a" / "node").as_json().get("jobs") == [])
    _check_once(postgres, name)
    assert postgres.run("SELECT 1 FROM pg_tables WHERE tablename LIKE '\\_crossdock\\_%'", name) == []


@pytest.mark.timeout(300)
def test_a_node_that_is_cut_off_adds_nothing(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Its copies go on, and end before they commit; another node does them. It comes back and works.

    By the default lease anybody may have them after 11 seconds, and 20 on a machine that is slow.
    """
    import psycopg

    default = signature(start).parameters["lease"].default
    name = database.rpartition("/")[2]
    _tables(postgres, name)
    (tmp_path / "service").mkdir()
    with (
        service(tmp_path / "service", "--lease", str(default)) as server,
        server.sdk() as sdk,
        psycopg.connect(database) as lock,
        wire(int(server.url.rpartition(":")[2])) as way,
    ):
        _nodes(sdk, server, tmp_path)
        identity = tmp_path / "a" / "node" / "node.json"
        identity.write_text(identity.read_text().replace(server.url, f"https://localhost:{way.port}"))
        define(sdk, postgres, name)
        _hold(lock)
        with node(tmp_path / "a") as first:
            runs = _held_runs(sdk, postgres, name)
            began = [f"job {each} begins" for each in jobs(tmp_path / "a")]
            assert len(began) == 2
            way.cut()
            cut = time.monotonic()
            lock.rollback()
            eventually(lambda: "were silent went back to the queue" in server.errors.read_text())
            assert time.monotonic() - cut < 20
            with node(tmp_path / "b") as second:
                eventually(lambda: all(each in second.errors.read_text() for each in began))
                eventually(lambda: all(_ended(sdk, each) for each in runs))
            assert [_ended(sdk, each) for each in runs] == ["Succeeded"] * 2
            way.mend()
            eventually(lambda: jobs(tmp_path / "a") == [] and not problem(tmp_path / "a"))
            assert first.process.poll() is None
            _check_once(postgres, name)
    assert postgres.run("SELECT 1 FROM pg_tables WHERE tablename LIKE '\\_crossdock\\_%'", name) == []


@pytest.mark.timeout(300)
def test_a_service_that_is_away_for_longer_than_a_lease(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    """Copies that would commit meanwhile are given up, and go on when it is there again."""
    import psycopg

    name = database.rpartition("/")[2]
    _tables(postgres, name)
    state, lease = tmp_path / "service", ("--lease", "3")
    state.mkdir()
    with (
        service(state, *lease) as server,
        server.sdk() as sdk,
        psycopg.connect(database) as lock,
        node_of(tmp_path, server, sdk) as home,
    ):
        define(sdk, postgres, name)
        _hold(lock)
        runs = _held_runs(sdk, postgres, name)
        server.kill()
        # What was confirmed just before that is not asked for again: those copies could commit.
        time.sleep(_FRESH + 0.1)
        lock.rollback()
        eventually(lambda: jobs(home) == [], 60)
        port = server.url.rpartition(":")[2]
        with service(state, "--port", port, *lease, token=server.token) as again, again.sdk() as client:
            eventually(lambda: all(_ended(client, each) for each in runs))
            assert [_ended(client, each) for each in runs] == ["Succeeded"] * 2
        _check_once(postgres, name)


@contextmanager
def node_of(folder: Path, server: ServiceProcess, sdk: Any) -> Iterator[Path]:
    """The only node of the runtime, at work: its home."""
    _nodes(sdk, server, folder, "a")
    with node(folder / "a"):
        yield folder / "a"


def jobs(home: Path) -> list[str]:
    found = running(home / "node")
    return found.jobs if found else []


def problem(home: Path) -> str:
    found = running(home / "node")
    return found.problem if found else "it is gone"


def _ended(sdk: Any, run_id: str) -> str:
    found: str = sdk.pipeline_runs.get(GROUP, FACTORY, run_id).status
    return "" if found in {"Queued", "InProgress"} else found


def _check_once(postgres: Postgres, database: str) -> None:
    for each in PIPELINES:
        rows = postgres.run(f"SELECT count(*), count(DISTINCT i) FROM target_{each}", database)
        assert rows == [(ROWS, ROWS)], each
