"""What a node's heartbeat changes, and what it is answered: for all that have come, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

import crossdock

from .. import clock
from ..wire import node as wire
from .auth.nodes import unregistered
from .context import Service
from .errors import ApiError
from .queue import Held, renew
from .runtimes import nodes, updating, vaults
from .runtimes.nodes import Node

# Of many nodes not each need look for those that are new.
_LOOK_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class Beat:
    """``at`` is when it came, in seconds since 1970."""

    service: Service
    node_id: str
    runtime_id: int
    said: wire.Heartbeat
    at: float


def beaten(connection: sa.Connection, beats: Sequence[Beat]) -> Sequence[wire.Beaten | ApiError]:
    """In as few statements as can be: each takes longer than what the database does about it."""
    service = beats[0].service
    service.database.know_time(connection)
    known = nodes.by_ids(connection, [each.node_id for each in beats])
    # Of a node that has sent two, the later one counts for what it holds.
    there = {each.node_id: each for each in beats if each.node_id in known}
    if not there:
        return [unregistered() for _ in beats]
    updates = {name: _updates(connection, known[name], each) for name, each in there.items()}
    nodes.heard(connection, {name: (each.said, each.at) for name, each in there.items()})
    held = {
        name: [Held(one.id, one.epoch, one.progress) for one in each.said.holding]
        for name, each in there.items()
    }
    renewed = renew(connection, held, service.lease, clock.now())
    answers = {
        name: _answered(connection, known[name], each, renewed[name], update=updates[name])
        for name, each in there.items()
    }
    return [answers[each.node_id] if each.node_id in there else unregistered() for each in beats]


def _updates(connection: sa.Connection, node: Node, beat: Beat) -> bool:
    wish = beat.said.update
    return updating.concerns(node, wish, beat.said.version) and updating.turn(connection, node, wish, beat.at)


def _answered(
    connection: sa.Connection, node: Node, beat: Beat, renewed: tuple[set[str], set[str]], *, update: bool
) -> wire.Beaten:
    service, said, version = beat.service, beat.said, node.row.vault_version
    lost, cancel = renewed
    key = vaults.key_for(connection, node, version) if said.vault != version else None
    wanting: Sequence[wire.Share] = ()
    if said.vault == version and beat.at - service.looked_at.get(beat.runtime_id, 0.0) > _LOOK_AGAIN:
        service.looked_at[beat.runtime_id] = beat.at
        wanting = vaults.wanting(connection, node, version)
    return wire.Beaten(
        lost=sorted(lost), cancel=sorted(cancel), concurrent_jobs=node.row.concurrent_jobs,
        vault=version, vault_key=key, wanting=list(wanting), lease=service.lease,
        heartbeat=service.heartbeat, latest=crossdock.__version__, update=update,
        vault_wanted=node.row.vault_key is None,
    )  # fmt: skip
