"""Who is told when nodes and runtimes change: a web hook and a mail server that are really there."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from servers.forwarding import listening
from servers.service import service
from test_service_runs import GROUP, factory_of, node_of
from typer.testing import CliRunner

from crossdock import ConfigError
from crossdock_scheduler.commands.service import service as command
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import notices
from crossdock_scheduler.service.operations import notifying
from crossdock_scheduler.service.operations.notifying import Notifier

SECRET = "SECRET-OF-THE-HOOK"  # noqa: S105 - a canary


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[index]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Hook(ThreadingHTTPServer):
    """Answers with ``statuses``, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.received: list[dict[str, Any]] = []
        self.statuses = list(statuses)
        super().__init__(("127.0.0.1", 0), _Hooked)


class _Hooked(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body) | {"path": self.path})
        left = self.server.statuses
        self.send_response(left.pop(0) if len(left) > 1 else left[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Mail(socketserver.ThreadingTCPServer):
    """Takes every letter."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        super().__init__(("127.0.0.1", 0), _Letter)


class _Letter(socketserver.StreamRequestHandler):
    server: Mail

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            self.wfile.write(
                b"354 go on\r\n" if word == b"DATA" else b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"
            )
            if word == b"DATA":
                letter = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    letter += line
                self.server.letters.append(letter.decode())
                self.wfile.write(b"250 ok\r\n")
            if word == b"QUIT":
                return


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_node_that_comes_and_goes(tmp_path: Path) -> None:
    """The hook fails once; a second one never works, which holds nobody up."""
    hook, dead, mail = Hook(500, 200), Hook(404), Mail()
    told = tmp_path / "told"
    with serving(hook) as port, serving(dead) as other, serving(mail) as smtp:
        told.write_text(
            f"# who is told\nhttp://127.0.0.1:{other}/gone\n\nhttp://127.0.0.1:{port}/{SECRET}\n"
            f"mailto://127.0.0.1:{smtp}?from=crossdock@example.org&to=operator@example.org&mode=insecure\n"
        )
        with service(tmp_path, "--notify", str(told)) as server, server.sdk() as sdk:
            factory = factory_of(sdk)
            here = {"properties": {"type": "SelfHosted"}}
            sdk.integration_runtimes.create_or_update(GROUP, factory, "here", here)
            with node_of(server, sdk, factory, "first") as node:
                wait(lambda: len(mail.letters) == 2)
                node.beat(state="stopping")
                wait(lambda: len(mail.letters) == 4)
            log = server.errors.read_text()
    assert len(hook.received) == 5
    seen = {(each["kind"], each["from"], each["to"]) for each in hook.received}
    assert seen == {
        ("node", "Initializing", "Online"), ("runtime", "NeedRegistration", "Online"),
        ("node", "Online", "Offline"), ("runtime", "Online", "Offline"),
    }  # fmt: skip
    assert {(each["factory"], each["runtime"], each["path"]) for each in hook.received} == {
        (factory, "here", f"/{SECRET}")
    }
    text = f"the node first of the integration runtime here in {factory} is Offline; it was Online"
    assert text in [each["text"] for each in hook.received]
    assert log.count(text) == 1
    assert any("first of the integration runtime" in " ".join(each.split()) for each in mail.letters)
    assert "http://127.0.0.1 was not told: 404" in log
    assert SECRET not in log
    assert len(dead.received) == 4


def test_what_a_killed_service_did_not_tell_is_told_by_the_next(tmp_path: Path) -> None:
    """The first one is killed while it waits for an answer; what it held is free when its time is over."""
    asked, told, hook = threading.Event(), tmp_path / "told", Hook(200)

    def silent(client: socket.socket) -> None:
        with client:
            asked.set()
            client.recv(1 << 16)
            gone.wait(60)

    gone = threading.Event()
    with listening(silent) as port:
        told.write_text(f"http://127.0.0.1:{port}/\n")
        with service(tmp_path, "--notify", str(told)) as first, first.sdk() as sdk:
            factory = factory_of(sdk)
            here = {"properties": {"type": "SelfHosted"}}
            sdk.integration_runtimes.create_or_update(GROUP, factory, "here", here)
            with node_of(first, sdk, factory, "first"):
                assert asked.wait(60)
                first.kill()
        gone.set()
    database = Database.embedded(tmp_path / "service")
    with database.write() as connection:
        held = sa.select(sa.func.count()).where(notices.c.held_until > time.time())
        assert connection.execute(held).scalar_one() > 0
        connection.execute(sa.update(notices).values(held_until=1.0))
    with serving(hook) as port:
        told.write_text(f"http://127.0.0.1:{port}/\n")
        with service(tmp_path, "--notify", str(told), token=first.token):
            wait(lambda: {(each["kind"], each["to"]) for each in hook.received} >= {("node", "Online")})
            wait(lambda: count(database) == 0)
    assert len({each["text"] for each in hook.received}) == len(hook.received)
    database.close()


def test_what_a_sender_raises_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(address: str) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(notifying, "_sender", raising)
    hook = Hook(200)
    with serving(hook) as port:
        there = f"http://127.0.0.1:{port}/"
        Notifier((f"odd://{SECRET}", there)).tell({"to": "Offline", "text": "it is gone"})
    assert [each["text"] for each in hook.received] == ["it is gone"]
    assert "odd: was not told: KeyError" in caplog.text
    assert SECRET not in caplog.text


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(notices)).scalar_one()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise asks for it
def test_what_is_no_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = tmp_path / "told"
    for text, why in (("nonsense\n", "line 1"), ("# x\nmailto://\n", "line 2"), ("https://\n", "line 1")):
        told.write_text(text)
        with pytest.raises(ConfigError, match=why) as caught:
            Notifier.of(told)
        assert "nonsense" not in caught.value.message + caplog.text
    done = CliRunner().invoke(
        command, ["start", "--notify", str(tmp_path / "none"), "--state", str(tmp_path), "--port", "0"]
    )
    assert isinstance(done.exception, ConfigError)
