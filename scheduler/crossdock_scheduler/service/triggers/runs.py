"""Runs of triggers as ``queryTriggerRuns`` answers them; one again, and one cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..database.tables import pipeline_runs, trigger_runs
from ..definitions import resources
from ..definitions.factories import FactoryRow
from ..definitions.names import TRIGGER
from ..errors import ApiError, not_found
from ..runs.ending import ask_to_end
from ..runs.queries import Row, page_of, window
from . import state
from .starting import RUNNING, WAITING, text

# What waits goes on, and is ``Inprogress`` too. ``Cancelled`` is no word that the SDK lists; it takes any,
# and Data Factory has it for cancelled windows.
_ENDED = ("Succeeded", "Failed", "Cancelled")
_FIELDS = {
    "triggername": "triggerName", "status": "status", "triggerruntimestamp": "triggerRunTimestamp",
}  # fmt: skip


def runs_of(connection: sa.Connection, factory: FactoryRow, asked: Mapping[str, Any]) -> Row:
    query = sa.select(trigger_runs).where(
        trigger_runs.c.factory_id == factory.id, *window(trigger_runs.c.updated, asked)
    )
    rows = [_json(each) for each in connection.execute(query)]
    return page_of(rows, asked, _FIELDS, "triggerRunTimestamp", "triggerRunId")


def _json(row: Any) -> Row:
    times = {"TriggerTime": text(row.created), "ScheduleTime": text(row.tick_end or row.tick)}
    if row.tick_end is not None:
        times |= {"windowStartTime": text(row.tick), "windowEndTime": text(row.tick_end)}
    message = row.message or ("The trigger run was cancelled." if row.status == "Cancelled" else None)
    status = row.status if row.status in _ENDED else "Inprogress"
    return {
        "triggerRunId": row.id, "triggerName": row.name, "triggerType": row.type,
        "triggerRunTimestamp": text(row.created), "status": status,
        "message": message, "properties": times, "triggeredPipelines": row.pipelines, "runDimension": {},
        "dependencyStatus": {},
    }  # fmt: skip


def rerun(connection: sa.Connection, factory: FactoryRow, name: str, run_id: str, now: float) -> None:
    """The window once more, with the definitions of now. Raises ApiError where that cannot be."""
    resource = resources.find(connection, factory, TRIGGER, name)
    trigger = state.locked(connection, resource)
    run = _found(connection, factory, name, run_id)
    if run.tick_end is None:
        raise _refused(name, "only windows of tumbling window triggers can be run again; run its pipelines")
    if trigger.state != state.STARTED or trigger.guid != run.trigger_guid:
        raise _refused(name, "the trigger must be started for one of its windows to be run again")
    same = (trigger_runs.c.trigger_guid == run.trigger_guid, trigger_runs.c.tick == run.tick)
    last = connection.execute(sa.select(trigger_runs).where(*same).order_by(trigger_runs.c.again.desc()))
    latest = last.first()
    if latest is None or latest.ended is None:
        raise _refused(name, "the window is still going on; cancel it first")
    state.add_run(
        connection, resource, trigger.guid, latest.tick, again=latest.again + 1, now=now,
        status=WAITING, tick_end=latest.tick_end, due=now,
    )  # fmt: skip
    state.wake(connection, resource, now)


def cancel(connection: sa.Connection, factory: FactoryRow, name: str, run_id: str, now: float) -> str | None:
    """The id of the pipeline run that is asked to end. A run that has ended stays as it is."""
    resource = resources.find(connection, factory, TRIGGER, name)
    state.locked(connection, resource)
    run = _found(connection, factory, name, run_id)
    if run.ended is not None:
        return None
    if run.status == RUNNING:
        mine = sa.select(pipeline_runs).where(pipeline_runs.c.run_id == run.pipeline_run_id)
        return ask_to_end(connection, connection.execute(mine).one())
    over = {"status": "Cancelled", "ended": now, "updated": now}
    connection.execute(sa.update(trigger_runs).where(trigger_runs.c.id == run_id).values(over))
    return None


def _found(connection: sa.Connection, factory: FactoryRow, name: str, run_id: str) -> Any:
    mine = (trigger_runs.c.id == run_id, trigger_runs.c.factory_id == factory.id)
    row = connection.execute(sa.select(trigger_runs).where(*mine)).first()
    if row is None or row.name.lower() != name.lower():
        raise not_found("trigger run", run_id)
    return row


def _refused(name: str, why: str) -> ApiError:
    return ApiError(400, f"The trigger {name!r}: {why}.", "TriggerRunCannotRerun", name)
