"""Jobs before and after a node has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..database.tables import jobs, queues

State = Literal["queued", "claimed", "succeeded", "failed", "cancelled", "timedout"]
ENDED = ("succeeded", "failed", "cancelled", "timedout")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to come. ``id`` says which it is: enqueued again it is the same job.

    ``lane`` is what the queue is fair between: a pipeline. The highest ``priority`` goes first. After
    ``deadline``, in seconds since 1970, nobody has to do it any more.
    """

    id: str
    runtime_id: int
    lane: str
    work: Mapping[str, Any]
    priority: int = 0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. ``queued_for`` is the seconds that it waited, or waits."""

    id: str
    state: State
    epoch: int
    node_id: str | None
    queued_for: float
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def enqueue(connection: sa.Connection, job: NewJob, now: float) -> bool:
    """Whether it is a new one: a job that is known already stays as it is.

    Its turn is the one after the last of its lane, and not before the turn that the queue has come to: each
    lane gets a job in turn, however many it has waiting (start-time fair queuing, Goyal et al. 1996).
    """
    turn = sa.select(queues.c.turn).where(queues.c.runtime_id == job.runtime_id)
    last = sa.select(sa.func.max(jobs.c.turn)).where(
        jobs.c.runtime_id == job.runtime_id, jobs.c.lane == job.lane, jobs.c.state == "queued"
    )
    come = connection.execute(turn).scalar()
    if come is None:
        come = _begin(connection, job.runtime_id)
    after = connection.execute(last).scalar()
    values = {
        "id": job.id, "runtime_id": job.runtime_id, "lane": job.lane, "priority": job.priority,
        "turn": come if after is None else max(come, after + 1), "state": "queued", "cancelling": False,
        "epoch": 0, "deadline": job.deadline, "created": now, "work": dict(job.work),
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(jobs).values(values))
    except IntegrityError:
        if find(connection, job.id, now) is None:
            raise
        return False
    return True


def _begin(connection: sa.Connection, runtime_id: int) -> int:
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(queues).values(runtime_id=runtime_id, turn=0))
    except IntegrityError:
        # Another replica has, at the same moment.
        found = connection.execute(sa.select(queues.c.turn).where(queues.c.runtime_id == runtime_id)).scalar()
        if found is None:
            raise
        return int(found)
    return 0


def find(connection: sa.Connection, job_id: str, now: float) -> Job | None:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        return None
    waited = (row.claimed or row.ended or now) - row.created
    return Job(row.id, row.state, row.epoch, row.node_id, max(0.0, waited), row.progress, row.result)


def cancel(connection: sa.Connection, job_id: str, now: float) -> None:
    """End it: at once while it waits, else its node is told when it renews the lease."""
    mine = jobs.c.id == job_id
    waiting = sa.update(jobs).where(mine, jobs.c.state == "queued")
    connection.execute(waiting.values(state="cancelled", ended=now))
    connection.execute(sa.update(jobs).where(mine, jobs.c.state == "claimed").values(cancelling=True))
