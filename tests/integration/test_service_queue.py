"""The queue on both databases: who gets a job, who keeps it, and who is refused."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from servers.waiting import eventually

from crossdock_scheduler.service.database import Database, metadata
from crossdock_scheduler.service.database import together as module
from crossdock_scheduler.service.database.tables import nodes, notices
from crossdock_scheduler.service.database.together import Together
from crossdock_scheduler.service.definitions import factories, resources
from crossdock_scheduler.service.definitions.names import RUNTIME
from crossdock_scheduler.service.queue import (
    Claimed,
    Claimer,
    Held,
    Lost,
    NewJob,
    cancel,
    claim,
    enqueue,
    find,
    finish,
    go_on_until,
    renew,
    sweep,
)
from crossdock_scheduler.service.runtimes import nodes as nodes_of
from crossdock_scheduler.service.runtimes import runtimes, updating
from crossdock_scheduler.service.runtimes.noticing import note

NOW = 1_000_000.0
LEASE = 30.0


@dataclass
class Queue:
    """A runtime's queue, and what nodes do with it; each call is a transaction."""

    database: Database
    runtime: int

    @classmethod
    def of(cls, database: Database) -> Queue:
        with database.write() as connection:
            factory = factories.put(connection, "s", "g", "factory", {})
            runtime = resources.put(connection, factory, RUNTIME, "runtime", {"type": "SelfHosted"})
        return cls(database, runtime.id)

    def node(self, limit: int = 10) -> str:
        found = str(uuid.uuid4())
        with self.database.write() as connection:
            values = {"id": found, "runtime_id": self.runtime, "name": found, "name_key": found}
            values |= {"concurrent_jobs": limit, "most_jobs": limit, "registered": datetime.now(UTC)}
            values |= dict.fromkeys(("machine", "version", "address", "signing_key", "sealing_key"), "")
            values |= {"said": {}}
            connection.execute(sa.insert(nodes).values(values))
        return found

    def add(self, name: str, lane: str = "p", **more: Any) -> str:
        with self.database.write() as connection:
            enqueue(connection, NewJob(name, self.runtime, lane, {"name": name}, **more), NOW)
        return name

    def claim(self, node: str, want: int = 1, now: float = NOW) -> list[Claimed]:
        with self.database.write() as connection:
            return claim(connection, self.claimer(connection, node), want, LEASE, now)

    def claimer(self, connection: sa.Connection, node: str) -> Claimer:
        query = sa.select(nodes.c.concurrent_jobs).where(nodes.c.id == node).with_for_update()
        return Claimer(node, self.runtime, connection.execute(query).scalar_one())

    def renew(self, node: str, *held: Held, now: float = NOW) -> tuple[set[str], set[str]]:
        with self.database.write() as connection:
            return renew(connection, {node: held}, LEASE, now)[node]

    def finish(self, node: str, claimed: Claimed, result: Any = None) -> None:
        with self.database.write() as connection:
            held = Held(claimed.id, claimed.epoch)
            finish(connection, node, held, "succeeded", {"value": result}, now=NOW)

    def cancel(self, name: str) -> None:
        with self.database.write() as connection:
            cancel(connection, name, NOW)

    def sweep(self, now: float) -> int:
        with self.database.write() as connection:
            return sum(sweep(connection, now))

    def state(self, name: str) -> str:
        with self.database.read() as connection:
            found = find(connection, name, NOW)
        assert found is not None
        return found.state


@pytest.fixture
def queue(opened: Database) -> Queue:
    return Queue.of(opened)


def test_migrations_make_the_tables(opened: Database) -> None:
    with opened.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_racing_nodes_get_each_job_once(queue: Queue) -> None:
    """10,000 claims: 8 nodes, two threads each, about five claims for every job."""
    names = [queue.add(f"job{number:04}", f"lane{number % 7}") for number in range(2_000)]
    claimed: list[tuple[str, Claimed]] = []
    left = threading.Semaphore(10_000)
    guard = threading.Lock()

    def race(node: str) -> None:
        while left.acquire(blocking=False):
            for each in queue.claim(node):
                with guard:
                    claimed.append((node, each))
                queue.finish(node, each, node)

    with ThreadPoolExecutor(16) as pool:
        racers = [queue.node() for _ in range(8)]
        list(pool.map(race, [*racers, *racers]))
    assert Counter(each.id for _, each in claimed) == Counter(names)
    with queue.database.read() as connection:
        ended = {name: find(connection, name, NOW) for name in names}
    assert all(job and job.state == "succeeded" for job in ended.values())
    assert {each.id: node for node, each in claimed} == {
        name: job.result["value"] for name, job in ended.items() if job and job.result
    }


def test_enqueued_twice_is_one_job(queue: Queue) -> None:
    node = queue.node()
    queue.add("a")
    queue.add("a")
    assert [each.id for each in queue.claim(node, 5)] == ["a"]
    queue.add("a")
    assert queue.claim(node, 5) == []


def test_limit_of_a_node(queue: Queue) -> None:
    for number in range(5):
        queue.add(str(number))
    node = queue.node(limit=2)
    first = queue.claim(node, 5)
    assert len(first) == 2
    assert queue.claim(node, 5) == []
    queue.finish(node, first[0])
    assert len(queue.claim(node, 5)) == 1


def test_lanes_take_turns(queue: Queue) -> None:
    for number in range(6):
        queue.add(f"a{number}", "a")
    node = queue.node(limit=100)
    assert [each.id for each in queue.claim(node, 2)] == ["a0", "a1"]
    for number in range(2):
        queue.add(f"b{number}", "b")
    # A newcomer neither waits for all of the others nor catches up for the time before.
    assert [each.id for each in queue.claim(node, 6)] == ["b0", "a2", "b1", "a3", "a4", "a5"]


def test_priority_goes_first(queue: Queue) -> None:
    queue.add("low")
    queue.add("high", priority=5)
    assert [each.id for each in queue.claim(queue.node(), 2)] == ["high", "low"]


def test_late_holder_is_refused(queue: Queue) -> None:
    queue.add("a")
    first, second = queue.node(), queue.node()
    (old,) = queue.claim(first)
    assert queue.sweep(NOW + LEASE - 1) == 0
    assert queue.sweep(NOW + LEASE + 1) == 1
    with pytest.raises(Lost):
        queue.finish(first, old, "while nobody has it")
    (new,) = queue.claim(second, now=NOW + LEASE + 2)
    assert new.epoch == old.epoch + 1
    assert queue.renew(first, Held("a", old.epoch)) == ({"a"}, set())
    with pytest.raises(Lost):
        queue.finish(first, old, "late")
    queue.finish(second, new, "right")
    with queue.database.read() as connection:
        found = find(connection, "a", NOW)
    assert found is not None
    assert found.result == {"value": "right"}


def test_same_node_with_an_old_epoch_is_refused(queue: Queue) -> None:
    queue.add("a")
    node = queue.node()
    (old,) = queue.claim(node)
    queue.sweep(NOW + LEASE + 1)
    (new,) = queue.claim(node)
    with pytest.raises(Lost):
        queue.finish(node, old)
    queue.finish(node, new)


def test_renewed_lease_is_kept(queue: Queue) -> None:
    queue.add("a")
    node = queue.node()
    (held,) = queue.claim(node)
    assert queue.renew(node, Held("a", held.epoch, {"rows": 3}), now=NOW + 20) == (set(), set())
    assert queue.sweep(NOW + LEASE + 1) == 0
    with queue.database.read() as connection:
        found = find(connection, "a", NOW)
    assert found is not None
    assert found.progress == {"rows": 3}


def test_no_lease_gets_shorter(queue: Queue) -> None:
    """By a heartbeat that a replica was late with, nor when the database is back."""
    queue.add("a")
    node = queue.node()
    (held,) = queue.claim(node)
    for now in (NOW + 20, NOW + 15):
        assert queue.renew(node, Held("a", held.epoch), now=now) == (set(), set())
    with queue.database.write() as connection:
        go_on_until(connection, NOW, NOW + 1)
    assert queue.sweep(NOW + 20 + LEASE - 1) == 0
    assert queue.sweep(NOW + 20 + LEASE + 1) == 1


def test_only_leases_that_were_not_over_when_the_database_went_go_on(queue: Queue) -> None:
    node = queue.node()
    for name, later in (("over", 0), ("held", 10)):
        queue.add(name)
        queue.claim(node, now=NOW + later)
    with queue.database.write() as connection:
        go_on_until(connection, NOW + LEASE + 1, NOW + 200)
    queue.sweep(NOW + 199)
    assert (queue.state("over"), queue.state("held")) == ("queued", "claimed")
    queue.sweep(NOW + 201)
    assert queue.state("held") == "queued"


def test_answer_lost_and_said_again(queue: Queue) -> None:
    queue.add("a")
    node = queue.node()
    (held,) = queue.claim(node)
    queue.finish(node, held, 1)
    queue.finish(node, held, 1)
    assert queue.state("a") == "succeeded"
    with pytest.raises(Lost):
        queue.finish(queue.node(), held, 1)


def test_cancelling(queue: Queue) -> None:
    for name in ("waiting", "held", "lost"):
        queue.add(name)
    node = queue.node()
    queue.cancel("waiting")
    assert queue.state("waiting") == "cancelled"
    held, lost = queue.claim(node, 5)
    queue.cancel("held")
    queue.cancel("lost")
    assert queue.renew(node, Held("held", held.epoch)) == (set(), {"held"})
    assert queue.sweep(NOW + LEASE + 1) == 2
    assert (lost.id, queue.state("lost")) == ("lost", "cancelled")
    assert queue.claim(node, 5) == []


def test_deadline(queue: Queue) -> None:
    queue.add("waiting", deadline=NOW + 10)
    queue.add("held", deadline=NOW + 10)
    queue.add("in time", deadline=NOW + 100)
    node = queue.node()
    claimed = {each.id: each for each in queue.claim(node, 2)}
    assert queue.sweep(NOW + 11) == 2
    for name, each in claimed.items():
        if queue.state(name) == "timedout":
            with pytest.raises(Lost):
                queue.finish(node, each)
    assert [queue.state(each) for each in ("waiting", "held")] == ["timedout"] * 2
    assert queue.state("in time") in ("queued", "claimed")


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
def test_those_who_wait_are_committed_together(opened: Database, queue: Queue, *, broken: bool) -> None:
    """One flush is for several; what one of them does wrong concerns nobody else."""
    node = queue.node(limit=100)
    names = [queue.add(f"job{number}") for number in range(20)]
    commits: list[sa.Connection] = []
    sa.event.listen(opened.engine, "commit", commits.append)
    found: dict[int, Any] = {}

    async def work(number: int) -> None:
        def take(connection: sa.Connection) -> list[str]:
            claimed = claim(connection, queue.claimer(connection, node), 1, LEASE, NOW)
            if number % 4 == 0:
                raise Lost
            if broken and number % 10 == 3:
                connection.execute(sa.text("SELECT nothing FROM nodes"))
            return [each.id for each in claimed]

        try:
            found[number] = await opened.together(node, take)
        except (Lost, sa.exc.DBAPIError) as error:
            found[number] = type(error)

    async def work_all() -> None:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(work, number)

    anyio.run(work_all)
    flushed = len(commits)
    claimed = [each for some in found.values() if isinstance(some, list) for each in some]
    assert list(found.values()).count(Lost) == 5
    assert {name for name in names if queue.state(name) == "claimed"} == set(claimed)
    assert len(claimed) == len(set(claimed))
    assert len(claimed) == (13 if broken else 15)
    if not broken:
        # All that have come while the first one was alone.
        assert flushed == 1


def test_what_does_several_at_once_fails_for_none_but_its_own(
    opened: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised: each is then done alone, and nobody waits for ever. Time stands still until all of
    them wait for it."""
    names = [queue.add(f"job{number}") for number in range(4)]
    together = Together(opened.write)
    found: dict[int, Any] = {}
    together_were: list[int] = []
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await anyio.wait_all_tasks_blocked()

    monkeypatch.setattr(module, "current_time", lambda: 100.0)
    monkeypatch.setattr(module, "sleep", sleep)

    def many(connection: sa.Connection, asked: Sequence[int]) -> Sequence[str | Exception]:
        together_were.append(len(asked))
        for each in asked:
            cancel(connection, names[each], NOW)
            if each == 1:
                raise TypeError("not this one")
        return [names[each] for each in asked]

    async def ask(number: int) -> None:
        try:
            found[number] = await together.run_alike("key", number, many, 8.0)
        except TypeError as error:
            found[number] = str(error)

    async def ask_all() -> None:
        with anyio.fail_after(30):
            await ask(3)
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(ask, number)

    anyio.run(ask_all)
    assert found == {0: "job0", 1: "not this one", 2: "job2", 3: "job3"}
    assert [queue.state(each) for each in names] == ["cancelled", "queued", "cancelled", "cancelled"]
    assert waited == [8.0] * 3
    assert together_were == [1, 3, 1, 1, 1]


@pytest.mark.parametrize("opened", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_turn_to_update_and_a_wish_to_be_alone_do_not_wait_for_each_other(
    opened: Database, queue: Queue
) -> None:
    """Both lock the node and its runtime, in one order."""
    holder = queue.node()
    with opened.write() as connection:
        runtimes.of(connection, resources.by_id(connection, RUNTIME, queue.runtime))
        updating.ask(connection, queue.runtime, NOW)
        found = nodes_of.by_ids(connection, [holder])[holder]

    def be_alone() -> None:
        with opened.write() as connection:
            nodes_of.be_alone(connection, found, NOW, alone=True)

    with ThreadPoolExecutor(1) as pool:
        with opened.write() as connection:
            nodes_of.by_ids(connection, [holder])
            other = pool.submit(be_alone)
            eventually(lambda: waits(opened))
            assert updating.turn(connection, found, "wanted", NOW)
        other.result(30)


@pytest.mark.parametrize("opened", ["postgresql"], indirect=True)
def test_telling_of_nodes_and_hearing_them_do_not_wait_for_each_other(opened: Database, queue: Queue) -> None:
    """Both lock nodes, in one order, whichever came first."""
    last, first = sorted((queue.node(), queue.node()), reverse=True)
    with opened.write() as connection:
        resource = resources.by_id(connection, RUNTIME, queue.runtime)
        runtimes.of(connection, resource)
        for number, each in enumerate((last, first)):
            came = datetime(2026, 1, 1 + number, tzinfo=UTC)
            seen = sa.update(nodes).where(nodes.c.id == each).values(registered=came, seen_at=NOW)
            connection.execute(seen)
    with ThreadPoolExecutor(1) as pool:
        with opened.write() as connection:
            nodes_of.by_ids(connection, [first])
            telling = pool.submit(note, opened, NOW, 0.0)
            eventually(lambda: waits(opened))
            nodes_of.by_ids(connection, [last])
        telling.result(30)
    with opened.read() as connection:
        said = connection.execute(sa.select(notices.c.said["node"].as_string())).scalars().all()
    assert {first, last} <= set(said)


def waits(opened: Database) -> bool:
    """Whether anybody waits for a lock."""
    with opened.read() as connection:
        activity = "FROM pg_stat_activity WHERE datname = current_database()"
        query = sa.text(f"SELECT count(*) {activity} AND wait_event_type = 'Lock'")
        return bool(connection.execute(query).scalar())
