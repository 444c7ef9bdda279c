"""What several replicas do to the same rows of PostgreSQL at once: nobody waits for each other in a circle,
and nothing that was answered is undone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from servers.node_client import public
from servers.waiting import eventually
from test_service_queue import LEASE, NOW, Queue, waits

from crossdock_scheduler import clock
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import jobs, notices
from crossdock_scheduler.service.database.tables import nodes as node_rows
from crossdock_scheduler.service.definitions import factories, keeping, resealing, resources
from crossdock_scheduler.service.definitions.factories import FactoryRow
from crossdock_scheduler.service.definitions.names import LINKED_SERVICE, RUNTIME
from crossdock_scheduler.service.definitions.secrets import Keeper
from crossdock_scheduler.service.noticing import Looks
from crossdock_scheduler.service.queue import Held, go_on_until, renew, sweep
from crossdock_scheduler.service.runtimes import nodes, runtimes, vaults
from crossdock_scheduler.service.runtimes.vaults import OpenVault
from crossdock_scheduler.wire.sealing import MASK

on_postgresql = pytest.mark.parametrize("opened", ["postgresql"], indirect=True)
KEEPER = Keeper.of(b"secret")


@on_postgresql
def test_a_server_that_vanished_is_given_up_in_time_to_renew_leases(opened: Database) -> None:
    with opened.read() as connection:
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver.pgconn.socket)) as its:
            idle, interval, count, unanswered = (
                its.getsockopt(socket.IPPROTO_TCP, each)
                for each in (
                    socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT,
                )
            )  # fmt: skip
    assert 0 < unanswered / 1000 <= nodes.LEASE / 2
    assert idle + interval * count <= nodes.LEASE / 2
    pool: Any = opened.engine.pool
    assert pool.timeout() <= nodes.LEASE / 2


@on_postgresql
def test_time_passes_by_jobs_that_are_renewed(opened: Database) -> None:
    """What goes through all jobs waits for nobody who has one and wants others."""
    queue = Queue.of(opened)
    holder = queue.node()
    names = [queue.add(f"job{number}") for number in range(3)]
    held = {each.id: each for each in queue.claim(holder, 3)}

    def longer() -> None:
        with opened.write() as connection:
            go_on_until(connection, NOW, NOW + 2 * LEASE)

    def swept() -> int:
        with opened.write() as connection:
            return sum(sweep(connection, NOW + 3 * LEASE))

    with ThreadPoolExecutor(1) as pool:
        for late, does in ((0.0, longer), (2 * LEASE, swept)):
            with opened.write() as connection:
                mine = [Held(names[1], held[names[1]].epoch)]
                renew(connection, {holder: mine}, LEASE, NOW + late)
                pool.submit(does).result(30)
            with opened.read() as connection:
                query = sa.select(jobs.c.id, jobs.c.lease_until)
                until = {row.id: row.lease_until for row in connection.execute(query)}
            others = NOW + 2 * LEASE if does is longer else None
            assert until == {names[0]: others, names[1]: NOW + late + LEASE, names[2]: others}


def test_kinds_of_work_are_transactions_of_their_own_where_rows_are_locked(opened: Database) -> None:
    commits: list[sa.Connection] = []
    sa.event.listen(opened.engine, "commit", commits.append)
    found: dict[str, int] = {}
    gate = threading.Event()

    def beats(_: sa.Connection, asked: Sequence[str]) -> Sequence[None]:
        return [found.update({each: len(commits)}) for each in asked]

    def claims(_: sa.Connection, asked: Sequence[str]) -> Sequence[None]:
        return [found.update({each: len(commits)}) for each in asked]

    async def ask_all() -> None:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(opened.together, "first", lambda _: gate.wait(30))
                await anyio.wait_all_tasks_blocked()
                for name in ("1", "2"):
                    group.start_soon(opened.alike, name, f"claim{name}", claims)
                    group.start_soon(opened.together, name, lambda _, n=name: found.update({n: len(commits)}))
                    group.start_soon(opened.alike, name, f"beat{name}", beats)
                await anyio.wait_all_tasks_blocked()
                gate.set()

    anyio.run(ask_all)
    assert [found["claim1"], found["1"], found["beat1"]] == ([1, 1, 1] if opened.is_sqlite else [1, 2, 3])
    assert [found["claim2"], found["2"], found["beat2"]] == [found["claim1"], found["1"], found["beat1"]]


class Kept:
    """A linked service with a secret, in a factory with one runtime."""

    def __init__(self, opened: Database) -> None:
        self.opened = opened
        with opened.write() as connection:
            self.factory: FactoryRow = factories.put(connection, "s", "g", "factory", {})
            runtime = resources.put(connection, self.factory, RUNTIME, "here", {"type": "SelfHosted"})
            self.runtime = runtimes.of(connection, runtime)

    def properties(self, text: str, secret: Any) -> dict[str, Any]:
        inner = {"server": text, "password": {"type": "SecureString", "value": MASK} | secret}
        return {"type": "SqlServer", "typeProperties": inner}

    def sealed(self, version: int, data: str) -> dict[str, Any]:
        return {"sealed": {"vault": self.runtime.guid, "version": version, "data": data}}

    def put(self, connection: sa.Connection, text: str, secret: Any) -> int:
        found = resources.put(connection, self.factory, LINKED_SERVICE, "sql", self.properties(text, secret))
        return found.id

    def vault(self, version: int) -> OpenVault:
        with self.opened.write() as connection:
            runtimes.change(connection, self.runtime, vault_version=version, vault_key="key")
            return vaults.of(connection, self.runtime.id)

    def now(self) -> Any:
        with self.opened.read() as connection:
            return resources.find(connection, self.factory, LINKED_SERVICE, "sql").properties[
                "typeProperties"
            ]


@on_postgresql
def test_sealing_anew_undoes_no_change_made_meanwhile(opened: Database) -> None:
    kept = Kept(opened)
    vault = kept.vault(1)
    with opened.write() as connection:
        number = kept.put(connection, "old", kept.sealed(1, "first"))

    def reseal() -> None:
        with opened.write() as connection:
            data = {f"{number}:typeProperties.password": "second"}
            resealing.reseal(connection, vault, data)

    with ThreadPoolExecutor(1) as pool:
        with opened.write() as connection:
            kept.put(connection, "new", kept.sealed(1, "first"))
            other = pool.submit(reseal)
            eventually(lambda: waits(opened))
        other.result(30)
    assert kept.now() == kept.properties("new", kept.sealed(2, "second"))["typeProperties"]


@on_postgresql
def test_sealing_what_waited_for_a_vault_undoes_no_change_made_meanwhile(opened: Database) -> None:
    kept = Kept(opened)
    with opened.write() as connection:
        kept.put(connection, "old", {"locked": KEEPER.lock("secret")})
    vault = OpenVault(kept.runtime.guid, 1, public(ec.generate_private_key(ec.SECP256R1())))

    def seal() -> None:
        with opened.write() as connection:
            keeping.seal_waiting(connection, kept.factory, vault, KEEPER)

    with ThreadPoolExecutor(1) as pool:
        with opened.write() as connection:
            kept.put(connection, "new", {"locked": KEEPER.lock("secret")})
            other = pool.submit(seal)
            eventually(lambda: waits(opened))
        other.result(30)
    assert kept.now()["server"] == "new"
    assert kept.now()["password"]["sealed"]["version"] == 1


@on_postgresql
def test_a_mask_stands_for_the_secret_as_it_is_sealed_when_the_vault_is_had(opened: Database) -> None:
    kept = Kept(opened)
    vault = kept.vault(1)
    with opened.write() as connection:
        number = kept.put(connection, "old", kept.sealed(1, "first"))

    def change() -> None:
        with opened.write() as connection:
            given = kept.properties("new", {})
            keeping.put(connection, kept.factory, LINKED_SERVICE, "sql", given, keeper=KEEPER)

    with ThreadPoolExecutor(1) as pool:
        with opened.write() as connection:
            nodes.lock(connection, kept.runtime.id)
            other = pool.submit(change)
            eventually(lambda: waits(opened))
            resealing.reseal(connection, vault, {f"{number}:typeProperties.password": "second"})
            runtimes.change(connection, kept.runtime, vault_version=2)
        other.result(30)
    assert kept.now() == kept.properties("new", kept.sealed(2, "second"))["typeProperties"]


def test_nodes_are_waited_for_after_an_outage(opened: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or after the clock was moved: nobody is told that all are offline, unless they stay so."""
    queue, at = Queue.of(opened), [NOW]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    with opened.write() as connection:
        runtimes.of(connection, resources.by_id(connection, RUNTIME, queue.runtime))
    holder = queue.node()

    def hear() -> None:
        with opened.write() as connection:
            heard = sa.update(node_rows).where(node_rows.c.id == holder)
            connection.execute(heard.values(seen_at=at[0]))

    def told() -> set[str]:
        with opened.write() as connection:
            said = connection.execute(sa.delete(notices).returning(notices.c.said)).scalars().all()
        return {each["to"] for each in said}

    def look(seconds: int) -> set[str]:
        for _ in range(seconds):
            at[0] += 1
            looks.look()
        return told()

    looks = Looks(opened)
    look(int(nodes.SILENCE) + 1)
    hear()
    online = look(1)
    assert online
    assert "Offline" not in online
    for outage in (2 * nodes.SILENCE, 3600.0, -3600.0):
        at[0] += outage
        assert look(3) == set()
        hear()
        assert look(1) == set()
    assert look(2 * int(nodes.SILENCE)) == {"Offline"}
