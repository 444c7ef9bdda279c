"""The agent of a node as a process: one per state folder, seen and told from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from servers.node import command, node, register
from servers.service import ServiceProcess, service

from crossdock_scheduler.node.presence import running
from crossdock_scheduler.node.status import status_of

GROUP = "group"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(scope="module")
def sdk(server: ServiceProcess) -> Iterator[Any]:
    with server.sdk() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    name = f"f{uuid4().hex[:8]}"
    sdk.factories.create_or_update(GROUP, name, {})
    for runtime in ("here", "there"):
        body = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, name, runtime, body)
    return name


def key_of(sdk: Any, factory: str, runtime: str = "here") -> str:
    found: str = sdk.integration_runtimes.list_auth_keys(GROUP, factory, runtime).auth_key1
    return found


@pytest.fixture
def home(tmp_path: Path, server: ServiceProcess, sdk: Any, factory: str) -> Path:
    register(tmp_path / "a", server, key_of(sdk, factory), "a")
    return tmp_path / "a"


def eventually(what: Callable[[], bool], within: float = 60) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def told(home: Path) -> dict[str, Any]:
    return status_of(home / "node").as_json()


def test_status_follows_the_agents_life(tmp_path: Path, home: Path) -> None:
    assert told(tmp_path / "nothing")["state"] == "NeedRegistration"
    before = told(home)
    assert (before["state"], before["reason"], before["name"]) == ("Offline", "no agent runs", "a")
    assert command(home, "health").returncode == 1
    with node(home) as found:
        eventually(lambda: told(home)["state"] == "Online")
        online = told(home)
        assert (online["pid"], online["jobs"], online["reason"]) == (found.process.pid, [], "")
        assert command(home, "health").returncode == 0
        said = command(home, "status", "--output", "json")
        assert (said.returncode, json.loads(said.stdout)["state"]) == (0, "Online")
        found.process.kill()
        found.process.wait()
        said = command(home, "status")
        assert (said.returncode, said.stdout.splitlines()[0]) == (1, "Offline: no agent runs")


def test_restart_and_stop_from_outside(home: Path) -> None:
    with node(home) as found:
        eventually(lambda: told(home)["state"] == "Online")
        before = told(home)
        second = command(home, "start")
        assert second.returncode == 2
        assert f"process {found.process.pid} carries out the jobs" in second.stderr
        assert command(home, "restart", "--wait", "30").returncode == 0
        eventually(lambda: told(home)["state"] == "Online")
        after = told(home)
        assert after["pid"] == before["pid"]
        assert found.errors.read_text().count(" works for ") == 2
        assert command(home, "stop", "--wait", "30").returncode == 0
        assert found.process.wait(10) == 0
        done = command(home, "stop")
        assert (done.returncode, "no agent carries out" in done.stderr) == (2, True)


def pauses(state: Path, count: int) -> list[float]:
    """Seconds between so many heartbeats."""
    tried: list[float] = []

    def another() -> bool:
        found = running(state)
        if found and found.tried and found.tried not in tried:
            tried.append(found.tried)
        return len(tried) > count

    eventually(another)
    return [later - earlier for earlier, later in pairwise(tried)]


def test_agent_starts_while_the_service_is_down(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("service")
    with service(state) as first, first.sdk() as client:
        client.factories.create_or_update(GROUP, "factory", {})
        body = {"properties": {"type": "SelfHosted"}}
        client.integration_runtimes.create_or_update(GROUP, "factory", "here", body)
        register(tmp_path / "a", first, key_of(client, "factory"), "a")
        first.kill()
    with node(tmp_path / "a") as found:
        eventually(lambda: told(tmp_path / "a")["state"] == "Offline")
        assert "cannot be reached" in told(tmp_path / "a")["reason"]
        # A new start would not help.
        assert command(tmp_path / "a", "health").returncode == 0
        port = first.url.rpartition(":")[2]
        with service(state, "--port", port, "--lease", "2", token=first.token):
            eventually(lambda: told(tmp_path / "a")["state"] == "Online")
            # Several beats within the lease that holds by now, whatever was said when it was registered.
            assert min(pauses(tmp_path / "a" / "node", 4)) < 3
        assert found.process.poll() is None


def test_other_key_makes_it_another_runtimes_node(home: Path, sdk: Any, factory: str) -> None:
    with node(home):
        eventually(lambda: told(home)["state"] == "Online")
        done = command(home, "key", key=key_of(sdk, factory, "there"))
        assert done.returncode == 0, done.stderr
        eventually(lambda: told(home).get("runtime") == "there" and told(home)["state"] == "Online")
    found = sdk.integration_runtimes.get_status(GROUP, factory, "there").properties.type_properties
    assert [each.node_name for each in found.nodes] == ["a"]


def test_unregistered_node_is_none(home: Path, sdk: Any, factory: str) -> None:
    with node(home) as found:
        done = command(home, "unregister")
        assert (done.returncode, "crossdock node stop" in done.stderr) == (2, True)
        found.stop()
    assert command(home, "unregister").returncode == 0
    found_there = sdk.integration_runtimes.get_status(GROUP, factory, "here").properties.type_properties
    assert found_there.nodes == []
    assert told(home)["state"] == "NeedRegistration"
    assert not [each for each in (home / "node").iterdir() if "key" in each.name]
