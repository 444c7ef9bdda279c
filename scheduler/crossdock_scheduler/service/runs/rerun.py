"""``createRun`` in recovery mode: a run that takes over from an earlier one what that has done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...pipeline.definitions import Factory
from ...pipeline.run import PipelineRun
from ...pipeline.run.records import restored_activity, restored_pipeline
from ...pipeline.run.rerun import taken_over
from ..database.tables import activity_runs, pipeline_runs
from ..definitions.factories import FactoryRow
from ..definitions.secrets import Keeper
from ..errors import ApiError, not_found
from .snapshot import kept
from .store import keep_activity, keep_change


@dataclass(frozen=True, slots=True)
class Recovery:
    """What ``createRun`` asks for. Without ``reference`` it is a run like any other."""

    reference: str = ""
    recovers: bool = False
    start: str = ""
    from_failure: bool = False

    def check(self) -> None:
        """Raises ApiError for what means nothing together."""
        if self.recovers and not self.reference:
            raise _wrong(
                "isRecovery needs referencePipelineRunId: which run is to be repeated?", "isRecovery"
            )
        if (self.start or self.from_failure) and not self.recovers:
            raise _wrong("startActivityName and startFromFailure need isRecovery=true.", "isRecovery")


@dataclass(frozen=True, slots=True)
class Before:
    """The run that is repeated. ``first`` is the id of the first of those that repeat each other."""

    row: Any
    parameters: Mapping[str, Any]
    first: str


def _wrong(message: str, target: str) -> ApiError:
    return ApiError(400, message, "InvalidRerun", target)


def before(
    connection: sa.Connection, factory: FactoryRow, pipeline: str, asked: Recovery, keeper: Keeper
) -> Before | None:
    """The run that is referred to. Raises ApiError where it is another pipeline's, or still goes on."""
    asked.check()
    if not asked.reference:
        return None
    mine = (pipeline_runs.c.run_id == asked.reference, pipeline_runs.c.factory_id == factory.id)
    row = connection.execute(sa.select(pipeline_runs).where(*mine)).first()
    if row is None:
        raise not_found("pipeline run", asked.reference)
    if row.pipeline.lower() != pipeline.lower():
        raise _wrong(
            f"The run {asked.reference} is one of the pipeline {row.pipeline!r}.", "referencePipelineRunId"
        )
    if asked.recovers and row.ended is None:
        raise _wrong(f"The run {asked.reference} has not ended yet.", "referencePipelineRunId")
    record = restored_pipeline(row.record)
    secrets = json.loads(keeper.unlock(row.secrets)) if row.secrets else {}
    return Before(row, {**record.parameters, **secrets}, record.first_run_id or row.run_id)


def take_over(
    connection: sa.Connection,
    found: Before,
    run: PipelineRun,
    definitions: Factory,
    asked: Recovery,
    *,
    same: bool,
) -> None:
    """Write down for the new run what it need not do again; from now on it is the latest of its group.

    ``same`` says that it has the parameters of the earlier one.
    """
    latest = found.first
    while (later := connection.execute(_later(latest)).scalar()) is not None:
        latest = later
    connection.execute(
        sa.update(pipeline_runs).where(pipeline_runs.c.run_id == latest).values(superseded_by=run.run_id)
    )
    if not (asked.start or asked.from_failure):
        return
    pipeline = definitions.find("pipeline", run.pipeline)
    if pipeline is None:
        raise not_found("pipeline", run.pipeline)
    same = same and found.row.definitions == kept(definitions, pipeline)
    query = sa.select(activity_runs.c.record).where(activity_runs.c.pipeline_run_id == found.row.run_id)
    records = [restored_activity(each) for each in connection.execute(query).scalars()]
    try:
        taken = taken_over(pipeline, records, run.run_id, start=asked.start, same=same)
    except ValueError as error:
        raise _wrong(f"startActivityName: {error}.", "startActivityName") from None
    for each in taken.records:
        keep_activity(connection, each)
    for change in taken.changes:
        keep_change(connection, run.run_id, change)


def _later(run_id: str) -> sa.Select[Any]:
    return sa.select(pipeline_runs.c.superseded_by).where(pipeline_runs.c.run_id == run_id)
