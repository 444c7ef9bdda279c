"""``python -m perf.rig.service_queue [--postgresql]``: what the control plane takes, as a process over HTTPS.

Prints a table: eight nodes claim and finish jobs of a queue in which 10,000 wait, 100 nodes send heartbeats,
and the status of their runtime is asked for. Beside it the bare loop, which is the queue's transactions
without a service. CPU is that of the service's process, and of PostgreSQL's in what that row says.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import sqlalchemy as sa

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import nodes, queues

from .bare_queue import Bare, waiting
from .nodes import Line, lines

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from servers.node_client import NodeClient
from servers.postgres import Postgres, postgres
from servers.service import SUBSCRIPTION, ServiceProcess, service

GROUP, FACTORY, RUNTIME = "group", "factory", "here"
NODES, MANY, WAITING, HISTORY = 8, 100, 10_000, 100_000
# Jobs that a node has at once, and seconds for which each figure is taken.
HOLDING, SECONDS = 25, 6.0
BEATS = 200
# Servers of the tests forgo both.
DURABLE = ("fsync=on", "full_page_writes=on", "autovacuum=on")


@dataclass
class Rig:
    """A service with a runtime that has nodes; ``server`` is its PostgreSQL."""

    service: ServiceProcess
    database: Database
    server: Postgres | None
    http: httpx.Client
    key: str
    nodes: list[NodeClient] = field(default_factory=list)

    def add_nodes(self, count: int) -> None:
        for _ in range(count):
            node = NodeClient(self.http, f"node{len(self.nodes)}")
            answer = node.register(self.key, concurrent_jobs=HOLDING, most_jobs=HOLDING)
            assert answer.status_code == 200, answer.text
            assert node.beat().status_code == 200
            self.nodes.append(node)

    def cpu(self) -> tuple[float, float]:
        """Seconds of the service, and of it together with its PostgreSQL."""
        own = _cpu(self.service.process.pid)
        return own, own + cpu_of(self.server)


def cpu_of(server: Postgres | None) -> float:
    """Of all its sessions, those that have ended too."""
    if server is None:
        return 0.0
    first = psutil.Process(server.process.pid)
    ended = first.cpu_times()
    going_on = sum(_cpu(each.pid) for each in first.children())
    return _cpu(first.pid) + float(ended.children_user + ended.children_system) + going_on


def _cpu(pid: int) -> float:
    try:
        found = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(found.user + found.system)


@contextmanager
def rig(home: Path, server: Postgres | None) -> Iterator[Rig]:
    address = _address(server, "service") if server else ""
    with (
        service(home, *(["--database", address] if address else [])) as found,
        found.sdk() as sdk,
        httpx.Client(base_url=found.url, verify=found.tls(), timeout=60) as http,
    ):
        sdk.factories.create_or_update(GROUP, FACTORY, {})
        sdk.integration_runtimes.create_or_update(
            GROUP, FACTORY, RUNTIME, {"properties": {"type": "SelfHosted"}}
        )
        key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, RUNTIME).auth_key1
        database = Database(address) if address else Database.embedded(home / "service")
        made = Rig(found, database, server, http, key)
        made.add_nodes(NODES)
        with database.write() as connection:
            runtime = connection.execute(sa.select(nodes.c.runtime_id).limit(1)).scalar_one()
            connection.execute(sa.insert(queues).values(runtime_id=runtime, turn=0))
            waiting(connection, runtime, WAITING + 5000)
        yield made
        database.close()


def _address(server: Postgres, name: str) -> str:
    return server.create(name).replace("postgresql://", "postgresql+psycopg://")


@dataclass
class Figure:
    """One row: how many were done in how many seconds, what they took of the CPU, and how long each."""

    done: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    with_database: float = 0.0
    taken: list[float] = field(default_factory=list)

    async def add(self, made: Rig, found: list[Line], work: Callable[[Line], Awaitable[int]]) -> None:
        """All nodes at once, until each has done its part."""
        for each in found:
            each.taken.clear()
        before, begun = made.cpu(), time.perf_counter()
        self.done += sum(await asyncio.gather(*map(work, found)))
        self.seconds += time.perf_counter() - begun
        self.cpu, self.with_database = (
            so_far + now - then
            for so_far, now, then in zip((self.cpu, self.with_database), made.cpu(), before, strict=True)
        )
        self.taken += [one for each in found for one in each.taken]

    def say(self, name: str, asked: str) -> None:
        ordered = sorted(self.taken) or [float("nan")]
        p50, p99 = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
        of_all = f"{self.with_database / self.done * 1000:.2f}" if self.with_database > self.cpu else ""
        print(
            f"| {name} | {asked} | {self.done / self.seconds:,.0f} | {p50:.0f} | {p99:.0f} "
            f"| {self.cpu / self.done * 1000:.2f} | {of_all} | {self.cpu / self.seconds:.2f} |",
            flush=True,
        )


async def over_https(made: Rig) -> None:
    tls = made.service.tls()
    claims, ends, beats = Figure(), Figure(), Figure()
    held: dict[str, list[dict[str, object]]] = {}

    async def claiming(line: Line) -> int:
        mine = held[line.token] = []
        while len(mine) < HOLDING:
            mine += await line.claim()
        return len(mine)

    async def finishing(line: Line) -> int:
        for job in held[line.token]:
            await line.finish(job)
        return len(held[line.token])

    async with lines(made.service.url, tls, [each.token() for each in made.nodes]) as found:
        while claims.seconds + ends.seconds < 2 * SECONDS:
            await claims.add(made, found, claiming)
            await ends.add(made, found, finishing)
    claims.say("claims, 8 nodes", "300/s, p99 50 ms")
    ends.say("completions, 8 nodes", "500/s")

    async def beating(line: Line) -> int:
        every = MANY / BEATS
        begun = time.perf_counter() + every * found.index(line) / MANY
        for number in range(round(SECONDS / every)):
            await asyncio.sleep(max(0.0, begun + number * every - time.perf_counter()))
            await line.beat()
        return round(SECONDS / every)

    made.add_nodes(MANY - NODES)
    async with lines(made.service.url, tls, [each.token() for each in made.nodes]) as found:
        # A node's token is verified once in ten minutes.
        await asyncio.gather(*(line.beat() for line in found))
        await beats.add(made, found, beating)
    beats.say(f"heartbeats, 100 nodes, {BEATS} a second", f"{BEATS}/s, 0.30 of a core")


def status_of_all(made: Rig) -> None:
    path = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DataFactory"
        f"/factories/{FACTORY}/integrationRuntimes/{RUNTIME}/getStatus?api-version=2018-06-01"
    )
    figure = Figure()
    with made.service.client() as client:
        for _ in range(100):
            before, begun = made.cpu(), time.perf_counter()
            answer = client.post(path)
            figure.taken.append(time.perf_counter() - begun)
            figure.seconds += figure.taken[-1]
            figure.cpu += made.cpu()[0] - before[0]
            figure.with_database += made.cpu()[1] - before[1]
    figure.done = len(figure.taken)
    assert len(answer.json()["properties"]["typeProperties"]["nodes"]) == MANY, answer.text
    figure.say("status of a runtime of 100 nodes", "50 ms")


def bare(folder: Path, server: Postgres | None) -> None:
    """The loop of one process, and what history costs it."""
    with _two(folder, server) as (young, old):
        old.ended(HISTORY)
        for each in (young, old):
            each.filled(WAITING + 4000)
        for together in (1, NODES):
            begun, cpu = time.perf_counter(), time.process_time()
            young.work(800, together)
            seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
            print(
                f"| bare loop: jobs claimed and ended, {together} a transaction | | {800 / seconds:,.0f} | | "
                f"| {spent / 800 * 1000:.2f} | | {spent / seconds:.2f} |",
                flush=True,
            )
        ratios = sorted(_ratio(young, old, server) for _ in range(9))
        print(f"\n{HISTORY:,} ended jobs: {statistics.median(ratios):.2f} times the CPU of a job "
              f"({ratios[1]:.2f} to {ratios[-2]:.2f}; asked: 1.10)")  # fmt: skip


@contextmanager
def _two(folder: Path, server: Postgres | None) -> Iterator[tuple[Bare, Bare]]:
    made = [
        Database(_address(server, name)) if server else Database(f"sqlite:///{folder / name}.db")
        for name in ("young", "old")
    ]
    try:
        yield Bare.on(made[0]), Bare.on(made[1])
    finally:
        for each in made:
            each.close()


def _ratio(young: Bare, old: Bare, server: Postgres | None) -> float:
    """Old to young: blocks in turn, for the machine's speed drifts."""
    spent = {young: 0.0, old: 0.0}
    for each in itertools.islice(itertools.cycle((young, old, old, young)), 8):
        before = time.process_time() + cpu_of(server)
        each.work(40, NODES)
        spent[each] += time.process_time() + cpu_of(server) - before
    return spent[old] / spent[young]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgresql", action="store_true", help="as the database; default: SQLite")
    on_postgresql = parser.parse_args().postgresql
    with tempfile.TemporaryDirectory() as folder:
        if on_postgresql:
            with postgres(settings=DURABLE) as server:
                _all(Path(folder), server)
        else:
            _all(Path(folder), None)


def _all(folder: Path, server: Postgres | None) -> None:
    print("| | asked | a second | p50 ms | p99 ms | CPU ms each | with PostgreSQL | cores |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    with rig(folder, server) as made:
        asyncio.run(over_https(made))
        status_of_all(made)
    bare(folder, server)


if __name__ == "__main__":
    main()
