"""What nodes do with jobs. Whoever lost a lease is refused by the epoch of a later claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ..database.tables import jobs, nodes, queues

Outcome = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that the node now has, until ``lease_until`` (seconds since 1970)."""

    id: str
    epoch: int
    work: Mapping[str, Any]
    lease_until: float
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a node has, as it says itself. ``progress`` is what its output would be by now."""

    id: str
    epoch: int
    progress: Mapping[str, Any] | None = None


class Lost(Exception):
    """The job is not, or not any more, this node's: it must stop, and nothing of it counts."""


def claim(connection: sa.Connection, node_id: str, want: int, lease: float, now: float) -> list[Claimed]:
    """At most ``want`` jobs of the node's runtime, within the limit of the node.

    Highest priority first, then lanes in turn. Exactly one of any number of racing nodes gets a job.
    """
    # The node's row is locked: two claims at once would both find room.
    node = connection.execute(
        sa.select(nodes.c.runtime_id, nodes.c.concurrent_jobs).where(nodes.c.id == node_id).with_for_update()
    ).first()
    if node is None:
        raise Lost
    running = sa.select(sa.func.count()).where(jobs.c.node_id == node_id, jobs.c.state == "claimed")
    room = min(want, node.concurrent_jobs - (connection.execute(running).scalar() or 0))
    if room <= 0:
        return []
    rows = connection.execute(
        sa.select(jobs.c.id, jobs.c.epoch, jobs.c.turn, jobs.c.work, jobs.c.deadline)
        .where(jobs.c.runtime_id == node.runtime_id, jobs.c.state == "queued")
        .order_by(jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)
        .limit(room)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return []
    until = now + lease
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.id.in_([row.id for row in rows]))
        .values(
            state="claimed", epoch=jobs.c.epoch + 1, node_id=node_id, lease_until=until,
            claimed=sa.func.coalesce(jobs.c.claimed, now),
        )
    )  # fmt: skip
    come = max(row.turn for row in rows)
    connection.execute(
        sa.update(queues)
        .where(queues.c.runtime_id == node.runtime_id, queues.c.turn < come)
        .values(turn=come)
    )
    return [Claimed(row.id, row.epoch + 1, row.work, until, row.deadline) for row in rows]


def renew(
    connection: sa.Connection, node_id: str, held: Sequence[Held], lease: float, now: float
) -> tuple[set[str], set[str]]:
    """Keep jobs for another ``lease`` seconds; the ids of those lost, and of those to be cancelled."""
    if not held:
        return set(), set()
    mine = (jobs.c.id.in_([each.id for each in held]), jobs.c.node_id == node_id, jobs.c.state == "claimed")
    rows = {
        row.id: row
        for row in connection.execute(
            sa.select(jobs.c.id, jobs.c.epoch, jobs.c.cancelling).where(*mine).with_for_update()
        )
    }
    kept = [each for each in held if each.id in rows and rows[each.id].epoch == each.epoch]
    if kept:
        ids = [each.id for each in kept]
        connection.execute(sa.update(jobs).where(jobs.c.id.in_(ids)).values(lease_until=now + lease))
    for each in kept:
        if each.progress is not None:
            said = sa.update(jobs).where(jobs.c.id == each.id).values(progress=dict(each.progress))
            connection.execute(said)
    lost = {each.id for each in held} - {each.id for each in kept}
    return lost, {each.id for each in kept if rows[each.id].cancelling}


def finish(
    connection: sa.Connection,
    node_id: str,
    held: Held,
    outcome: Outcome,
    result: Mapping[str, Any],
    *,
    now: float,
) -> float | None:
    """End a job; the seconds since it was first claimed. Said again by the same holder it changes nothing,
    and there is None; raises Lost for any other."""
    same = (jobs.c.id == held.id, jobs.c.node_id == node_id, jobs.c.epoch == held.epoch)
    done = connection.execute(
        sa.update(jobs)
        .where(*same, jobs.c.state == "claimed")
        .values(state=outcome, result=dict(result), ended=now, lease_until=None)
        .returning(jobs.c.claimed)
    ).first()
    if done is not None:
        return max(0.0, now - float(done.claimed))
    again = connection.execute(sa.select(jobs.c.id).where(*same, jobs.c.state == outcome)).first()
    if again is None:
        raise Lost
    return None
