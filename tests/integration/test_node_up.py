"""Nodes from nothing but their environment, as containers have them; and who may be a node beside whom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
import yaml
from servers.node import command
from servers.node_client import NodeClient
from servers.service import ServiceProcess
from test_service_runs import GROUP, factory_of

from crossdock import ConfigError
from crossdock_scheduler.node.company import Company, be_alone, company
from crossdock_scheduler.node.registration import register
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import nodes

one_service = pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
DEPLOY = Path(__file__).parents[2] / "deploy"
WAIT = 60.0


class Runtime:
    """A runtime of its own on a service."""

    def __init__(self, control_plane: ServiceProcess) -> None:
        self.control_plane, self.http = control_plane, control_plane.client()
        with control_plane.sdk() as sdk:
            self.factory = factory_of(sdk)
            here = {"properties": {"type": "SelfHosted"}}
            sdk.integration_runtimes.create_or_update(GROUP, self.factory, "here", here)
            self.key = sdk.integration_runtimes.list_auth_keys(GROUP, self.factory, "here").auth_key1

    def nodes(self) -> list[str]:
        with self.control_plane.sdk() as sdk:
            found = sdk.integration_runtimes.get_status(GROUP, self.factory, "here").properties.nodes or []
            return [each.node_name for each in found]

    def client(self, name: str) -> NodeClient:
        return NodeClient(self.http, name)


@pytest.fixture
def runtime(control_plane: ServiceProcess) -> Iterator[Runtime]:
    found = Runtime(control_plane)
    yield found
    found.http.close()


def environment(home: Path, server: ServiceProcess, **given: str) -> dict[str, str]:
    return os.environ | {"CROSSDOCK_HOME": str(home), "CA_FILE": str(server.ca), **given}


@contextmanager
def up(home: Path, server: ServiceProcess, **given: str) -> Iterator[subprocess.Popen[str]]:
    log = home.parent / f"{home.name}.log"
    before = log.stat().st_size if log.exists() else 0
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "crossdock", "node", "up"],
            env=environment(home, server, **given), stderr=errors, text=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + WAIT
        while " works for " not in log.read_text()[before:]:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0, log.read_text()


def refused(home: Path, server: ServiceProcess, **given: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "crossdock", "node", "up"], env=environment(home, server, **given),
        capture_output=True, text=True, timeout=WAIT, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert not (home / "node" / "node.json").exists()
    return done.stderr


def node_id(home: Path) -> str:
    found: dict[str, Any] = json.loads((home / "node" / "node.json").read_text())
    return str(found["node_id"])


@one_service
def test_a_container_that_begins_again_is_the_same_node(
    control_plane: ServiceProcess, runtime: Runtime, tmp_path: Path
) -> None:
    home, secret = tmp_path / "first", tmp_path / "auth-key"
    home.mkdir()
    with up(home, control_plane, AUTH_KEY=runtime.key, NODE_NAME="first") as process:
        # What the system shows of the agent and, by it, of its jobs.
        with suppress(PermissionError):  # nobody but root may look
            assert runtime.key.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
        assert runtime.key.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        before = node_id(home)
    for wanted in ("true", "false"):
        with up(home, control_plane, ENABLE_HA=wanted):
            assert company(home / "node").alone == (wanted == "false")
    with up(home, control_plane):
        assert node_id(home) == before
        assert runtime.nodes() == ["first"]
        secret.write_text(f"{runtime.key}\n")
        said = refused(tmp_path / "second", control_plane, AUTH_KEY_FILE=str(secret), NODE_NAME="second")
        assert "without high availability" in said
        said = refused(
            tmp_path / "third", control_plane, AUTH_KEY_FILE=str(secret), ENABLE_HA="true", NODE_NAME="third"
        )
        assert "without high availability" in said
    assert runtime.nodes() == ["first"]


@one_service
def test_several_nodes_with_high_availability(
    control_plane: ServiceProcess, runtime: Runtime, tmp_path: Path
) -> None:
    secret = tmp_path / "auth-key"
    secret.write_text(runtime.key)
    given = {"AUTH_KEY_FILE": str(secret), "ENABLE_HA": "true"}
    for name in ("a", "b"):
        home = tmp_path / name
        home.mkdir()
        with up(home, control_plane, NODE_NAME=name, **given):
            pass
    assert sorted(runtime.nodes()) == ["a", "b"]


@one_service
def test_remote_access_lets_others_in(
    control_plane: ServiceProcess, runtime: Runtime, tmp_path: Path
) -> None:
    first, second, ca = tmp_path / "first", tmp_path / "second", str(control_plane.ca)

    def join(state: Path) -> None:
        anyio.run(register, state, runtime.key, state.name, ca)

    def switch(state: Path, *, alone: bool) -> None:
        anyio.run(partial(be_alone, state, alone=alone))

    switch(first, alone=True)  # said before it is a node
    join(first)
    join(first)  # as when the key is replaced
    with pytest.raises(ConfigError, match="only one without high availability"):
        join(second)
    switch(first, alone=False)
    join(second)
    with pytest.raises(ConfigError, match="The runtime has other nodes: second"):
        switch(first, alone=True)
    assert company(first) == Company(alone=False)
    assert sorted(runtime.nodes()) == ["first", "second"]
    with control_plane.sdk() as sdk:
        sdk.integration_runtime_nodes.delete(GROUP, runtime.factory, "here", "second")
    switch(first, alone=True)
    assert runtime.client("third").register(runtime.key).status_code == 409


@one_service
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "neither AUTH_KEY nor AUTH_KEY_FILE"),
        ({"AUTH_KEY_FILE": "/nowhere/at/all"}, "AUTH_KEY_FILE cannot be read"),
        ({"AUTH_KEY": "x", "ENABLE_HA": "yes"}, "ENABLE_HA is true or false"),
        ({"AUTH_KEY": "x", "ENABLE_AE": "true", "AE_TIME": "60"}, "at least 600"),
        ({"BACKUP_FILE": "/nowhere/at/all"}, "BACKUP_PASSWORD_FILE"),
        ({"AUTH_KEY": "not a key"}, "Failed to register this Integration Runtime node!"),
    ],
    ids=["no_key", "no_file", "flag", "time", "password", "key"],
)
def test_what_the_environment_lacks_is_said(
    control_plane: ServiceProcess, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    assert said in refused(tmp_path / "home", control_plane, **given)


@one_service
def test_a_new_container_becomes_the_node_of_a_backup(
    control_plane: ServiceProcess, runtime: Runtime, tmp_path: Path
) -> None:
    home, password, backup = tmp_path / "lost", tmp_path / "password", tmp_path / "backup"
    home.mkdir()
    password.write_text("correct horse\n")
    with up(home, control_plane, AUTH_KEY=runtime.key, NODE_NAME="kept"):
        done = command(home, "backup", str(backup), "--password-file", str(password))
        assert done.returncode == 0, done.stderr
    again = tmp_path / "again"
    again.mkdir()
    given = {"BACKUP_FILE": str(backup), "BACKUP_PASSWORD_FILE": str(password)}
    with up(again, control_plane, **given):
        assert node_id(again) == node_id(home)
    assert runtime.nodes() == ["kept"]


@pytest.fixture
def database(control_plane: ServiceProcess) -> Iterator[Database]:
    """The service's own, to make time pass for a node."""
    found = Database(f"sqlite:///{control_plane.ca.parents[1] / 'service.db'}")
    yield found
    found.close()


def silent(database: Database, node: NodeClient, seconds: float) -> None:
    with database.write() as connection:
        values = {"seen_at": nodes.c.seen_at - seconds, "started_at": nodes.c.started_at - seconds}
        connection.execute(sa.update(nodes).where(nodes.c.id == node.node_id).values(values))


@one_service
def test_a_node_that_is_offline_for_too_long_makes_room(runtime: Runtime, database: Database) -> None:
    first, stays, third = (runtime.client(name) for name in ("first", "stays", "third"))
    assert first.register(runtime.key, expires=600).status_code == 200
    assert first.beat().status_code == 200
    assert stays.register(runtime.key).status_code == 200
    silent(database, stays, 100_000)
    silent(database, first, 599)
    assert third.register(runtime.key).status_code == 200
    assert runtime.nodes() == ["first", "stays", "third"]
    # It alone opens the vault: nobody could again.
    silent(database, first, 2)
    assert third.register(runtime.key).status_code == 200
    assert runtime.nodes() == ["first", "stays", "third"]
    assert third.beat().status_code == 200
    assert third.register(runtime.key).status_code == 200
    assert runtime.nodes() == ["stays", "third"]
    assert stays.beat().status_code == 200
    assert third.register(runtime.key, expires=600).status_code == 200
    assert stays.post("company", alone=True).status_code == 409
    silent(database, third, 601)
    assert stays.post("company", alone=True).is_success
    assert runtime.nodes() == ["stays"]


def test_the_manifests_name_what_there_is() -> None:
    """The variables, the commands and the folder of the container and of Kubernetes are those of ``up``."""
    service, stateful = yaml.safe_load_all((DEPLOY / "kubernetes" / "node.yaml").read_text())
    assert service["spec"]["selector"] == stateful["spec"]["selector"]["matchLabels"]
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    done = command(Path(), "up", "--help")
    known = " ".join(done.stdout.split())
    assert {each["name"] for each in container["env"] if each["name"] not in known} == set()
    assert container["livenessProbe"]["exec"]["command"] == ["crossdock", "node", "health"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    image = (DEPLOY / "container" / "Containerfile").read_text()
    assert f"CROSSDOCK_HOME={mounts['state']}" in image
    assert 'ENTRYPOINT ["crossdock", "node", "up"]' in image
    unit = (DEPLOY / "systemd" / "crossdock-node.service").read_text()
    assert "/crossdock node up\n" in unit
