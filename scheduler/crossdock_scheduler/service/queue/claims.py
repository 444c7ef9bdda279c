"""What nodes do with jobs. Whoever lost a lease is refused by the epoch of a later claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ..database.tables import jobs, queues

Outcome = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Claimer:
    """A node that has room for ``most`` jobs of its runtime at once."""

    id: str
    runtime_id: int
    most: int


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


# Statements are made once: making one takes longer than what the database does about it. States are written
# out, for only so an index of the jobs in that state is used.
_ID = sa.bindparam("job", type_=sa.String)
_NODE = sa.bindparam("node", type_=sa.String)
_EPOCH = sa.bindparam("its_epoch", type_=sa.Integer)
_NOW = sa.bindparam("now", type_=sa.Float)
_UNTIL = sa.bindparam("until", type_=sa.Float)
_IS_QUEUED = jobs.c.state == sa.literal_column("'queued'")
_IS_CLAIMED = jobs.c.state == sa.literal_column("'claimed'")
_WANT = sa.bindparam("want", type_=sa.Integer)
_FREE = (
    sa.select((sa.bindparam("most", type_=sa.Integer) - sa.func.count()).label("jobs"))
    .where(jobs.c.node_id == _NODE, _IS_CLAIMED)
    .subquery("free")
)
_ROOM = sa.select(sa.case((_FREE.c.jobs < 0, 0), (_FREE.c.jobs < _WANT, _FREE.c.jobs), else_=_WANT))
# Two limits: PostgreSQL plans for so many rows as the first one says, and locks no more than the second.
_FIRST = (
    sa.select(jobs.c.id)
    .where(jobs.c.runtime_id == sa.bindparam("runtime"), _IS_QUEUED)
    .order_by(jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)
    .limit(_WANT)
    .with_for_update(skip_locked=True)
    .subquery("first")
)
_NEXT = sa.select(_FIRST.c.id).limit(_ROOM.scalar_subquery()).cte("next")
_CLAIM = (
    sa.update(jobs)
    .where(jobs.c.id.in_(sa.select(_NEXT.c.id)))
    .values(
        state="claimed", epoch=jobs.c.epoch + 1, node_id=_NODE, lease_until=_UNTIL,
        claimed=sa.func.coalesce(jobs.c.claimed, _NOW),
    )
    .returning(
        jobs.c.id, jobs.c.epoch, jobs.c.priority, jobs.c.turn, jobs.c.work, jobs.c.deadline,
        sa.select(queues.c.turn).where(queues.c.runtime_id == sa.bindparam("runtime"))
        .scalar_subquery().label("come"),
    )
)  # fmt: skip
_COME = (
    sa.update(queues)
    .where(queues.c.runtime_id == sa.bindparam("runtime"), queues.c.turn < sa.bindparam("come"))
    .values(turn=sa.bindparam("come"))
)


def claim(connection: sa.Connection, who: Claimer, want: int, lease: float, now: float) -> list[Claimed]:
    """At most ``want`` jobs of the node's runtime, within the limit of the node, whose row is locked: two
    claims at once would both find room.

    Highest priority first, then lanes in turn. Exactly one of any number of racing nodes gets a job.
    """
    until, runtime = now + lease, {"runtime": who.runtime_id}
    asked = {"node": who.id, "most": who.most, "want": want, "until": until, "now": now} | runtime
    rows = connection.execute(_CLAIM, asked).all()
    if not rows:
        return []
    come = max(row.turn for row in rows)
    if rows[0].come is not None and rows[0].come < come:
        connection.execute(_COME, runtime | {"come": come})
    in_order = sorted(rows, key=lambda row: (-row.priority, row.turn, row.id))
    return [Claimed(row.id, row.epoch, row.work, until, row.deadline) for row in in_order]


_THESE = (
    sa.select(jobs.c.id, jobs.c.epoch, jobs.c.cancelling, jobs.c.node_id)
    .where(jobs.c.id.in_(sa.bindparam("jobs", expanding=True)), _IS_CLAIMED)
    .order_by(jobs.c.id)
    .with_for_update()
)
# What another replica has confirmed since then stays; what is later is of a clock that was set back.
_LATER = jobs.c.lease_until.between(_UNTIL, sa.bindparam("most", type_=sa.Float))
_RENEW = (
    sa.update(jobs)
    .where(jobs.c.id.in_(sa.bindparam("jobs", expanding=True)))
    .values(lease_until=sa.case((_LATER, jobs.c.lease_until), else_=_UNTIL))
)
_PROGRESS = sa.update(jobs).where(jobs.c.id == _ID).values(progress=sa.bindparam("said"))


def renew(
    connection: sa.Connection, holders: Mapping[str, Sequence[Held]], lease: float, now: float
) -> Mapping[str, tuple[set[str], set[str]]]:
    """Keep what nodes, by their ids, hold for another ``lease`` seconds: for each the ids of jobs that it has
    lost, and of those to be cancelled."""
    asked = [each.id for held in holders.values() for each in held]
    if not asked:
        return {node_id: (set(), set()) for node_id in holders}
    rows = {row.id: row for row in connection.execute(_THESE, {"jobs": asked})}
    kept = [
        each
        for node_id, held in holders.items()
        for each in held
        if (row := rows.get(each.id)) and (row.node_id, row.epoch) == (node_id, each.epoch)
    ]
    if kept:
        until = now + lease
        asked_for = {"jobs": [each.id for each in kept], "until": until, "most": until + lease / 2}
        connection.execute(_RENEW, asked_for)
    if told := [{"job": each.id, "said": dict(each.progress)} for each in kept if each.progress is not None]:
        connection.execute(_PROGRESS, told)
    mine = {id(each) for each in kept}
    return {
        node_id: (
            {each.id for each in held if id(each) not in mine},
            {each.id for each in held if id(each) in mine and rows[each.id].cancelling},
        )
        for node_id, held in holders.items()
    }


_SAME = (jobs.c.id == _ID, jobs.c.node_id == _NODE, jobs.c.epoch == _EPOCH)
_FINISH = (
    sa.update(jobs)
    .where(*_SAME, _IS_CLAIMED)
    .values(state=sa.bindparam("outcome"), result=sa.bindparam("said"), ended=_NOW, lease_until=None)
    .returning(jobs.c.claimed)
)
_FINISHED = sa.select(jobs.c.id).where(*_SAME, jobs.c.state == sa.bindparam("outcome"))


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
    same = {"job": held.id, "node": node_id, "its_epoch": held.epoch, "outcome": outcome}
    done = connection.execute(_FINISH, same | {"said": dict(result), "now": now}).first()
    if done is not None:
        return max(0.0, now - float(done.claimed))
    if connection.execute(_FINISHED, same).first() is None:
        raise Lost
    return None
