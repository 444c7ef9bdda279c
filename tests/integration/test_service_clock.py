"""Clocks that are set: of the service, in its own process without waiting; of a node, as a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
import pytest
import sqlalchemy as sa
from servers.node import node, register
from servers.service import ServiceProcess
from servers.waiting import eventually
from sqlalchemy.exc import OperationalError
from test_service_queue import LEASE, Queue
from test_service_runs import GROUP, factory_of

from crossdock_scheduler.node.presence import running
from crossdock_scheduler.service import sweeping
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.operations.metrics import Metrics
from crossdock_scheduler.service.queue import Claimed, Held
from crossdock_scheduler.service.queue import sweep as sweep_queue
from crossdock_scheduler.service.queue.sweep import Swept
from crossdock_scheduler.service.runtimes.nodes import Node

if TYPE_CHECKING:
    from crossdock_scheduler.service.context import Service

DAY = 86400.0
SKEWED = (str(Path(__file__).parents[1] / "servers" / "skewed_node.py"),)


class Ended(Exception):
    """It has slept often enough."""


class Clock:
    """Passes only while somebody sleeps; ``each`` is called for every second of it."""

    def __init__(self, each: Callable[[], None], seconds: float) -> None:
        self.wall, self.passed = 1_000_000.0, 0.0
        self.each, self.seconds = each, seconds

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        until = self.passed + seconds
        while self.passed < until:
            self.passed += 1
            self.wall += 1
            self.each()
        if self.passed > self.seconds:
            raise Ended


def swept(
    queue: Queue,
    jump: float,
    *,
    alive: bool,
    monkeypatch: pytest.MonkeyPatch,
    moved: tuple[float, ...] = (102,),
    away: range = range(0),
) -> tuple[str, float]:
    """Of a job whose node beats every five seconds, until the clock is moved or for ever: what became of it,
    and how long after the move. ``moved``: after how many seconds, each between two beats. ``away``: while
    the database does not answer."""
    holder, ended = queue.node(), 0.0
    job: list[Claimed] = []

    def each() -> None:
        nonlocal ended
        if not job:
            job.extend(queue.claim(holder, now=clock.wall))
        if clock.passed in moved:
            clock.wall += jump
        if clock.passed % 5 == 3 and (alive or clock.passed < 102) and clock.passed not in away:
            queue.renew(holder, Held(job[0].id, job[0].epoch), now=clock.wall)
        if not ended and clock.passed > 102 and queue.state("job") != "claimed":
            ended = clock.passed - 102

    def sweep(connection: sa.Connection, now: float) -> Swept:
        if clock.passed in away:
            raise OperationalError("sweep", {}, Exception("gone"))
        return sweep_queue(connection, now)

    clock = Clock(each, 300)
    queue.add("job")
    monkeypatch.setattr(sweeping, "sweep", sweep)
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(time=clock.time, monotonic=clock.monotonic))
    monkeypatch.setattr(sweeping, "anyio", SimpleNamespace(sleep=clock.sleep))
    service = SimpleNamespace(database=queue.database, lease=LEASE, metrics=Metrics())
    with pytest.raises(Ended):
        anyio.run(sweeping.sweeping, cast("Service", service))
    return queue.state("job"), ended


@pytest.mark.parametrize("jump", [DAY, -DAY, 60.0, -60.0])
def test_a_clock_that_is_set_takes_no_job_from_a_live_node(
    opened: Database, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert swept(Queue.of(opened), jump, alive=True, monkeypatch=monkeypatch) == ("claimed", 0.0)


@pytest.mark.parametrize("back", [135, 150, 165, 167, 198])
def test_nodes_renew_first_when_the_database_is_back(
    opened: Database, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    """However long it was away, and whatever of the lease was over by then."""
    found = swept(Queue.of(opened), 0, alive=True, monkeypatch=monkeypatch, away=range(104, back))
    assert found == ("claimed", 0.0)


def test_a_dead_node_keeps_no_job_when_the_database_is_back(
    opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, after = swept(Queue.of(opened), 0, alive=False, monkeypatch=monkeypatch, away=range(104, 150))
    assert state == "queued"
    assert LEASE < after - (150 - 102) < LEASE + 5


@pytest.mark.parametrize("moved", [(102, 102 + LEASE), (LEASE,)], ids=["again", "from the start"])
def test_a_clock_that_is_set_while_nodes_get_their_time_takes_no_job(
    opened: Database, moved: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = swept(Queue.of(opened), DAY, alive=True, monkeypatch=monkeypatch, moved=moved)
    assert found == ("claimed", 0.0)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_dead_node_keeps_no_job_until_the_clock_has_caught_up(
    opened: Database, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, after = swept(Queue.of(opened), jump, alive=False, monkeypatch=monkeypatch)
    assert state == "queued"
    assert 0 < after <= 2 * LEASE + 5


def test_a_node_that_was_heard_of_in_the_future_is_not_alive() -> None:
    row = SimpleNamespace(seen_at=1000.0, stopped_at=None)
    found = [Node(row, {}, in_step=True).is_alive(now) for now in (980, 990, 1000, 1010, 1020)]
    assert found == [False, True, True, True, False]


@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_a_node_whose_clock_is_off_waits_until_it_is_right(
    control_plane: ServiceProcess, tmp_path: Path
) -> None:
    home = tmp_path / "a"
    with control_plane.sdk() as sdk:
        factory = factory_of(sdk)
        sdk.integration_runtimes.create_or_update(
            GROUP, factory, "here", {"properties": {"type": "SelfHosted"}}
        )
        key = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1
    register(home, control_plane, key, "a")

    def has(problem: str) -> bool:
        said = running(home / "node")
        return said is not None and problem in said.problem

    (home / "skew").write_text("-3600")
    with node(home, program=SKEWED) as found:
        eventually(partial(has, "it has run out"))
        (home / "skew").write_text("3600")
        eventually(partial(has, "in the future"))
        (home / "skew").write_text("0")
        eventually(lambda: not has("clock"))
        assert found.process.poll() is None
