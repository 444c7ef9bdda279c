"""What jobs reach where private addresses are forbidden: nothing of them, whoever connects and however.

Connections are counted by a server that is really there, and each way is tried again where it is allowed.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from moody_tables import feel, reads, seed
from one_job import outcome

from crossdock_scheduler.node.guard import Guard
from crossdock_scheduler.pipeline.policy import Policy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux holds jobs")
LOOPBACK = Policy(private=False, networks=("127.0.0.0/8", "::1/128"))
NOTHING = Policy(private=False)
EVERY = {"0", "0.0.0.0", "::"}  # noqa: S104 - they are called, and mean this machine then
SPELLINGS = (
    "127.0.0.1", "localhost", "localhost.", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
    "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", *sorted(EVERY),
)  # fmt: skip
BEGIN = """
import json, os, socket, subprocess, sys, urllib.request
PORT = int(os.environ["PORT"])
said = {}
def way(name, call):
    try:
        call()
        said[name] = ""
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
"""
END = "\njson.dump(said, open(os.environ['SAID'], 'w'))\n"


class Server:
    """Counts what reaches a port of this machine over TCP or UDP, and answers HTTP with a redirect."""

    def __init__(self) -> None:
        self._reached: list[str] = []
        self._tcp, self._udp = _same_port()
        self.port = self._tcp.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._settled, self._ends = threading.Semaphore(0), False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def reached(self) -> list[str]:
        """The addresses at which it was, with all that had been sent before."""
        self._wake.send(b"!")
        assert self._settled.acquire(timeout=30)
        return list(self._reached)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._tcp, self._udp, self._woken):
                selector.register(each, selectors.EVENT_READ)
            while not self._ends:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._tcp in ready:
                    self._answer(self._tcp.accept()[0])
                elif self._udp in ready:
                    self._udp.recv(64)
                    self._reached.append("udp")
                else:
                    self._woken.recv(1)
                    self._settled.release()

    def _answer(self, client: socket.socket) -> None:
        with client:
            self._reached.append(client.getsockname()[0].rpartition(":")[2])
            client.settimeout(5)
            if client.recv(3, socket.MSG_PEEK) == b"GET":
                client.recv(4096)
                target = b"http://127.0.0.1:%d/" % self.port
                client.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target)

    def close(self) -> None:
        self._ends = True
        self._wake.send(b"!")
        self._thread.join()
        for each in (self._tcp, self._udp, self._wake, self._woken):
            each.close()


def _same_port() -> tuple[socket.socket, socket.socket]:
    for _ in range(20):
        tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp
    raise RuntimeError("no port is free")


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as found:
        yield found


def held(folder: Path, server: Server, code: str, policy: Policy) -> tuple[dict[str, str], list[str]]:
    """What a held process says of its ways, and what it was refused."""
    (folder / "held.py").write_text(BEGIN + code + END)
    path = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    environment = os.environ | {
        "PYTHONPATH": path, "PORT": str(server.port), "SAID": str(folder / "said.json"),
    }  # fmt: skip

    async def run() -> list[str]:
        with closing(Guard(policy)) as guard:
            process = await anyio.open_process(
                guard.command("held"), stdout=None, stderr=None, pass_fds=guard.passed, env=environment
            )
            await guard.take(process)
            with anyio.fail_after(120):
                await guard.watch()
            assert await process.wait() == 0
            return list(guard.refused)

    refused = anyio.run(run)
    said: dict[str, str] = json.loads((folder / "said.json").read_text())
    return said, refused


def test_no_spelling_of_this_machine_is_reached(server: Server, tmp_path: Path) -> None:
    code = f"""
for each in {SPELLINGS!r}:
    way(each, lambda: socket.create_connection((each, PORT), 5).close())
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", PORT))
def message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendmsg([b"x"], [], 0, ("127.0.0.1", PORT))
def fast_open():
    with socket.socket() as sender:
        sender.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", PORT))
def file():
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect("/nowhere")
for each in (datagram, message, fast_open, file):
    way(each.__name__, each)
"""
    said, refused = held(tmp_path, server, code, NOTHING)
    assert all(said.values())
    assert not server.reached
    assert "the address 127.0.0.1 is a private one, which is forbidden" in refused
    said, _ = held(tmp_path, server, code, LOOPBACK)
    # Resolvers differ about the name with a dot.
    assert {each for each, problem in said.items() if problem} - {"localhost."} == {*EVERY, "file"}
    assert len(server.reached) >= len(said) - 5


def test_drivers_and_programs_are_held_too(server: Server, tmp_path: Path) -> None:
    code = """
def libpq():
    import adbc_driver_postgresql.dbapi as driver
    driver.connect(f"postgresql://u@127.0.0.1:{PORT}/d?connect_timeout=3&sslmode=disable")
def mssql():
    import mssql_python
    mssql_python.connect(f"Server=127.0.0.1,{PORT};Database=d;UID=u;PWD=p;Encrypt=no", attrs_before={103: 1})
def freetds():
    import pyodbc
    pyodbc.connect(f"Driver=FreeTDS;Server=127.0.0.1;Port={PORT};Uid=u;Pwd=p;Database=d", timeout=3)
def psqlodbc():
    import pyodbc
    pyodbc.connect(f"Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={PORT};Uid=u;Pwd=p;Database=d")
def program():
    code = f"import socket; socket.create_connection(('127.0.0.1', {PORT})).close()"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
for each in (libpq, mssql, freetds, psqlodbc, program):
    way(each.__name__, each)
"""
    said, refused = held(tmp_path, server, code, NOTHING)
    assert all(said.values())
    assert not server.reached
    assert refused == ["the address 127.0.0.1 is a private one, which is forbidden"]
    held(tmp_path, server, code, LOOPBACK)
    assert len(server.reached) >= 5


def test_a_redirect_and_a_name_that_changes_lead_nowhere(server: Server, tmp_path: Path) -> None:
    """The server at 127.0.0.2 may be reached and leads to 127.0.0.1; the name is public at its check."""
    code = """
from crossdock_scheduler.pipeline.policy import Policy
answers = iter(["8.8.8.8", "127.0.0.1"])
looked_up = socket.getaddrinfo
def changing(host, *arguments, **more):
    return looked_up(next(answers) if host == "changing.example" else host, *arguments, **more)
socket.getaddrinfo = changing
assert not Policy(private=False, looks_up=True).host("changing.example")
way("name", lambda: socket.create_connection(("changing.example", PORT), 5).close())
way("redirect", lambda: urllib.request.urlopen(f"http://127.0.0.2:{PORT}/", timeout=5))
"""
    only = Policy(private=False, networks=("127.0.0.2/32",))
    said, refused = held(tmp_path, server, code, only)
    assert all("Permission denied" in each for each in said.values())
    assert server.reached == ["127.0.0.2"]
    assert refused == ["the address 127.0.0.1 is a private one, which is forbidden"]


def test_a_machine_that_cannot_hold_jobs_runs_none(server: Server, tmp_path: Path) -> None:
    """Who is held already cannot hold others: the kernel has one listener for a process."""
    code = """
import anyio
from crossdock_scheduler.node.guard import Guard
from crossdock_scheduler.pipeline.policy import Policy
async def inner():
    guard = Guard(Policy(private=False))
    async with await anyio.open_process(guard.command("json.tool"), pass_fds=guard.passed) as process:
        await guard.take(process)
way("inner", lambda: anyio.run(inner))
"""
    said, _ = held(tmp_path, server, code, NOTHING)
    assert said["inner"].startswith("ConfigError: this machine cannot keep jobs from private addresses")


def test_a_job_says_what_its_node_forbids(server: Server, tmp_path: Path) -> None:
    """Here it is a program that the job starts, whose own message says nothing of a policy."""
    program = tmp_path / "dtexec"
    code = f"import socket; socket.create_connection(('127.0.0.1', {server.port}), 5)"
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o700)
    location = {"packageLocation": {"packagePath": "p", "type": "File"}}
    there = {"dtexec": str(program)}
    found = outcome("ExecuteSSISPackage", location, private=False, **there)
    assert (found.outcome, found.result["error"]["errorCode"]) == ("failed", "AccessDenied")
    assert found.result["error"]["message"].startswith(
        "the node's policy forbids it: the address 127.0.0.1 is a private one, which is forbidden ("
    )
    assert not server.reached
    assert outcome("ExecuteSSISPackage", location, **there).outcome == "succeeded"
    assert server.reached == ["127.0.0.1"]


def test_a_split_that_is_carried_apart_is_held_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process of its own, as connectors are that the operator isolates."""
    monkeypatch.setenv("CROSSDOCK_ISOLATE", "third-party")
    address = seed(tmp_path / "table")
    code = "import crossdock\nway('split', lambda: crossdock.copy(%r, %r, sink_format='parquet'))\n"
    for policy, reached in ((NOTHING, []), (LOOPBACK, ["127.0.0.1"])):
        feel(tmp_path / "table", "connect", at=0)
        out = f"{tmp_path}/out{len(reached)}/"
        said, _ = held(
            tmp_path, server, f"out = {out!r}\n{code % (address, out)}said['me'] = os.getpid()\n", policy
        )
        assert said["split"].startswith("" if reached else "AccessDeniedError"), said
        assert server.reached == reached
        assert said["me"] not in reads(tmp_path / "table")[1]
    assert said["split"] == ""
