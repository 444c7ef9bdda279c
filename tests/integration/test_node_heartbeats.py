"""Heartbeats and claims of a node whose service does not answer some of them, or late."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import pytest

from crossdock import CancelledError
from crossdock_scheduler import clock
from crossdock_scheduler.node import agent as agent_of_all
from crossdock_scheduler.node.agent import Agent
from crossdock_scheduler.node.client import Client
from crossdock_scheduler.node.identity import Identity, Keys
from crossdock_scheduler.node.jobs import RunningJob
from crossdock_scheduler.node.lease import Lease
from crossdock_scheduler.node.presence import Said
from crossdock_scheduler.node.vault import Vault
from crossdock_scheduler.wire import node as wire

ANSWER = wire.Beaten(lost=[], cancel=[], concurrent_jobs=1, vault=0, lease=4.0, heartbeat=0.5)
# Long enough for every way to give up that has no limit of its own.
LONG = 60


class Service:
    """Answers on loopback; ``answer`` says what, by the path and how often that was asked for. Without one
    nothing is heard there any more, not even that the way is closed; ``dribbles``: a byte now and then."""

    def __init__(self, answer: Callable[[str, int], wire.Message | None], *, dribbles: bool = False) -> None:
        self.answer, self.dribbles = answer, dribbles
        self.came: Counter[str] = Counter()
        self.ended = threading.Event()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        path = request.path.rpartition("/")[2]
        self.came[path] += 1
        found = self.answer(path, self.came[path])
        if found is None:
            request.close_connection = True
            request.wfile.write(b"HTTP/1.1 200 OK\r\nA: " if self.dribbles else b"")
            for _ in range(LONG * 2):
                if self.ended.wait(0.5):
                    return
                request.wfile.write(b"a" if self.dribbles else b"")
            return
        body = found.model_dump_json().encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def serving(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                service.handle(self)
            except OSError:  # whoever asked has given up
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        service.ended.set()
        server.shutdown()
        server.server_close()


def identity(folder: Path, url: str) -> Identity:
    return Identity("id", "a", url, "f", "r", "g", 0.5, 4.0, "", Keys.of(folder).signing)


def working(folder: Path, service: Service, until: Callable[[Agent], bool]) -> bool:
    """Whether a node that beats and claims came to ``until`` in time."""

    async def works(url: str) -> bool:
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
            anyio.create_task_group() as group,
        ):
            agent = Agent(Client(http, identity(folder, url)), Vault.of(folder, "g"), Said(1, 0.0))
            agent._relay.tried.set()
            group.start_soon(agent._beating, anyio.Event())
            group.start_soon(agent._claiming, group)
            with anyio.move_on_after(15):  # without limits of their own requests are waited for for longer
                while not until(agent):
                    await anyio.sleep(0.05)
            found = until(agent)
            group.cancel_scope.cancel()
        return found

    with serving(service) as url:
        return anyio.run(works, url)


@pytest.mark.parametrize("dribbles", [False, True])
def test_one_that_is_not_answered_is_sent_again_within_the_lease(tmp_path: Path, *, dribbles: bool) -> None:
    """The way of the second one is lost, or carries next to nothing."""

    def answer(path: str, count: int) -> wire.Message | None:
        return None if path == "claim" or count == 2 else ANSWER

    service = Service(answer, dribbles=dribbles)
    assert working(tmp_path, service, lambda _: service.came["heartbeat"] >= 3)


def test_a_claim_on_a_way_that_is_lost_is_made_again(tmp_path: Path) -> None:
    """Once a heartbeat says that it is."""

    def answer(path: str, count: int) -> wire.Message | None:
        return None if path == "claim" or count == 2 else ANSWER

    service = Service(answer)
    assert working(tmp_path, service, lambda _: service.came["claim"] >= 2)


def test_a_claim_is_waited_for_little_longer_than_it_waits(tmp_path: Path) -> None:
    limits: dict[str, float] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        limits.update(request.extensions["timeout"])
        return httpx.Response(200, json={"jobs": []})

    async def claim() -> None:
        async with httpx.AsyncClient(base_url="http://a", transport=httpx.MockTransport(handle)) as http:
            await Client(http, identity(tmp_path, "http://a")).claim(1, 20.0)

    anyio.run(claim)
    assert 20 < limits["read"] <= 25


def claimed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, waited: float, held: RunningJob | None = None
) -> tuple[Agent, RunningJob]:
    """A job that a node has got, whose claim was answered after 15 seconds, and which is not begun."""
    behind, found = [15.0], []
    job = wire.Job(id="job", epoch=2, work={})
    monkeypatch.setattr(agent_of_all, "now", lambda: clock.passing() - behind[0])

    def answer(path: str, count: int) -> wire.Message | None:
        if path == "heartbeat" or count > 1:
            return None
        behind[0] = 0.0
        return wire.Jobs(jobs=[job], lease=10.0, waited=waited)

    async def carry(self: Agent, running: RunningJob) -> None:
        found.append((self, running))

    async def works(url: str) -> None:
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
            anyio.create_task_group() as group,
        ):
            agent = Agent(Client(http, identity(folder, url)), Vault.of(folder, "g"), Said(1, 0.0))
            agent._limit = 2
            if held is not None:
                agent._jobs[held.job.id] = held
            group.start_soon(agent._claiming, group)
            with anyio.fail_after(LONG):
                while not found:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    monkeypatch.setattr(Agent, "_carry", carry)
    with serving(Service(answer)) as url:
        anyio.run(works, url)
    return found[0]


@pytest.mark.parametrize(("waited", "is_held"), [(14.9, True), (1000.0, True), (0.0, False)])
def test_a_lease_is_counted_from_when_the_service_had_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, *, is_held: bool
) -> None:
    """Not from when the node asked for one: it may have waited for longer than a lease."""
    agent, running = claimed(tmp_path, monkeypatch, waited)
    assert running.confirmed <= clock.passing()
    # A beat has the service say so once more.
    assert agent._soon.is_set()
    lease = Lease(running.lease, running.confirmed, lambda: None)
    if is_held:
        lease.check()
    else:  # a service that does not say what it waited
        with pytest.raises(CancelledError):
            lease.check()


def running_job(epoch: int) -> RunningJob:
    job = wire.Job(id="job", epoch=epoch, work={})
    return RunningJob(job, 10.0, 1.0, lambda: None)


def test_a_job_that_is_claimed_again_ends_the_former_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = running_job(1)
    agent, running = claimed(tmp_path, monkeypatch, 0.0, former)
    assert agent._jobs == {"job": running}
    assert former.lost
    assert former._stop.is_set()
    assert not running.lost


@pytest.mark.parametrize("said", ["lost", "cancel", ""])
def test_what_is_said_of_a_former_claim_does_not_concern_the_next(tmp_path: Path, said: str) -> None:
    """It was claimed again between the heartbeat and its answer."""

    async def obeys() -> None:
        agent = Agent(
            Client(httpx.AsyncClient(), identity(tmp_path, "")), Vault.of(tmp_path, "g"), Said(1, 0.0)
        )
        former, running = running_job(1), running_job(2)
        answer = ANSWER.model_copy(update={said: ["job"]} if said else {})
        agent._jobs["job"] = running
        agent._obey(answer, {"job": former}, 5.0)
        assert (running.confirmed, running.lost, running._stop.is_set()) == (1.0, False, False)
        agent._obey(answer, {"job": running}, 5.0)
        told = (running.confirmed, running.lost, running._stop.is_set())
        assert (
            told == {"lost": (1.0, True, True), "cancel": (5.0, False, True), "": (5.0, False, False)}[said]
        )

    anyio.run(obeys)
