"""Runs that end otherwise than by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ... import clock
from ...pipeline.run.records import derived_id, restored_activity, restored_pipeline, stored
from ..database.tables import activity_runs, pipeline_runs
from ..queue import cancel
from . import tracing


def ask_to_end(connection: sa.Connection, row: Any) -> str:
    """End a run and those that it called, or have their driver do it; returns the id of their group.

    One that has ended stays as it is.
    """
    if row.driver is None and row.ended is None:
        cancelled(connection, row.group_id)
    else:
        asked = sa.update(pipeline_runs).where(pipeline_runs.c.run_id == row.group_id)
        connection.execute(asked.values(cancelling=True))
    return str(row.group_id)


def cancelled(connection: sa.Connection, group_id: str) -> None:
    """All runs of a group that are going on, and their activities, are cancelled."""
    now, moment = clock.now(), clock.moment()
    open_runs = connection.execute(
        sa.select(pipeline_runs.c.run_id, pipeline_runs.c.record).where(
            pipeline_runs.c.group_id == group_id, pipeline_runs.c.ended.is_(None)
        )
    ).all()
    for row in open_runs:
        run = replace(restored_pipeline(row.record), status="Cancelled", ended=moment)
        values = {"record": stored(run), "status": "Cancelled", "ended": now, "updated": now}
        connection.execute(
            sa.update(pipeline_runs).where(pipeline_runs.c.run_id == row.run_id).values(values)
        )
        going = (activity_runs.c.pipeline_run_id == row.run_id, activity_runs.c.ended.is_(None))
        for each in connection.execute(sa.select(activity_runs).where(*going)).all():
            activity = replace(restored_activity(each.record), status="Cancelled", ended=moment, state=None)
            connection.execute(
                sa.update(activity_runs)
                .where(
                    activity_runs.c.pipeline_run_id == row.run_id,
                    activity_runs.c.key == each.key,
                    activity_runs.c.attempt == each.attempt,
                )
                .values(record=stored(activity), ended=now, updated=now)
            )
            tracing.activity_ended(group_id, activity)
        tracing.pipeline_ended(run)


def cancel_jobs(connection: sa.Connection, factory_id: int) -> None:
    """Nodes stop what they do for a factory."""
    query = (
        sa.select(activity_runs.c.record)
        .join(pipeline_runs, pipeline_runs.c.run_id == activity_runs.c.pipeline_run_id)
        .where(pipeline_runs.c.factory_id == factory_id, activity_runs.c.ended.is_(None))
    )
    for record in connection.execute(query).scalars().all():
        activity = restored_activity(record).run_id
        # A staged copy between two runtimes is a job on each.
        for job_id in (activity, *(derived_id(activity, hop) for hop in ("out", "in"))):
            cancel(connection, job_id, clock.now())


def release(connection: sa.Connection, driver: str) -> None:
    """The runs of a process that stops are anybody's."""
    mine = (pipeline_runs.c.driver == driver, pipeline_runs.c.ended.is_(None))
    connection.execute(sa.update(pipeline_runs).where(*mine).values(driven_until=0.0))
