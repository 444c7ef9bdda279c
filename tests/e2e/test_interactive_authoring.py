"""What a node finds in stores and databases, asked of the service while somebody waits."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.node import NodeProcess, command, node, register
from servers.postgres import Postgres
from servers.service import SUBSCRIPTION, ServiceProcess, replica, service
from servers.without_relay import without_relay

# Services, nodes and a process for each request: on a busy machine they take their time.
pytestmark = pytest.mark.timeout(300)
GROUP, RUNTIME = "group", {"properties": {"type": "SelfHosted"}}
CANARY = "canary-3141592"
# The database makes a difference where requests are jobs.
ON_SQLITE, ON_POSTGRESQL = (
    pytest.mark.parametrize("control_plane", [each], indirect=True) for each in ("sqlite", "postgresql")
)
VIA = {"referenceName": "here", "type": "IntegrationRuntimeReference"}


def eventually(what: Callable[[], bool], within: float = 150) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


class World:
    """A factory with the runtime ``here``, as its owner sees it."""

    def __init__(self, server: ServiceProcess, http: httpx.Client, folder: Path) -> None:
        self.server, self.http, self.folder = server, http, folder
        self.name = f"factory-{uuid.uuid4().hex[:12]}"
        self.put("", {})
        self.put("/integrationRuntimes/here", RUNTIME)

    @property
    def path(self) -> str:
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DataFactory"
            f"/factories/{self.name}"
        )

    def put(self, rest: str, body: dict[str, Any]) -> None:
        answer = self.http.put(self.path + rest, json=body)
        assert answer.status_code == 200, answer.text

    def linked(self, name: str, kind: str, **more: Any) -> None:
        self.put(f"/linkedservices/{name}", {"properties": {"type": kind, "connectVia": VIA, **more}})

    def ask(self, kind: str, runtime: str = "here", **body: Any) -> httpx.Response:
        path = f"/crossdock/v1{self.path}/integrationRuntimes/{runtime}/{kind}"
        return self.http.post(path, json=body, timeout=110)

    def found(self, kind: str, **body: Any) -> dict[str, Any]:
        answer = self.ask(kind, **body)
        assert answer.status_code == 200, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    def refused(self, kind: str, status: int, code: str, runtime: str = "here", **body: Any) -> str:
        answer = self.ask(kind, runtime, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        return str(answer.json()["error"]["message"])

    def state(self) -> dict[str, Any]:
        answer = self.http.post(f"{self.path}/integrationRuntimes/here/getStatus").json()
        found: dict[str, Any] = answer["properties"]
        return found

    @contextmanager
    def working(self, home: Path) -> Iterator[NodeProcess]:
        """A node that can be asked."""
        with node(home) as found:
            eventually(lambda: self.state()["state"] == "Online")
            yield found

    def registered(self, name: str) -> Path:
        keys = self.http.post(f"{self.path}/integrationRuntimes/here/listAuthKeys").json()
        register(self.folder / name, self.server, keys["authKey1"], name)
        return self.folder / name


@pytest.fixture
def world(control_plane: ServiceProcess, tmp_path: Path) -> Iterator[World]:
    with control_plane.client() as http:
        yield World(control_plane, http, tmp_path)


class Silent:
    """A database that takes connections and never says anything."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(150)

    def linked(self, world: World) -> None:
        address = {"server": "127.0.0.1", "port": self.listener.getsockname()[1], "database": "d"}
        world.linked("silent", "PostgreSqlV2", typeProperties=address | {"username": "u"})

    @contextmanager
    def asked(self) -> Iterator[socket.socket]:
        """Somebody has connected."""
        found, _ = self.listener.accept()
        with found:
            found.settimeout(150)
            yield found


@pytest.fixture
def silent() -> Iterator[Silent]:
    found = Silent()
    with found.listener:
        yield found


def is_left(connection: socket.socket) -> bool:
    """Whether the other side is gone; what it has sent does not matter."""
    while chunk := connection.recv(4096):
        assert chunk
    return True


@ON_SQLITE
def test_files(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "in").mkdir(parents=True)
    (data / "in" / "a.csv").write_text("id,name\n1,one\n2,two\n3,three\n")
    world.linked("files", "FileServer", typeProperties={"host": "@{linkedService().host}"},
                 parameters={"host": {"type": "String"}})  # fmt: skip
    host = {"host": str(data)}
    name = {"value": "@dataset().name", "type": "Expression"}
    link = {"referenceName": "files", "type": "LinkedServiceReference", "parameters": host}
    location = {"type": "FileServerLocation", "folderPath": "in", "fileName": name}
    world.put("/datasets/csv", {"properties": {
        "type": "DelimitedText", "linkedServiceName": link, "parameters": {"name": {"type": "String"}},
        "typeProperties": {"location": location, "firstRowAsHeader": True},
    }})  # fmt: skip
    world.refused("browse", 503, "RuntimeOffline", linkedService="files", parameters=host)
    home = world.registered("a")
    command(home, "policy", "--allow-path", str(data))
    with world.working(home):
        assert world.state()["typeProperties"]["capabilities"]["serviceBusConnected"] == "True"
        (folder,) = world.found("browse", linkedService="files", parameters=host)["entries"]
        assert (folder["name"], folder["kind"]) == ("in", "folder")
        listed = world.found("browse", linkedService="files", parameters=host, path=folder["path"])
        (file,) = listed["entries"]
        assert (file["name"], file["kind"], file["size"]) == ("a.csv", "file", 28)
        by_path = {"linkedService": "files", "parameters": host, "path": file["path"]}
        by_name = {"dataset": "csv", "parameters": {"name": "a.csv"}}
        columns = world.found("schema", **by_path)["columns"]
        assert [column["name"] for column in columns] == ["id", "name"]
        shown = world.found("preview", **by_name, rows=2)
        assert ([row[1] for row in shown["rows"]], shown["more"]) == (["one", "two"], True)
        for body, said in (
            ({}, "name a linkedService or a dataset"),
            ({"linkedService": "files", "dataset": "csv"}, "name a linkedService or a dataset"),
            ({"dataset": "csv", "path": "x"}, "a path goes with a linkedService"),
            ({"linkedService": "files", "path": "a/../../b"}, "leaves the linked service"),
            ({"linkedService": "files", "rows": 100_000}, "rows: "),
            ({"linkedService": "files", "timeout": 0}, "timeout: "),
            ({"linkedService": "files", "other": 1}, "other: "),
        ):
            assert said in world.refused("preview", 400, "BadRequest", **body)
        world.refused("browse", 404, "ResourceNotFound", linkedService="none")
        world.refused("browse", 404, "ResourceNotFound", runtime="none", linkedService="files")
        world.put("/integrationRuntimes/there", RUNTIME)
        message = world.refused("browse", 400, "OtherRuntime", runtime="there", linkedService="files")
        assert "'here'" in message
        outside = world.refused("browse", 400, "InvalidConfig", linkedService="files",
                                parameters={"host": str(tmp_path)})  # fmt: skip
        assert "outside of what is allowed" in outside
        # More than what an answer may take.
        (data / "in" / "b.csv").write_text("id\n" + ("x" * 3000 + "\n") * 1000)
        large = {"dataset": "csv", "parameters": {"name": "b.csv"}, "rows": 1000}
        assert "2 MiB" in world.refused("preview", 400, "InvalidConfig", **large)


@ON_POSTGRESQL
def test_database_with_a_password(world: World, postgres: Postgres) -> None:
    """The node alone opens it, and it stands nowhere in the clear."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    name = f"look_{uuid.uuid4().hex[:8]}"
    postgres.create(name)
    postgres.run(f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'")
    postgres.run("CREATE TABLE numbers AS SELECT i AS id FROM generate_series(1, 20) i", name)
    postgres.run(f"GRANT SELECT ON numbers TO {role}", name)
    home = world.registered("a")
    with world.working(home) as agent:
        address = {"server": "127.0.0.1", "port": postgres.port, "database": name, "username": role}
        for linked, password in (("good", CANARY), ("bad", f"not-{CANARY}")):
            secret = {"type": "SecureString", "value": password}
            world.linked(linked, "PostgreSqlV2", typeProperties=address | {"password": secret})
        reached = world.found("testConnection", linkedService="good")
        assert (reached["status"], reached["user"]) == ("Succeeded", role)
        (schema,) = world.found("browse", linkedService="good")["entries"]
        (table,) = world.found("browse", linkedService="good", path=schema["path"])["entries"]
        assert (schema["name"], table["name"]) == ("public", "numbers")
        shown = world.found("preview", linkedService="good", path=table["path"], rows=3)
        assert (shown["rows"], shown["more"]) == ([[1], [2], [3]], True)
        columns = world.found("schema", linkedService="good", path=table["path"])["columns"]
        assert [(each["name"], each["nativeType"]) for each in columns] == [("id", "integer")]
        wrong = world.refused("testConnection", 400, "AuthenticationFailed", linkedService="bad")
        assert CANARY not in wrong
    written = b"".join(each.read_bytes() for each in home.rglob("*") if each.is_file())
    assert agent.errors.read_bytes() in written
    assert CANARY.encode() not in written + world.server.errors.read_bytes()


@ON_SQLITE
def test_whoever_goes_away_stops_it(world: World, silent: Silent) -> None:
    silent.linked(world)
    with world.working(world.registered("a")):
        path = f"/crossdock/v1{world.path}/integrationRuntimes/here/testConnection"
        asked = world.server.asked(path, b'{"linkedService": "silent"}')
        with silent.asked() as connection:
            asked.close()
            # Nobody waits any more: the process on the node ends.
            assert is_left(connection)


@ON_SQLITE
def test_killed_nodes_request(world: World, silent: Silent) -> None:
    """It is another node's, and where there is none, that is said at once."""
    silent.linked(world)
    with (
        world.working(world.registered("a")) as first,
        world.working(world.registered("b")) as second,
        ThreadPoolExecutor() as pool,
    ):
        asked = pool.submit(world.ask, "testConnection", linkedService="silent")
        with silent.asked() as connection:
            # Of two that have nothing to do it is the first.
            os.kill(first.process.pid, signal.SIGKILL)
            # Its child ends with it, and the other node's is there.
            assert is_left(connection)
            with silent.asked() as again:
                assert not asked.done()
                os.kill(second.process.pid, signal.SIGKILL)
                assert is_left(again)
        answer = asked.result()
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "RelayUnavailable")
        assert "lost before they answered" in error["message"]
        assert "interactive channel" in world.refused(
            "testConnection", 503, "RelayUnavailable", linkedService="silent"
        )


def test_without_the_relay(world: World, tmp_path: Path) -> None:
    """The node is Limited, until requests come as jobs."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("id\n1\n")
    world.linked("files", "FileServer", typeProperties={"host": str(tmp_path / "data")})
    home = world.registered("a")
    identity = home / "node" / "node.json"
    with without_relay(world.server.url, world.server.ca.parent) as url:
        identity.write_text(identity.read_text().replace(world.server.url, url))
        with node(home):
            eventually(lambda: world.state()["state"] == "Limited")
            (told,) = world.state()["typeProperties"]["nodes"]
            assert told["capabilities"]["serviceBusConnected"] == "False"
            assert "HTTP 403" in told["statusReason"]
            here = command(home, "status", "--output", "json")
            assert (here.returncode, json.loads(here.stdout)["state"]) == (1, "Limited")
            assert "HTTP 403" in json.loads(here.stdout)["reason"]
            message = world.refused("browse", 503, "RelayUnavailable", linkedService="files")
            assert "selfContainedInteractiveAuthoringEnabled" in message
            alone = {"typeProperties": {"selfContainedInteractiveAuthoringEnabled": True}}
            world.put("/integrationRuntimes/here", {"properties": RUNTIME["properties"] | alone})
            (file,) = world.found("browse", linkedService="files")["entries"]
            assert file["name"] == "a.csv"
            assert "b.csv" in world.refused("preview", 400, "NotFound", linkedService="files", path="b.csv")
            eventually(lambda: world.state()["state"] == "Online")
            assert world.state()["typeProperties"]["selfContainedInteractiveAuthoringEnabled"] is True


def test_another_replica(postgres: Postgres, tmp_path: Path) -> None:
    """The node is connected to the second one, and the first one is asked."""
    name = f"replicas_{uuid.uuid4().hex[:8]}"
    address = postgres.create(name).replace("postgresql://", "postgresql+psycopg://")
    for each in ("first", "second", "data"):
        (tmp_path / each).mkdir()
    (tmp_path / "data" / "a.csv").write_text("id\n1\n")
    with (
        service(tmp_path / "first", "--database", address) as first,
        replica(first, tmp_path / "second") as second,
    ):
        with first.client() as http:
            world = World(first, http, tmp_path)
            world.linked("files", "FileServer", typeProperties={"host": str(tmp_path / "data")})
            home = world.registered("a")
            identity = home / "node" / "node.json"
            identity.write_text(identity.read_text().replace(first.url, second.url))
            with world.working(home):
                (file,) = world.found("browse", linkedService="files")["entries"]
                assert file["name"] == "a.csv"
        assert b"has opened its relay" in second.errors.read_bytes()
        assert b"has opened its relay" not in first.errors.read_bytes()
    # The answer is not kept.
    assert postgres.run("SELECT count(*) FROM jobs", name) == [(0,)]
