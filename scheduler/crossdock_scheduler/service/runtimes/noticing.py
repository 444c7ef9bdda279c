"""Which nodes and runtimes are in another state than was told last.

A change is noted in the transaction that makes it the last one, and stays noted until somebody has told it:
under a lease, so that it is told by one replica, and by another one where that dies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ... import clock
from ..database import Database
from ..database.tables import factories, nodes, notices, resources, runtimes
from .nodes import SILENCE, Node, everywhere
from .status import state

# Before anything was told.
_NODE, _RUNTIME = "Initializing", "NeedRegistration"


@dataclass(frozen=True, slots=True)
class Change:
    """Of a node, or of a runtime where ``node`` is empty."""

    factory: str
    runtime: str
    node: str
    before: str
    now: str
    table: sa.Table
    row: Any

    @property
    def text(self) -> str:
        what = f"the node {self.node} of the integration runtime" if self.node else "the integration runtime"
        return f"{what} {self.runtime} in {self.factory} is {self.now}; it was {self.before}"

    def as_json(self, now: float) -> dict[str, str]:
        found = {"kind": "node" if self.node else "runtime", "factory": self.factory, "runtime": self.runtime}
        found |= ({"node": self.node} if self.node else {}) | {"from": self.before, "to": self.now}
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        return found | {"at": at, "text": self.text}


@dataclass(frozen=True, slots=True)
class Notice:
    """A change that is this replica's to tell, until ``held_until`` (seconds since 1970)."""

    id: int
    held_until: float
    said: Mapping[str, str]


def note(database: Database, now: float, started: float) -> None:
    """Have it that all changes are told. Where the service has begun a moment ago (``started``), nodes that
    it has not heard of since then are waited for."""
    with database.read() as connection:
        found = changes(connection, now, started)
    if not found:
        return
    with database.write() as connection:
        # In the order in which all lock these rows: else one might wait for another, and that for this one.
        for each in sorted(found, key=lambda each: (each.node == "", each.row)):
            if _is_new(connection, each):
                said = {"said": each.as_json(now), "held_until": 0.0}
                connection.execute(sa.insert(notices).values(said))


def take(database: Database, lease: float) -> Notice | None:
    """The oldest that nobody tells, to be told within ``lease`` seconds; None without one."""
    now = clock.now()
    free = notices.c.held_until < now
    with database.read() as connection:
        first = connection.execute(sa.select(sa.func.min(notices.c.id)).where(free)).scalar()
    if first is None:
        return None
    with database.write() as connection:
        mine = sa.update(notices).where(notices.c.id == first, free).values(held_until=now + lease)
        row = connection.execute(mine.returning(notices.c.said)).first()
    return None if row is None else Notice(first, now + lease, row.said)


def told(database: Database, notice: Notice) -> None:
    with database.write() as connection:
        mine = (notices.c.id == notice.id, notices.c.held_until == notice.held_until)
        connection.execute(sa.delete(notices).where(*mine))


def changes(connection: sa.Connection, now: float, started: float) -> list[Change]:
    of: dict[int, list[Node]] = defaultdict(list)
    for node in everywhere(connection):
        of[node.row.runtime_id].append(node)
    query = (
        sa.select(runtimes.c.resource_id, runtimes.c.noticed, resources.c.name, factories.c.name)
        .join(resources, resources.c.id == runtimes.c.resource_id)
        .join(factories, factories.c.id == resources.c.factory_id)
    )
    found: list[Change] = []
    for row in connection.execute(query):
        mine = of[row[0]]
        if now - started > SILENCE or not any(_may_come_back(each, now) for each in mine):
            found += _of_runtime(row, mine, now)
    return found


def _is_new(connection: sa.Connection, change: Change) -> bool:
    """Whether no other replica has noted it."""
    known = change.table.c.noticed
    key = nodes.c.id if change.node else runtimes.c.resource_id
    first = _NODE if change.node else _RUNTIME
    done = connection.execute(
        sa.update(change.table)
        .where(key == change.row, sa.func.coalesce(known, first) == change.before)
        .values(noticed=change.now)
    )
    return done.rowcount == 1


def _may_come_back(node: Node, now: float) -> bool:
    return node.row.seen_at is not None and node.row.stopped_at is None and not node.is_alive(now)


def _of_runtime(row: Any, mine: Sequence[Node], now: float) -> Iterator[Change]:
    resource, noticed, runtime, factory = row
    for each in mine:
        before, status = each.row.noticed or _NODE, each.status(now)
        if status != before:
            yield Change(factory, runtime, each.name, before, status, nodes, each.id)
    before, whole = noticed or _RUNTIME, state(mine, now)
    if whole != before and not (whole == "Offline" and all(each.row.seen_at is None for each in mine)):
        yield Change(factory, runtime, "", before, whole, runtimes, resource)
