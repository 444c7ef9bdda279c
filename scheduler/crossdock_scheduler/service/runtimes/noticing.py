"""Which nodes and runtimes are in another state than was told last; each change is told by one replica."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..database.tables import factories, nodes, resources, runtimes
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

    def as_json(self) -> dict[str, str]:
        found = {"kind": "node" if self.node else "runtime", "factory": self.factory, "runtime": self.runtime}
        return found | ({"node": self.node} if self.node else {}) | {"from": self.before, "to": self.now}


def changes(connection: sa.Connection, now: float, started: float) -> list[Change]:
    """All that have not been told. Where the service has begun a moment ago, nodes that it has not heard of
    since then are waited for."""
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


def claim(connection: sa.Connection, change: Change) -> bool:
    """Whether it is this replica's to tell."""
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
