"""``python -m perf.rig.service_queue [--database URL]``: what the control plane takes, as a process.

Eight nodes, as far as the service can tell, claim and finish jobs of a queue that is filled beforehand,
over HTTPS; then they send heartbeats. Each figure is printed with the CPU of the service's process, which
other work on the machine changes less than the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import jobs, nodes, queues
from crossdock_scheduler.service.queue import Held, claim, finish

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from servers.node_client import NodeClient
from servers.service import ServiceProcess, service

GROUP, FACTORY = "group", "factory"
NODES = 8
WORK = {"activity": {"name": "copy", "typeProperties": {"padding": "x" * 1500}}}

_JOB = {
    "lane": "old", "priority": 0, "turn": 0, "state": "succeeded", "cancelling": False, "epoch": 1,
    "created": 1.0, "claimed": 2.0, "ended": 3.0, "work": WORK, "result": {"output": {"rowsCopied": 1}},
}  # fmt: skip


@dataclass
class Bench:
    """A service with a runtime and its nodes; ``database`` is the service's own, opened beside it."""

    server: ServiceProcess
    database: Database
    runtime: int
    nodes: list[NodeClient]

    def fill(self, count: int) -> None:
        """Jobs of ten pipelines that wait."""
        waiting = {"state": "queued", "epoch": 0, "claimed": None, "ended": None, "result": None}
        with self.database.write() as connection:
            rows = [
                _JOB | waiting | {"id": str(uuid.uuid4()), "runtime_id": self.runtime, "turn": number // 10}
                | {"lane": f"lane{number % 10}"}
                for number in range(count)
            ]  # fmt: skip
            connection.execute(sa.insert(jobs), rows)
            connection.execute(sa.insert(queues).values(runtime_id=self.runtime, turn=0))

    def history(self, count: int) -> None:
        """Jobs that have ended."""
        for _ in range(0, count, 5000):
            rows = [_JOB | {"id": str(uuid.uuid4()), "runtime_id": self.runtime} for _ in range(5000)]
            with self.database.write() as connection:
                connection.execute(sa.insert(jobs), rows)

    def cpu(self) -> float:
        found = psutil.Process(self.server.process.pid).cpu_times()
        return float(found.user + found.system)


@contextmanager
def bench(home: Path, database: str) -> Iterator[Bench]:
    options = ["--database", database] if database else []
    with service(home, *options) as server, server.sdk() as sdk:
        sdk.factories.create_or_update(GROUP, FACTORY, {})
        runtime = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, FACTORY, "here", runtime)
        key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
        opened = Database(database) if database else Database.embedded(home / "service")
        with httpx.Client(base_url=server.url, verify=server.tls(), timeout=60) as http:
            found = [NodeClient(http, f"node{number}") for number in range(NODES)]
            for each in found:
                answer = each.register(key, concurrent_jobs=1000, most_jobs=1000)
                assert answer.status_code == 200, answer.text
                assert each.beat().status_code == 200
            with opened.read() as connection:
                (runtime_id,) = connection.execute(sa.select(nodes.c.runtime_id).limit(1)).one()
            yield Bench(server, opened, runtime_id, found)
        opened.close()


async def timed(
    bench: Bench, work: Callable[[httpx.AsyncClient, NodeClient, str], Awaitable[int]]
) -> tuple[int, float, float]:
    """All nodes at once until each has done; how many, in how many seconds, with how much CPU."""
    tls: ssl.SSLContext = bench.server.tls()
    async with httpx.AsyncClient(base_url=bench.server.url, verify=tls, timeout=60) as http:
        tokens = [each.token() for each in bench.nodes]
        cpu, begun = bench.cpu(), time.perf_counter()
        done = await asyncio.gather(*(work(http, *pair) for pair in zip(bench.nodes, tokens, strict=True)))
        return sum(done), time.perf_counter() - begun, bench.cpu() - cpu


async def post(http: httpx.AsyncClient, path: str, token: str, **body: Any) -> Any:
    answer = await http.post(
        f"/crossdock/v1/nodes/{path}", json=body, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(name: str, done: int, seconds: float, cpu: float, more: str = "") -> None:
    print(
        f"| {name} | {done / seconds:,.0f} | {cpu / done * 1000:.2f} | {cpu / seconds:.2f} | {more} |",
        flush=True,
    )


async def over_https(bench: Bench, count: int) -> None:
    held: list[tuple[NodeClient, str, dict[str, Any]]] = []
    latencies: list[float] = []

    async def claiming(http: httpx.AsyncClient, node: NodeClient, token: str) -> int:
        own = 0
        while own < count // NODES:
            begun = time.perf_counter()
            found = (await post(http, "claim", token, want=1))["jobs"]
            latencies.append(time.perf_counter() - begun)
            if not found:
                break
            held.extend((node, token, each) for each in found)
            own += len(found)
        return own

    async def finishing(http: httpx.AsyncClient, node: NodeClient, token: str) -> int:
        mine = [(token, job) for owner, _, job in held if owner is node]
        for own, job in mine:
            result = {"output": {"rowsCopied": 1}}
            await post(
                http, f"jobs/{job['id']}/finish", own, epoch=job["epoch"], outcome="succeeded", result=result
            )
        return len(mine)

    async def beating(http: httpx.AsyncClient, node: NodeClient, token: str) -> int:
        for _ in range(100):
            await post(http, "heartbeat", token, version="0.1.0", vault=1)
        return 100

    done = await timed(bench, claiming)
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    said("claims, HTTPS", *done, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    said("completions, HTTPS", *await timed(bench, finishing))
    said("heartbeats, HTTPS", *await timed(bench, beating))


def alone(bench: Bench, count: int, name: str) -> float:
    """The queue's functions in this process, a transaction each; CPU seconds per job claimed and ended."""
    node = bench.nodes[0].node_id
    cpu, begun, held = time.process_time(), time.perf_counter(), []
    for _ in range(count):
        with bench.database.write() as connection:
            held += claim(connection, node, 1, 300.0, time.time())
    said(f"claim(), {name}", len(held), time.perf_counter() - begun, spent := time.process_time() - cpu)
    cpu, begun = time.process_time(), time.perf_counter()
    for each in held:
        with bench.database.write() as connection:
            finish(connection, node, Held(each.id, each.epoch), "succeeded", {}, now=time.time())
    more = time.process_time() - cpu
    said(f"finish(), {name}", len(held), time.perf_counter() - begun, more)
    return (spent + more) / len(held)


def status_of_many(bench: Bench) -> None:
    with bench.database.write() as connection:
        row = connection.execute(sa.select(nodes).limit(1)).one()._asdict()
        more = [
            row | {"id": str(uuid.uuid4()), "name": f"m{n}", "name_key": f"m{n}"} for n in range(100 - NODES)
        ]
        connection.execute(sa.insert(nodes), more)
    with bench.server.client() as client:
        path = (
            "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/group/providers/Microsoft.DataFactory"
            "/factories/factory/integrationRuntimes/here/getStatus?api-version=2018-06-01"
        )
        taken, cpu = [], bench.cpu()
        for _ in range(30):
            begun = time.perf_counter()
            answer = client.post(path)
            taken.append(time.perf_counter() - begun)
        assert len(answer.json()["properties"]["typeProperties"]["nodes"]) == 100, answer.text
        said(
            "status of 100 nodes",
            30,
            sum(taken),
            bench.cpu() - cpu,
            f"median {statistics.median(taken) * 1000:.0f} ms",
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="", help="postgresql+psycopg://...; default: SQLite")
    parser.add_argument("--jobs", type=int, default=2000)
    arguments = parser.parse_args()
    print("| | a second | CPU ms each | cores | |\n|---|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder), arguments.database) as found:
        found.fill(10_000)
        asyncio.run(over_https(found, arguments.jobs))
        first = alone(found, 1000, "10,000 waiting")
        found.history(100_000)
        second = alone(found, 1000, "and 100,000 ended")
        print(f"\n{second / first:.2f} times the CPU with 100,000 ended jobs")
        status_of_many(found)


if __name__ == "__main__":
    main()
