"""The bare loop: the queue's own transactions in one process, without HTTP and without a service.

What they cost with a history and without is told by two databases of one kind, in turn.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.migrate import migrate
from crossdock_scheduler.service.database.tables import jobs, nodes, queues
from crossdock_scheduler.service.definitions import factories, resources
from crossdock_scheduler.service.definitions.names import RUNTIME
from crossdock_scheduler.service.queue import Claimer, Held, claim, finish

WORK = {"activity": {"name": "copy", "typeProperties": {"padding": "x" * 1500}}}
_WAITING = {"priority": 0, "state": "queued", "cancelling": False, "epoch": 0, "created": 1.0, "work": WORK}
_AT_ONCE = 5000


def waiting(connection: sa.Connection, runtime: int, count: int) -> None:
    """Jobs of ten pipelines."""
    for first in range(0, count, _AT_ONCE):
        connection.execute(
            sa.insert(jobs),
            [
                _WAITING
                | {"id": str(uuid.uuid4()), "runtime_id": runtime}
                | {"turn": number // 10, "lane": f"lane{number % 10}"}
                for number in range(first, min(first + _AT_ONCE, count))
            ],
        )


@dataclass(frozen=True)
class Bare:
    """A database of its own, with a runtime that has one node."""

    database: Database
    who: Claimer

    @classmethod
    def on(cls, database: Database) -> Bare:
        migrate(database)
        node = str(uuid.uuid4())
        with database.write() as connection:
            factory = factories.put(connection, "s", "g", "factory", {})
            runtime = resources.put(connection, factory, RUNTIME, "here", {"type": "SelfHosted"}).id
            values = {"id": node, "runtime_id": runtime, "name": "n", "name_key": "n", "said": {}}
            values |= {"concurrent_jobs": 1000, "most_jobs": 1000, "registered": datetime.now(UTC)}
            values |= dict.fromkeys(("machine", "version", "address", "signing_key", "sealing_key"), "")
            connection.execute(sa.insert(nodes).values(values))
            connection.execute(sa.insert(queues).values(runtime_id=runtime, turn=0))
        return cls(database, Claimer(node, runtime, 1000))

    def ended(self, count: int) -> None:
        """Jobs that have gone the way of all jobs, with what updates leave behind."""
        with self.database.write() as connection:
            waiting(connection, self.who.runtime_id, count)
        for state, values in (
            (
                "queued",
                {"state": "claimed", "epoch": 1, "node_id": self.who.id, "lease_until": 9.0, "claimed": 2.0},
            ),
            ("claimed", {"state": "succeeded", "ended": 3.0, "lease_until": None, "result": {"output": {}}}),
        ):
            with self.database.write() as connection:
                connection.execute(sa.update(jobs).where(jobs.c.state == state).values(values))

    def filled(self, count: int) -> None:
        with self.database.write() as connection:
            waiting(connection, self.who.runtime_id, count)

    def work(self, count: int, together: int) -> None:
        """Claim ``count`` jobs, ``together`` of them a transaction, then end them."""
        held: list[Held] = []
        for _ in range(0, count, together):
            with self.database.write() as connection:
                for _ in range(together):
                    found = claim(connection, self.who, 1, 300.0, time.time())
                    held += [Held(each.id, each.epoch) for each in found]
        assert len(held) == count
        for first in range(0, count, together):
            with self.database.write() as connection:
                for each in held[first : first + together]:
                    finish(connection, self.who.id, each, "succeeded", {"output": {}}, now=time.time())
