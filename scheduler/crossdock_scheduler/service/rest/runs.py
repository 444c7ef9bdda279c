"""``createRun``, ``.../pipelineruns`` and their activity runs."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import sqlalchemy as sa
from fastapi import Depends, Header, Query

from ... import clock
from ..context import NEW_RUN, Operator, Reader, signed_in_router
from ..database.tables import pipeline_runs
from ..definitions.factories import FactoryRow
from ..errors import not_found
from ..runs.beginning import begin
from ..runs.ending import ask_to_end
from ..runs.queries import activity_runs_of, pipeline_json, pipeline_runs_of
from ..runs.rerun import Recovery, before, take_over
from ..runs.snapshot import factory_now
from .bodies import Body, MaybeBody
from .factories import FACTORY

RUN = FACTORY + "/pipelineruns/{run_id}"

router = signed_in_router("PipelineRuns")


def _recovery(
    reference: Annotated[str, Query(alias="referencePipelineRunId", max_length=64)] = "",
    recovers: Annotated[bool, Query(alias="isRecovery")] = False,
    start: Annotated[str, Query(alias="startActivityName", max_length=260)] = "",
    from_failure: Annotated[bool, Query(alias="startFromFailure")] = False,
) -> Recovery:
    return Recovery(reference, recovers, start, from_failure)


@router.post(FACTORY + "/pipelines/{name}/createrun")
def create_run(
    name: str,
    body: MaybeBody,
    call: Operator,
    recovery: Annotated[Recovery, Depends(_recovery)],
    request_id: Annotated[str | None, Header(alias="x-ms-client-request-id", max_length=64)] = None,
) -> dict[str, str]:
    """Clients send it again with the same request id after an answer that they did not get."""
    with call.write() as (connection, factory):
        known = sa.select(pipeline_runs.c.run_id).where(
            pipeline_runs.c.factory_id == factory.id, pipeline_runs.c.request_id == request_id
        )
        if request_id and (found := connection.execute(known).scalar()):
            return {"runId": str(found)}
        definitions = factory_now(connection, factory)
        earlier = before(connection, factory, name, recovery, call.service.keeper)
        given = {**earlier.parameters, **body} if earlier else body
        repeated = earlier if recovery.recovers else None
        run = begin(
            connection, factory, definitions, name, given, keeper=call.service.keeper, request_id=request_id,
            run_id=str(uuid4()), started=clock.moment(), first_run_id=repeated.first if repeated else "",
        )  # fmt: skip
        if repeated:
            take_over(connection, repeated, run, definitions, recovery, same=not body)
    call.service.changed.ring(NEW_RUN)
    return {"runId": run.run_id}


@router.get(RUN)
def get(run_id: str, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        return pipeline_json(_found(connection, factory, run_id))


@router.post(f"{RUN}/cancel")
def cancel(run_id: str, call: Operator) -> None:
    """Ends the run and those that it called; one that has ended stays as it is."""
    with call.write() as (connection, factory):
        group = ask_to_end(connection, _found(connection, factory, run_id))
    call.service.changed.ring(group)


@router.post(FACTORY + "/querypipelineruns")
def query(body: Body, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        return pipeline_runs_of(connection, factory, body)


@router.post(f"{RUN}/queryactivityruns")
def query_activities(run_id: str, body: Body, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        _found(connection, factory, run_id)
        return activity_runs_of(connection, run_id, body)


def _found(connection: sa.Connection, factory: FactoryRow, run_id: str) -> Any:
    mine = (pipeline_runs.c.run_id == run_id, pipeline_runs.c.factory_id == factory.id)
    row = connection.execute(sa.select(pipeline_runs).where(*mine)).first()
    if row is None:
        raise not_found("pipeline run", run_id)
    return row
