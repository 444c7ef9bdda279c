"""The command line over the service's API: what it says, and what the service has then."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import httpx
import pytest
from servers.node_client import NodeClient
from servers.service import SUBSCRIPTION, ServiceProcess
from test_service_definitions import path

from crossdock.cli.main import run
from crossdock_scheduler.wire.sealing import purpose_of, unseal

GROUP = "group"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Cli:
    """``crossdock`` as a user with a home of their own."""

    home: Path
    factory: str = ""

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Done:
        """In this process: another one takes a second to start."""
        out, err = io.StringIO(), io.StringIO()
        given = {"CROSSDOCK_HOME": str(self.home)} | environment
        with (
            mock.patch.dict(os.environ, given),
            mock.patch("sys.stdin", io.StringIO(stdin)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run(list(arguments))
        return Done(code, out.getvalue(), err.getvalue())

    def json(self, *arguments: str, **more: str) -> Any:
        done = self(*arguments, "--output", "json", **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str, **more: str) -> str:
        """The one sentence of a wrong request."""
        done = self(*arguments, **more)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


@pytest.fixture
def cli(tmp_path: Path, control_plane: ServiceProcess, http: httpx.Client) -> Cli:
    """Signed in, with a factory of its own."""
    made = Cli(tmp_path / "home", f"factory-{uuid.uuid4().hex[:12]}")
    http.put(path(made.factory), json={}).raise_for_status()
    options = [
        f"--ca={control_plane.ca}",
        "--name=main",
        f"--subscription={SUBSCRIPTION}",
        f"--group={GROUP}",
    ]
    done = made("login", control_plane.url, *options, f"--factory={made.factory}", stdin=control_plane.token)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def node(control_plane: ServiceProcess) -> Iterator[NodeClient]:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as client:
        yield NodeClient(client)


def test_contexts(cli: Cli, control_plane: ServiceProcess) -> None:
    file = cli.home / "contexts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cli.json("context", "show")["factory"] == cli.factory
    options = [f"--ca={control_plane.ca}", "--name=second"]
    assert cli("login", control_plane.url, *options, CROSSDOCK_TOKEN=control_plane.token).returncode == 0
    known = cli.json("context", "list")["contexts"]
    assert [(each["name"], each["current"]) for each in known] == [("main", False), ("second", True)]
    assert control_plane.token not in cli("context", "list").stdout + cli("context", "show").stdout
    assert "which factory?" in cli.refused("ir", "list")
    assert cli.json("ir", "list", "--context", "main") == {"value": []}
    environment = {"CROSSDOCK_SUBSCRIPTION": SUBSCRIPTION, "CROSSDOCK_GROUP": GROUP}
    assert cli.json("ir", "list", CROSSDOCK_FACTORY=cli.factory, **environment) == {"value": []}
    assert cli("context", "use", "main").returncode == 0
    assert cli("context", "delete", "second").returncode == 0
    assert "second" not in file.read_text()
    assert "there is no context 'second'; there are: main" in cli.refused("context", "use", "second")


def test_wrong_logins(cli: Cli, tmp_path: Path, control_plane: ServiceProcess) -> None:
    url, ca, token = control_plane.url, f"--ca={control_plane.ca}", control_plane.token
    before = (cli.home / "contexts.json").read_bytes()
    for address, options, given, said in (
        (url, [ca], "wrong", "The bearer token is not"),
        (url, [ca], "", "which token?"),
        (url, [ca], "to\nken", "characters that no token has"),
        (url, [], token, "its certificate is not trusted"),
        (url, ["--ca", str(tmp_path / "none.pem")], token, "is no file of certificates"),
        ("https://localhost:1", [ca], token, "cannot be reached"),
        ("http://localhost:8443", [ca], token, "is no address of a service"),
    ):
        sentence = cli.refused("login", address, *options, stdin=given)
        assert said in sentence
        assert token not in sentence
    assert (cli.home / "contexts.json").read_bytes() == before
    (cli.home / "contexts.json").write_text("{")
    assert "is damaged" in cli.refused("context", "list")


def test_factories(cli: Cli, http: httpx.Client) -> None:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    assert cli.json("factory", "create", name)["name"] == name
    http.patch(path(name), json={"tags": {"owner": "us"}}).raise_for_status()
    assert cli.json("factory", "create", name)["tags"] == {"owner": "us"}
    assert name in [each["name"] for each in cli.json("factory", "list")["value"]]
    assert f"'{name}x'" in cli.refused("factory", "show", f"{name}x")
    assert cli.json("factory", "delete", name) == {"deleted": True}
    assert http.get(path(name)).status_code == 404
    assert cli.json("factory", "delete", name) == {"deleted": False}


def test_runtimes_and_nodes(cli: Cli, http: httpx.Client, node: NodeClient) -> None:
    cli.json("ir", "create", "here", "--description", "in the cellar")
    cli.json("ir", "create", "here")
    runtime = path(cli.factory, "/integrationRuntimes/here")
    assert http.get(runtime).json()["properties"] == {"type": "SelfHosted", "description": "in the cellar"}
    keys = cli.json("ir", "keys", "here")
    assert keys == http.post(f"{runtime}/listAuthKeys").json()
    new = cli.json("ir", "regenerate-key", "here", "key2")["authKey2"]
    assert new != keys["authKey2"]
    assert http.post(f"{runtime}/listAuthKeys").json() == {**keys, "authKey2": new}
    node.register(keys["authKey1"])
    node.beat()
    assert cli.json("ir", "status", "here")["properties"]["state"] == "Online"
    assert cli.json("node", "set-limit", "here", "node", "3")["concurrentJobsLimit"] == 3
    assert [each["concurrentJobsLimit"] for each in cli.json("node", "list", "here")["value"]] == [3]
    shown = cli("ir", "status", "here").stdout
    assert "Online" in shown
    assert cli.json("node", "delete", "here", "node") == {"deleted": True}
    assert cli.json("node", "list", "here") == {"value": []}
    assert cli.json("ir", "delete", "here") == {"deleted": True}
    assert http.get(runtime).status_code == 404


def test_sharing(cli: Cli, http: httpx.Client, node: NodeClient) -> None:
    other = f"factory-{uuid.uuid4().hex[:12]}"
    cli.json("factory", "create", other)
    cli.json("ir", "create", "here")
    there = ("--factory", other)
    said = cli("ir", "share", "here", "--to", other, "--as", "far").stdout
    linked = said.partition("crossdock ")[2].split()
    assert cli(*linked).returncode == 0, said
    node.register(cli.json("ir", "keys", "here")["authKey1"])
    node.beat()
    assert cli.json("ir", "status", "far", *there)["properties"]["state"] == "Online"
    sealed = cli.json("credential", "encrypt", "--runtime", "far", *there, stdin="secret")
    server = {"type": "SqlServer", "typeProperties": {"connectionString": "Server=s", "password": sealed}}
    assert http.put(path(other, "/linkedservices/sql"), json={"properties": server}).status_code == 200
    cli.json("ir", "unshare", "here", "--from", other)
    assert cli.json("ir", "status", "far", *there)["properties"]["state"] == "AccessDenied"


def test_sealed_before_the_service_sees_it(cli: Cli, http: httpx.Client, node: NodeClient) -> None:
    cli.json("ir", "create", "here")
    canary = f"canary-{uuid.uuid4().hex}"
    encrypt = ("credential", "encrypt", "--runtime", "here")
    assert "has no node yet" in cli.refused(*encrypt, stdin=canary)
    guid = node.register(cli.json("ir", "keys", "here")["authKey1"]).json()["guid"]
    assert "which secret?" in cli.refused(*encrypt)
    sealed = cli.json(*encrypt, stdin=f"{canary}\n")
    assert canary not in json.dumps(sealed)
    assert unseal(node.sealing, sealed["sealed"]["data"], purpose_of(guid, 1)).decode() == canary
    server = {"type": "SqlServer", "typeProperties": {"connectionString": "Server=s", "password": sealed}}
    put = http.put(path(cli.factory, "/linkedservices/sql"), json={"properties": server})
    assert put.status_code == 200, put.text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Git folder: what refers to others comes before them in the alphabet."""

    def write(kind: str, name: str, properties: dict[str, Any]) -> None:
        (root / kind).mkdir(parents=True, exist_ok=True)
        (root / kind / f"{name}.json").write_text(json.dumps({"name": name, "properties": properties}))

    root = tmp_path / "git"
    call = {"pipeline": {"referenceName": "b", "type": "PipelineReference"}, "waitOnCompletion": True}
    write(
        "pipeline", "a", {"activities": [{"name": "call", "type": "ExecutePipeline", "typeProperties": call}]}
    )
    wait = {"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 1}}
    write(
        "pipeline",
        "b",
        {"activities": [wait], "parameters": {"secret": {"type": "SecureString", "defaultValue": ""}}},
    )
    link = {"referenceName": "files", "type": "LinkedServiceReference"}
    place = {"location": {"type": "FileServerLocation"}}
    write("dataset", "data", {"type": "Binary", "linkedServiceName": link, "typeProperties": place})
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    write(
        "linkedService",
        "files",
        {"type": "FileServer", "connectVia": via, "typeProperties": {"host": "/data"}},
    )
    write("integrationRuntime", "here", {"type": "SelfHosted"})
    write("factory", "any", {"globalParameters": {"region": {"type": "string", "value": "north"}}})
    return root


def actions(answer: Any) -> list[tuple[str, str, str]]:
    return [(each["action"], each["kind"], each["name"]) for each in answer["changes"]]


def names(http: httpx.Client, factory: str, kind: str) -> list[str]:
    return [each["name"] for each in http.get(path(factory, f"/{kind}")).json()["value"]]


def test_deploying_a_folder(cli: Cli, http: httpx.Client, folder: Path) -> None:
    created = [
        ("globalParameters", "default"), ("integrationRuntime", "here"), ("linkedService", "files"),
        ("dataset", "data"), ("pipeline", "b"), ("pipeline", "a"),
    ]  # fmt: skip
    wanted = [("create", *each) for each in created]
    assert actions(cli.json("factory", "deploy", str(folder), "--dry-run")) == wanted
    assert names(http, cli.factory, "pipelines") == []
    assert actions(cli.json("factory", "deploy", str(folder))) == wanted
    assert names(http, cli.factory, "pipelines") == ["a", "b"]
    found = http.get(path(cli.factory, "/globalParameters/default")).json()["properties"]
    assert found == {"region": {"type": "string", "value": "north"}}
    etag = http.get(path(cli.factory, "/pipelines/a")).json()["etag"]
    again = cli.json("factory", "deploy", str(folder), "--prune")
    assert actions(again) == [("unchanged", *each) for each in created]
    assert http.get(path(cli.factory, "/pipelines/a")).json()["etag"] == etag


def test_pruning(cli: Cli, http: httpx.Client, folder: Path) -> None:
    cli.json("factory", "deploy", str(folder))
    for each in ("pipeline", "dataset", "linkedService", "integrationRuntime"):
        shutil.rmtree(folder / each)
    done = cli("factory", "deploy", str(folder), "--prune")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "unchanged  globalParameters default", "deleted    pipeline a", "deleted    pipeline b",
            "deleted    dataset data", "deleted    linkedService files",
            f"factory {cli.factory}: 1 unchanged, 4 deleted",
        ],
    )  # fmt: skip
    for kind, left in (("pipelines", []), ("datasets", []), ("integrationruntimes", ["here"])):
        assert names(http, cli.factory, kind) == left


def test_started_triggers(cli: Cli, http: httpx.Client, folder: Path) -> None:
    def write(hours: int, **more: str) -> None:
        rule = {
            "frequency": "Hour",
            "interval": hours,
            "startTime": "2026-01-01T00:00:00Z",
            "timeZone": "UTC",
        }
        starts = [{"pipelineReference": {"referenceName": "b", "type": "PipelineReference"}}]
        found = {"type": "ScheduleTrigger", "pipelines": starts, "typeProperties": {"recurrence": rule}}
        (folder / "trigger").mkdir(exist_ok=True)
        (folder / "trigger" / "t.json").write_text(json.dumps({"name": "t", "properties": found | more}))

    def deployed() -> tuple[str, str, int]:
        (done,) = [
            each for each in actions(cli.json("factory", "deploy", str(folder))) if each[1] == "trigger"
        ]
        now = http.get(path(cli.factory, "/triggers/t")).json()["properties"]
        return done[0], now["runtimeState"], now["typeProperties"]["recurrence"]["interval"]

    write(1)
    assert deployed() == ("create", "Stopped", 1)
    write(1, runtimeState="Started")
    assert deployed() == ("update", "Started", 1)
    write(2)
    assert deployed() == ("update", "Started", 2)
    assert deployed() == ("unchanged", "Started", 2)
    write(2, runtimeState="Stopped")
    assert deployed() == ("update", "Stopped", 2)
    write(2, runtimeState="Started")
    deployed()
    shutil.rmtree(folder / "trigger")
    assert ("delete", "trigger", "t") in actions(cli.json("factory", "deploy", str(folder), "--prune"))
    assert names(http, cli.factory, "triggers") == []


def test_broken_folders_change_nothing(cli: Cli, http: httpx.Client, folder: Path) -> None:
    (folder / "dataset" / "data.json").write_text("{")
    assert "dataset/data.json:1:2" in cli.refused("factory", "deploy", str(folder))
    (folder / "dataset" / "data.json").unlink()
    call = {"pipeline": {"referenceName": "a", "type": "PipelineReference"}}
    circle = {"activities": [{"name": "call", "type": "ExecutePipeline", "typeProperties": call}]}
    (folder / "pipeline" / "b.json").write_text(json.dumps({"name": "b", "properties": circle}))
    assert "in a circle: pipeline" in cli.refused("factory", "deploy", str(folder))
    assert names(http, cli.factory, "pipelines") == []


def test_what_is_refused_is_told_and_the_rest_is_done(cli: Cli, http: httpx.Client, folder: Path) -> None:
    bad = {"name": "no/name", "properties": {"activities": []}}
    (folder / "pipeline" / "bad.json").write_text(json.dumps(bad))
    done = cli("factory", "deploy", str(folder))
    assert done.returncode == 1, done.stderr
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("failed")]
    assert "pipeline no/name: " in line
    assert names(http, cli.factory, "pipelines") == ["a", "b"]


def test_runs(cli: Cli, folder: Path) -> None:
    cli.json("factory", "deploy", str(folder))
    run = cli.json("pipeline", "run", "b", "--wait")
    assert (run["status"], [each["activityName"] for each in run["activityRuns"]]) == ("Succeeded", ["wait"])
    begun = cli("pipeline", "run", "a").stdout.strip()
    followed = cli("pipeline", "show", begun, "--follow")
    assert followed.returncode == 0, followed.stderr
    assert "Succeeded pipeline a" in followed.stdout
    assert begun in [each["runId"] for each in cli.json("pipeline", "runs", "--pipeline", "a")["value"]]
    assert cli.json("pipeline", "runs", "--status", "Failed") == {"value": []}
    assert cli.json("pipeline", "show", run["runId"])["activityRuns"] == run["activityRuns"]
    assert [each["name"] for each in cli.json("pipeline", "list")["value"]] == ["a", "b"]


def test_failed_and_cancelled_runs(cli: Cli, folder: Path) -> None:
    fail = {"name": "fail", "type": "Fail", "typeProperties": {"message": "no luck", "errorCode": "7"}}
    wait = {"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 3000}}
    for name, activity in (("fails", fail), ("waits", wait)):
        text = json.dumps({"name": name, "properties": {"activities": [activity]}})
        (folder / "pipeline" / f"{name}.json").write_text(text)
    cli.json("factory", "deploy", str(folder))
    failed = cli("pipeline", "run", "fails", "--follow")
    assert failed.returncode == 1
    assert "no luck" in failed.stdout
    run_id = cli.json("pipeline", "run", "waits")["runId"]
    cli.json("pipeline", "cancel", run_id)
    assert cli("pipeline", "show", run_id, "--follow", "--output", "json").returncode == 1
    assert cli.json("pipeline", "show", run_id)["status"] == "Cancelled"


def test_wrong_runs(cli: Cli, folder: Path) -> None:
    cli.json("factory", "deploy", str(folder))
    assert "'c' was not found" in cli.refused("pipeline", "run", "c")
    assert "has no parameter 'x'" in cli.refused("pipeline", "run", "b", "--param", "x=1")
    assert "not given on the command line" in cli.refused("pipeline", "run", "b", "--param", "secret=1")
    assert "was not found" in cli.refused("pipeline", "show", str(uuid.uuid4()))


def test_names_are_completed(cli: Cli, folder: Path) -> None:
    cli.json("factory", "deploy", str(folder))
    for words, found in (("crossdock ir show h", "here"), ("crossdock context use m", "main")):
        asked = {"_CROSSDOCK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "crossdock"],
            env=os.environ | {"CROSSDOCK_HOME": str(cli.home)} | asked,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.split() == [found]
