"""Clocks that are set: of the service, in its own process without waiting; of a node, as a process."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
import httpx
import pytest
import sqlalchemy as sa
from servers.node import node, register
from servers.node_client import NodeClient
from servers.service import ServiceProcess, replica
from servers.waiting import eventually
from sqlalchemy.exc import OperationalError
from test_service_queue import LEASE, Queue
from test_service_runs import GROUP, factory_of

from crossdock_scheduler import clock as clock_of_all
from crossdock_scheduler.node.presence import running
from crossdock_scheduler.service import sweeping
from crossdock_scheduler.service.auth import tokens
from crossdock_scheduler.service.auth.roles import Role
from crossdock_scheduler.service.beating import Beat, beaten
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import jobs, nodes
from crossdock_scheduler.service.database.tables import tokens as table
from crossdock_scheduler.service.definitions import resources
from crossdock_scheduler.service.definitions.names import RUNTIME
from crossdock_scheduler.service.operations.metrics import Metrics
from crossdock_scheduler.service.queue import Claimed, Held, NewJob, enqueue
from crossdock_scheduler.service.queue import sweep as sweep_queue
from crossdock_scheduler.service.queue.sweep import Swept
from crossdock_scheduler.service.rest import node_protocol
from crossdock_scheduler.service.runtimes import runtimes
from crossdock_scheduler.service.runtimes.nodes import Node
from crossdock_scheduler.wire import node as wire

if TYPE_CHECKING:
    from crossdock_scheduler.service.context import Service

DAY = 86400.0
SKEWED = (str(Path(__file__).parents[1] / "servers" / "skewed.py"),)


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
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=clock.monotonic))
    monkeypatch.setattr(sweeping, "clock", SimpleNamespace(now=clock.time))
    # The database tells its time meanwhile: other tests need not go by it.
    monkeypatch.setattr(clock_of_all, "_ahead", None)
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


@pytest.mark.parametrize("back", [106, 113])
def test_a_database_that_was_away_for_a_moment_prolongs_no_lease(
    opened: Database, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    """For no longer than nodes wait between two heartbeats."""
    state, after = swept(Queue.of(opened), 0, alive=False, monkeypatch=monkeypatch, away=range(104, back))
    assert (state, after) == ("queued", 98 + LEASE + 2 - 102)


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


def test_a_clock_is_followed_as_far_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's own says, and while it sleeps."""
    boot = [100.0]
    passed = SimpleNamespace(
        monotonic=lambda: 7.0, time=lambda: 5.0, CLOCK_BOOTTIME=1, clock_gettime=lambda _: boot[0]
    )
    monkeypatch.setattr(clock_of_all, "time", passed)
    monkeypatch.setattr(clock_of_all, "_read", 0.0)
    monkeypatch.setattr(clock_of_all, "_ahead", None)
    assert clock_of_all.now() == 5.0
    # Read at 100, it may have been anywhere in the two seconds before.
    for theirs, now in ((1099.0, 1100.0), (1098.5, 1100.0), (1200.0, 1200.0), (1100.0, 1102.0)):
        clock_of_all.follow(theirs, 98.0, 100.0)
        assert clock_of_all.now() == now
    assert clock_of_all.moment().timestamp() == 1102.0
    boot[0] += 60.0
    assert (clock_of_all.now(), clock_of_all.followed()) == (1162.0, 62.0)


@pytest.mark.parametrize("opened", ["postgresql"], indirect=True)
@pytest.mark.parametrize("asked", ["heartbeat", "claim"])
def test_no_lease_is_given_by_a_time_that_was_read_long_ago(
    opened: Database, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that was held up, and its machine's clock with it, asks the database first."""
    queue = Queue.of(opened)
    holder, name = queue.node(), queue.add("job")
    with opened.write() as connection:
        runtimes.of(connection, resources.by_id(connection, RUNTIME, queue.runtime))
    if asked == "heartbeat":
        (held,) = queue.claim(holder, now=time.time())
    # Ten minutes behind.
    monkeypatch.setattr(clock_of_all, "_ahead", time.time() - clock_of_all.passing() - 600)
    monkeypatch.setattr(clock_of_all, "_read", clock_of_all.passing() - 10)
    service = cast("Service", SimpleNamespace(database=opened, lease=LEASE, heartbeat=5.0, looked_at={}))
    with opened.write() as connection:
        if asked == "heartbeat":
            holding = [wire.Holding(id=name, epoch=held.epoch)]
            said = wire.Heartbeat(version="0.1.0", holding=holding)
            beat = Beat(service, holder, queue.runtime, said, clock_of_all.now())
            (answer,) = beaten(connection, [beat])
            assert isinstance(answer, wire.Beaten)
        else:
            (found,) = node_protocol._claimed(connection, [node_protocol._Wanted(service, holder, 1)])
            assert isinstance(found, list)
            assert [each.id for each in found] == [name]
        until = connection.execute(sa.select(jobs.c.lease_until)).scalar_one()
        theirs = connection.execute(
            sa.text("SELECT extract(epoch FROM clock_timestamp())::float")
        ).scalar_one()
    # The transaction takes no 60 seconds.
    assert theirs + LEASE - 60 < until <= theirs + LEASE + 1


@pytest.mark.parametrize("opened", ["postgresql"], indirect=True)
def test_times_are_the_same_in_every_zone_of_a_database(opened: Database) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    with opened.write() as connection:
        connection.execute(sa.text("SET LOCAL TIME ZONE 'Asia/Tokyo'"))
        made, _ = tokens.create(connection, "an hour", Role.READER, expires=end)
        assert made.as_json()["expires"] == end.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        over = sa.update(table).values(expires=end - timedelta(hours=2))
        connection.execute(over)
        assert tokens.by_id(connection, made.id) is None


@pytest.mark.parametrize("control_plane", ["postgresql"], indirect=True)
def test_replicas_go_by_the_clock_of_their_database(control_plane: ServiceProcess, tmp_path: Path) -> None:
    """One whose machine's is ten minutes fast takes no job from a live node, and gives none for longer."""
    (tmp_path / "skew").write_text("600")
    database = Database(control_plane.database)
    lease = 4.0
    with (
        control_plane.sdk() as sdk,
        replica(control_plane, tmp_path, "--lease", str(lease), program=SKEWED) as off,
        off.sdk() as sdk_off,
        off.client() as client_off,
        httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as here,
        httpx.Client(base_url=off.url, verify=off.tls(), timeout=30) as there,
    ):
        factory = factory_of(sdk)
        runtime = sdk.integration_runtimes.create_or_update(
            GROUP, factory, "here", {"properties": {"type": "SelfHosted"}}
        )
        live = NodeClient(here)
        live.register(sdk.integration_runtimes.list_auth_keys(GROUP, factory, runtime.name).auth_key1)
        assert live.beat().status_code == 200
        said = sdk_off.integration_runtimes.get_status(GROUP, factory, runtime.name)
        assert said.properties.state == "Online"
        with database.read() as connection:
            mine = sa.select(nodes.c.runtime_id).where(nodes.c.id == live.node_id)
            runtime_id = connection.execute(mine).scalar_one()

        def add() -> None:
            with database.write() as connection:
                enqueue(connection, NewJob(str(uuid.uuid4()), runtime_id, "lane", {}), 1.0)

        def is_swept() -> bool:
            """Whether it has seen to leases by now. Those that are over may be seen to by either."""
            over = {"state": "claimed", "lease_until": 1.0, "epoch": 1, "node_id": "nobody"}
            with database.write() as connection:
                waiting = (jobs.c.state == "queued", jobs.c.runtime_id == runtime_id)
                connection.execute(sa.update(jobs).where(*waiting).values(over))
            lost = re.search(r'leases_lost_total{how="expired"} (\S+)', client_off.get("/metrics").text)
            return lost is not None and float(lost[1]) > 0

        add()
        (held,) = live.claim()
        add()
        eventually(is_swept)
        live.http = there
        beaten = live.beat(holding=[{"id": held["id"], "epoch": held["epoch"]}])
        assert (beaten.status_code, beaten.json()["lost"]) == (200, [])
        with database.read() as connection:
            until = sa.select(jobs.c.lease_until).where(jobs.c.id == held["id"])
            assert connection.execute(until).scalar_one() <= time.time() + lease + 1
        ended = live.post(f"jobs/{held['id']}/finish", epoch=held["epoch"], outcome="succeeded")
        assert ended.status_code == 200
        assert abs(parsedate_to_datetime(ended.headers["Date"]).timestamp() - time.time()) < 60
    database.close()
