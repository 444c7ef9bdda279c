"""What time does to jobs: leases run out, and so do deadlines."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from ..database.tables import jobs


class Swept(NamedTuple):
    """How many jobs were past their deadline, had to be cancelled, and came back to the queue."""

    late: int
    cancelled: int
    back: int


def sweep(connection: sa.Connection, now: float) -> Swept:
    """Give jobs whose lease has run out back to the queue, end those past their deadline.

    A job that comes back keeps its turn and goes before those that came later. Where it was to be
    cancelled, it is.
    """
    over = (jobs.c.state == "claimed", jobs.c.lease_until < now)
    cancelled = _update(*over, jobs.c.cancelling).values(state="cancelled", ended=now)
    # One that is cancelled meanwhile is so at the next time.
    back = _update(*over, ~jobs.c.cancelling).values(state="queued", node_id=None, lease_until=None)
    late = _update(jobs.c.ended.is_(None), jobs.c.deadline < now).values(
        state="timedout", ended=now, epoch=jobs.c.epoch + 1
    )
    return Swept(*(connection.execute(each).rowcount for each in (late, cancelled, back)))


def go_on_until(connection: sa.Connection, since: float, until: float) -> None:
    """Leases that were not over ``since`` are at least that long."""
    shorter = (jobs.c.state == "claimed", jobs.c.lease_until.between(since, until))
    connection.execute(_update(*shorter).values(lease_until=until))


def end_later_than(connection: sa.Connection, late: float, until: float = 0.0) -> None:
    """Leases that were given before the clock was set back, and not renewed since, are over, or hold
    ``until`` then."""
    those = (jobs.c.state == "claimed", jobs.c.lease_until > late)
    # Those that are locked as well: it is done once.
    connection.execute(_update(*those, passing=False).values(lease_until=until))


def _update(*which: sa.ColumnElement[bool], passing: bool = True) -> sa.Update:
    """Of jobs in the order of ids, in which nodes renew leases of many: else each might wait for the other.
    ``passing``: of those that nobody else changes now."""
    these = sa.select(jobs.c.id).where(*which).order_by(jobs.c.id).with_for_update(skip_locked=passing)
    return sa.update(jobs).where(jobs.c.id.in_(these))
