"""What must not end a node with all its jobs, each as the code meets it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from crossdock import ConfigError
from crossdock_scheduler.commands import node_doctor
from crossdock_scheduler.commands.node import _work
from crossdock_scheduler.node import agent, checks_reaching, guard, jobs, relay, worker
from crossdock_scheduler.node.client import Client
from crossdock_scheduler.node.identity import Identity, Keys
from crossdock_scheduler.node.presence import Said
from crossdock_scheduler.node.proxy import Proxy, set_proxy
from crossdock_scheduler.node.updates import Updates, set_updates, update, watched
from crossdock_scheduler.node.vault import Vault
from crossdock_scheduler.pipeline.policy import Policy
from crossdock_scheduler.service.rest import authoring
from crossdock_scheduler.wire import node as wire

NO_TEXT = {"output": {"name": "caf\udce9.csv", "answer": "\ud83d"}}


class Service:
    """Takes the ends of jobs as the client sends them."""

    def __init__(self) -> None:
        self.ends: list[wire.Finish] = []

    async def finish(self, _: str, said: wire.Finish) -> None:
        said.model_dump_json()
        self.ends.append(said)


def working(folder: Path, service: Service) -> agent.Agent:
    return agent.Agent(cast("Client", service), Vault.of(folder, "g"), Said(1, 0.0))


def test_a_worker_says_only_what_can_be_sent_on() -> None:
    said = wire.Finish.model_validate_json(
        worker.line({"epoch": 1, "outcome": "succeeded", "result": NO_TEXT}).decode()
    )
    assert said.result["output"] == {"name": "caf?.csv", "answer": "?"}
    assert worker.line({"a": "\u2028\u00e9\n"}).count(b"\n") == 1


def test_an_end_that_cannot_be_sent_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "_AGAIN", 0.0)
    said, service = wire.Finish(epoch=3, outcome="succeeded", result=NO_TEXT), Service()
    anyio.run(working(tmp_path, service)._finish, "j", said)
    (end,) = service.ends
    assert (end.epoch, end.outcome) == (3, "failed")
    assert "cannot be sent" in end.result["error"]["message"]
    answered = wire.Answered.model_validate_json(relay.answer("r", said))
    assert (answered.id, answered.outcome) == ("r", "failed")


def test_a_process_that_cannot_be_started_fails_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    service, job = Service(), wire.Job(id="j", epoch=2, work={"definitions": []})
    running = jobs.RunningJob(job, 30, 0.0, lambda: None)
    anyio.run(working(tmp_path, service)._carry, running)
    (end,) = service.ends
    assert (end.epoch, end.outcome) == (2, "failed")
    assert end.result["error"]["message"] == "no process can be started: No such file or directory"


def test_updates_that_are_not_understood_are_off(tmp_path: Path) -> None:
    set_updates(tmp_path, Updates(on=True, command="true"))
    now = watched(tmp_path)
    assert now().wish("9.9") == "wanted"
    (tmp_path / "update.json").write_text("{")
    assert now().wish("9.9") == "no"
    update(tmp_path, "9.9")
    with pytest.raises(ConfigError, match="not understood"):
        watched(tmp_path)
    set_updates(tmp_path, Updates(on=True, command="true"))
    assert now().wish("9.9") == "wanted"


def test_an_update_that_was_switched_off_is_not_done(tmp_path: Path) -> None:
    off = Updates(on=False, command=f"touch {tmp_path / 'done'}")
    set_updates(tmp_path, off)
    update(tmp_path, "9.9")
    assert not (tmp_path / "done").exists()


def test_jobs_bypass_a_proxy_where_the_agent_does() -> None:
    proxy = Proxy("custom", "proxy", 3128, bypass=("*.internal", "localhost", "*"))
    assert proxy.variables()["no_proxy"] == ".internal,localhost,*"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux holds jobs")
@pytest.mark.parametrize("ended", [True, False])
def test_a_thread_that_has_ended_was_refused_nothing(monkeypatch: pytest.MonkeyPatch, *, ended: bool) -> None:
    def ioctl(_: int, request: int, argument: Any) -> int:
        if request == guard._RECEIVE:
            # No thread has this number.
            argument[:] = guard._ASKED.pack(1, 1 << 30, 0, 42, 0, 0, *([0] * 6))
        elif request == guard._STILL_THERE and ended:
            raise FileNotFoundError
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    with closing(guard.Guard(Policy(private=False))) as found:
        found._calls = {42: "connect"}
        if ended:
            with pytest.raises(FileNotFoundError):
                found._answer()
        else:
            found._answer()
        assert list(found.refused) == ([] if ended else ["an address that cannot be read"])


@pytest.mark.parametrize(("signals", "done"), [(1, True), (2, False)])
def test_one_signal_ends_no_job_of_a_node_that_updates_itself(
    tmp_path: Path, signals: int, *, done: bool
) -> None:
    keys = Keys.of(tmp_path)
    identity = Identity("id", "a", "https://localhost", "f", "r", "g", 5.0, 30.0, "", keys.signing)
    ended: list[bool] = []

    class Updating:
        again = True

        def give_up_update(self) -> None:
            self.again = False

        async def run(self, stop: anyio.Event) -> None:
            stop.set()
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep(0.2 if done else 0.1)
            await anyio.sleep(0 if done else 30)
            ended.append(True)

    works = cast("Callable[[Client], agent.Agent]", lambda _: Updating())
    session = cast("Any", SimpleNamespace(say=lambda _: None))
    again = anyio.run(_work, identity, works, Proxy, session)
    assert (bool(ended), again) == (done, False)


ENDING = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
import anyio
from crossdock_scheduler.commands.node import _work
from crossdock_scheduler.node.identity import Identity, Keys
from crossdock_scheduler.node.proxy import Proxy

class Slow:
    again = False
    def give_up_update(self):
        pass
    async def run(self, stop):
        try:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep(0.5)
            await anyio.sleep(30)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.2)
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep(0.2)
                print("ended its jobs")

keys = Keys.of(Path(sys.argv[1]))
identity = Identity("id", "a", "https://localhost", "f", "r", "g", 5.0, 30.0, "", keys.signing)
anyio.run(_work, identity, lambda _: Slow(), Proxy, SimpleNamespace(say=lambda _: None))
"""


def test_a_third_signal_does_not_end_the_agent_before_its_jobs(tmp_path: Path) -> None:
    # In a process of its own, which the signal ends otherwise.
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ended its jobs\n"), done.stderr


def test_a_database_that_fails_is_no_group_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(authoring, "answered", fails)
    call = cast("Any", SimpleNamespace(service=None, request=SimpleNamespace(receive=anyio.sleep_forever)))
    with pytest.raises(OperationalError):
        anyio.run(authoring._unless_gone, call, cast("Any", None))


def test_a_doctor_before_the_registration_knows_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy("custom", "proxy", 3128)
    set_proxy(tmp_path, proxy)
    reached = [SimpleNamespace(host="localhost", port=1)]
    monkeypatch.setattr(node_doctor, "_of_definitions", lambda _: reached)
    monkeypatch.setattr(checks_reaching, "reachable", lambda *asked: asked)
    assert list(node_doctor._checks(tmp_path, None, "", ""))[-1] == ("localhost", 1, proxy)
