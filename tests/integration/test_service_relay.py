"""The relay as a node speaks it: who may open it, and what the service does with answers and without."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.node_client import NodeClient
from servers.relay_client import RelayClient, relay
from servers.service import SUBSCRIPTION, ServiceProcess
from test_service_client import Cli
from test_service_definitions import GROUP, path
from websockets.exceptions import ConnectionClosed, InvalidStatus

FILES = {"properties": {"type": "FileServer", "typeProperties": {"host": "/data"}}}
RUNTIME = {"properties": {"type": "SelfHosted"}}
LOOK = {"linkedService": "files"}
FOUND = {"address": "file:///data/", "entries": [], "next": None}


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


@pytest.fixture
def factory(http: httpx.Client) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    for rest, body in (("", {}), ("/integrationRuntimes/here", RUNTIME), ("/linkedservices/files", FILES)):
        http.put(path(name, rest), json=body).raise_for_status()
    return name


@pytest.fixture
def node(control_plane: ServiceProcess, http: httpx.Client, factory: str) -> Iterator[NodeClient]:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as client:
        found = NodeClient(client)
        key = http.post(path(factory, "/integrationRuntimes/here/listAuthKeys")).json()["authKey1"]
        found.register(key).raise_for_status()
        found.beat().raise_for_status()
        yield found


def ask(http: httpx.Client, factory: str, **more: Any) -> httpx.Response:
    where = f"/crossdock/v1{path(factory, '/integrationRuntimes/here/browse')}"
    return http.post(where, json=LOOK | more, timeout=110)


def answer(socket: RelayClient, asked: Any, **result: Any) -> None:
    message = {"id": asked["id"], "outcome": "succeeded", "result": {"output": FOUND}}
    socket.send(json.dumps(message | result))


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_only_nodes_open_it(
    control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient
) -> None:
    for token, said in (
        ("", "no bearer token"),
        (control_plane.token, "it is no token"),
        (node.token(exp=1), "it has run out"),
        (node.token(aud="another"), "signature is not the node's"),
    ):
        with pytest.raises(InvalidStatus) as refused, relay(control_plane, token):
            pass
        response = refused.value.response
        assert (response.status_code, said in response.body.decode()) == (401, True), response.body
    assert code_of(ask(http, factory)) == (503, "RelayUnavailable")


def test_requests_and_answers(
    control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient
) -> None:
    with ThreadPoolExecutor(8) as pool, relay(control_plane, node.token()) as socket:
        first = pool.submit(ask, http, factory)
        asked = json.loads(socket.recv())
        assert asked["work"]["look"]["kind"] == "browse"
        assert [each["name"] for each in asked["work"]["definitions"]] == ["files"]
        # What is no answer to it changes nothing.
        answer(socket, {"id": "another"})
        answer(socket, asked)
        assert first.result().json() == FOUND
        failed = pool.submit(ask, http, factory)
        error = {"errorCode": "NotFound", "message": "there is no folder", "failureType": "UserError"}
        answer(socket, json.loads(socket.recv()), outcome="failed", result={"error": error})
        assert code_of(failed.result()) == (400, "NotFound")
        # Each is a process on the node: no more than four at once.
        waiting = [pool.submit(ask, http, factory) for _ in range(4)]
        asked_too = [json.loads(socket.recv()) for _ in waiting]
        busy = ask(http, factory)
        assert (code_of(busy), busy.headers["retry-after"]) == ((503, "RelayBusy"), "2")
        for each in asked_too:
            answer(socket, each)
        assert [each.result().json() for each in waiting] == [FOUND] * 4
        # After its time the node hears that nobody waits.
        late = pool.submit(ask, http, factory, timeout=0.2)
        gone = json.loads(socket.recv())["id"]
        assert json.loads(socket.recv()) == {"id": gone, "work": None, "seconds": 0.0}
        assert code_of(late.result()) == (504, "InteractiveTimeout")


def test_channels_that_break(
    control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient
) -> None:
    with ThreadPoolExecutor(4) as pool, relay(control_plane, node.token()) as first:
        waiting = pool.submit(ask, http, factory)
        first.recv()
        # The node comes again: what it had before is closed, and nobody waits there any longer.
        with relay(control_plane, node.token()) as second:
            with pytest.raises(ConnectionClosed):
                first.recv()
            assert code_of(waiting.result()) == (503, "RelayUnavailable")
            again = pool.submit(ask, http, factory)
            answer(second, json.loads(second.recv()))
            assert again.result().json() == FOUND
        for nonsense in ("no JSON", '{"id": 1}'):
            with relay(control_plane, node.token()) as other:
                broken = pool.submit(ask, http, factory)
                other.recv()
                other.send(nonsense)
                with pytest.raises(ConnectionClosed):
                    other.recv()
            assert code_of(broken.result()) == (503, "RelayUnavailable")


def test_as_jobs(control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient) -> None:
    """Connected to another replica, as far as this one knows, or without the relay: through the queue."""
    node.beat(capabilities={"relay": True}).raise_for_status()
    with ThreadPoolExecutor(2) as pool:
        for self_contained in (False, True):
            if self_contained:
                alone = {"typeProperties": {"selfContainedInteractiveAuthoringEnabled": True}}
                body = {"properties": RUNTIME["properties"] | alone}
                http.put(path(factory, "/integrationRuntimes/here"), json=body).raise_for_status()
                node.beat(capabilities={"relay": False}).raise_for_status()
            assert node.post("authoring").json() == {"self_contained": self_contained}
            asked = pool.submit(ask, http, factory)
            (job,) = node.claim(wait=20)
            assert job["work"]["look"]["kind"] == "browse"
            done = {"epoch": job["epoch"], "outcome": "succeeded", "result": {"output": FOUND}}
            assert node.post(f"jobs/{job['id']}/finish", **done).status_code == 200
            assert asked.result().json() == FOUND
            # It is kept no longer than it is waited for.
            assert node.post(f"jobs/{job['id']}/finish", **done).status_code == 409
    # Whoever goes away waits for nothing: the node is told with its next heartbeat.
    browse = path(factory, "/integrationRuntimes/here/browse")
    with control_plane.asked(f"/crossdock/v1{browse}", json.dumps(LOOK).encode()):
        (job,) = node.claim(wait=20)
    held, until = {"id": job["id"], "epoch": job["epoch"]}, time.monotonic() + 30
    while node.beat(holding=[held]).json()["lost"] != [job["id"]]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_broken_relay_limits_the_node(
    control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient
) -> None:
    def told() -> Any:
        return http.post(path(factory, "/integrationRuntimes/here/getStatus")).json()["properties"]

    assert told()["state"] == "Online"
    node.beat(capabilities={"relay": False, "relay_problem": "no WebSocket passes"}).raise_for_status()
    (only,) = told()["typeProperties"]["nodes"]
    assert (told()["state"], only["status"]) == ("Limited", "Limited")
    assert only["statusReason"] == "interactive requests do not reach it: no WebSocket passes"
    assert only["capabilities"]["serviceBusConnected"] == "False"


def test_who_may_ask(
    control_plane: ServiceProcess, http: httpx.Client, factory: str, node: NodeClient
) -> None:
    """Data is seen: as much is wanted as for a change, and it is in the audit log."""
    body = {"name": "reader", "role": "reader", "factory": factory}
    token = http.post("/crossdock/v1/tokens", json=body).json()["token"]
    with control_plane.client(token) as reader:
        assert code_of(ask(reader, factory)) == (403, "AuthorizationFailed")
    other = f"factory-{uuid.uuid4().hex[:12]}"
    http.put(path(other), json={}).raise_for_status()
    body |= {"role": "owner", "factory": other}
    token = http.post("/crossdock/v1/tokens", json=body).json()["token"]
    with control_plane.client(token) as foreign:
        assert code_of(ask(foreign, factory)) == (403, "AuthorizationFailed")
    ask(http, factory)
    rows = http.get("/crossdock/v1/audit").json()["value"]
    assert any(each["target"].lower().endswith("/browse") and factory in each["target"] for each in rows)


@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_command_line(control_plane: ServiceProcess, factory: str, node: NodeClient, tmp_path: Path) -> None:
    cli = Cli(tmp_path / "home", factory)
    where = ["--ca", str(control_plane.ca), "--subscription", SUBSCRIPTION, "--group", GROUP]
    done = cli("login", control_plane.url, *where, "--factory", factory, stdin=control_plane.token)
    assert done.returncode == 0, done.stderr
    entries = [
        {"name": "in", "kind": "folder", "path": "in"},
        {"name": "a.csv", "kind": "file", "size": 2048, "path": "a.csv"},
    ]
    columns = [{"name": "id", "type": "int64", "nativeType": "bigint", "nullable": False}]
    answers = {
        "testConnection": {"status": "Succeeded", "connector": "file", "server": "host", "seconds": 0.1},
        "browse": {"entries": entries, "next": "more"},
        "schema": {"columns": columns},
        "preview": {"columns": columns, "rows": [[1], [None]], "more": True},
    }
    looks = []
    with ThreadPoolExecutor(1) as pool, relay(control_plane, node.token()) as socket:

        def serve() -> None:
            for text in socket:
                asked = json.loads(text)
                look = asked["work"]["look"]
                looks.append({key: value for key, value in look.items() if value})
                output = answers[look["kind"]] if look["path"] != "none" else None
                error = {"errorCode": "NotFound", "message": "there is no folder none"}
                if output is None:
                    answer(socket, asked, outcome="failed", result={"error": error})
                else:
                    answer(socket, asked, result={"output": output})

        served = pool.submit(serve)
        assert "host" in cli("ir", "test-connection", "here", "files").stdout
        listed = cli("ir", "browse", "here", "files", "sub", "--limit", "2", "--after", "x")
        assert ("a.csv" in listed.stdout, "2.05 kB" in listed.stdout) == (True, True), listed.stdout
        assert "--after 'more'" in listed.stderr
        assert "bigint" in cli("ir", "schema", "here", "files", "a.csv").stdout
        shown = cli.json("ir", "preview", "here", "files", "a.csv", "--rows", "2")
        assert shown == answers["preview"]
        assert "there is no folder none" in cli.refused("ir", "browse", "here", "files", "none")
        socket.close()
        served.result()
    assert [(each["kind"], each.get("path")) for each in looks] == [
        ("testConnection", None), ("browse", "sub"), ("schema", "a.csv"), ("preview", "a.csv"),
        ("browse", "none"),
    ]  # fmt: skip
    assert (looks[1]["limit"], looks[1]["after"], looks[3]["rows"]) == (2, "x", 2)
    node.beat(capabilities={"relay_problem": "no WebSocket passes"}).raise_for_status()
    shown = " ".join(cli("ir", "status", "here", COLUMNS="200").stdout.split())
    assert "interactive requests do not reach it: no WebSocket passes" in shown
    # Without a channel there is a sentence, and no waiting for one.
    assert "interactive channel" in cli("ir", "browse", "here", "files").stderr
    assert "The dataset 'nothing' was not found" in cli.refused("ir", "preview", "here", "nothing")
