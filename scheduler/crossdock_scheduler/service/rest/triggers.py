"""Triggers and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response

from ... import clock
from ..context import Contributor, Operator, Reader, signed_in_router
from ..definitions import keeping, resources, types
from ..definitions.matching import is_known
from ..definitions.names import TRIGGER
from ..definitions.resources import Resource
from ..errors import ApiError
from ..runs.queries import page_of
from ..triggers import runs, state
from ..triggers.reading import SCHEDULE, TUMBLING, normal
from .bodies import Body
from .definitions import properties_of
from .factories import FACTORY, IfMatch, IfNoneMatch, SkipToken
from .paging import PAGE, after, page

ALL = FACTORY + "/triggers"
ONE = ALL + "/{name}"
RUN = ONE + "/triggerruns/{run_id}"

router = signed_in_router("Triggers")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A trigger with its state, as it is answered."""

    resource: Resource
    state: str

    @property
    def name(self) -> str:
        return self.resource.name

    def as_json(self) -> dict[str, Any]:
        found = self.resource.as_json()
        found["properties"] = {**found["properties"], "runtimeState": self.state}
        return found


def _shown(connection: sa.Connection, found: Sequence[Resource]) -> list[_Shown]:
    states = state.states(connection, found)
    return [_Shown(each, states.get(each.id, state.STOPPED)) for each in found]


@router.put(ONE, operation_id="put_triggers")
def put(name: str, body: Body, call: Contributor, if_match: IfMatch = None) -> dict[str, Any]:
    """A trigger that is new is stopped; one that is started stays as it is."""
    given = normal(types.repaired(TRIGGER, name, properties_of(body)))
    with call.write() as (connection, factory):
        state.check_put(connection, resources.look(connection, factory, TRIGGER, name), given)
        made = keeping.put(
            connection, factory, TRIGGER, name, given, keeper=call.service.keeper, if_match=if_match
        )
        state.locked(connection, made)
        return _shown(connection, [made])[0].as_json()


@router.get(ONE, operation_id="get_triggers")
def get(name: str, call: Reader, if_none_match: IfNoneMatch = None) -> Any:
    with call.read() as (connection, factory):
        found = resources.find(connection, factory, TRIGGER, name)
        if is_known(if_none_match, found.etag):
            return Response(status_code=304)
        return _shown(connection, [found])[0].as_json()


@router.delete(ONE, operation_id="delete_triggers")
def delete(name: str, call: Contributor) -> Response:
    with call.write() as (connection, factory):
        found = resources.look(connection, factory, TRIGGER, name)
        if found is not None:
            state.before_deletion(connection, found, clock.now())
        there = keeping.delete(connection, factory, TRIGGER, name)
    return Response(status_code=200 if there else 204)


@router.get(ALL, operation_id="list_triggers")
def listed(request: Request, call: Reader, skip: SkipToken = None) -> dict[str, Any]:
    with call.read() as (connection, factory):
        found = resources.listed(connection, factory, TRIGGER, after(skip), PAGE + 1)
        return page(request, _shown(connection, found))


@router.post(FACTORY + "/querytriggers")
def query(body: Body, call: Reader) -> dict[str, Any]:
    """All, or those that depend on ``parentTriggerName``."""
    with call.read() as (connection, factory):
        found = resources.listed(connection, factory, TRIGGER)
        parent = body.get("parentTriggerName")
        if parent is not None:
            found = [each for each in found if str(parent).lower() in state.needed_by(each)]
        rows = [each.as_json() for each in _shown(connection, found)]
    return page_of(rows, {"continuationToken": body.get("continuationToken")}, {}, "name", "id")


@router.post(f"{ONE}/start")
def start(name: str, call: Operator) -> None:
    with call.write() as (connection, factory):
        state.start(connection, resources.find(connection, factory, TRIGGER, name), clock.now())


@router.post(f"{ONE}/stop")
def stop(name: str, call: Operator) -> None:
    with call.write() as (connection, factory):
        state.stop(connection, resources.find(connection, factory, TRIGGER, name))


@router.post(f"{ONE}/subscribetoevents")
def subscribe(name: str, call: Operator) -> None:
    with call.read() as (connection, factory):
        found = resources.find(connection, factory, TRIGGER, name)
    raise ApiError(
        400, f"The trigger {found.name!r} is a {found.properties['type']}: this service gets no events, and "
        f"runs {SCHEDULE} and {TUMBLING}.", "TriggerTypeNotSupported", found.name,
    )  # fmt: skip


@router.post(f"{ONE}/unsubscribefromevents")
def unsubscribe(name: str, call: Operator) -> None:
    """There is nothing to be undone."""
    with call.read() as (connection, factory):
        resources.find(connection, factory, TRIGGER, name)


@router.post(f"{ONE}/geteventsubscriptionstatus")
def subscription(name: str, call: Reader) -> dict[str, str]:
    with call.read() as (connection, factory):
        return {
            "triggerName": resources.find(connection, factory, TRIGGER, name).name,
            "status": "Disabled",
        }


@router.post(FACTORY + "/querytriggerruns")
def query_runs(body: Body, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        return runs.runs_of(connection, factory, body)


@router.post(f"{RUN}/rerun")
def rerun(name: str, run_id: str, call: Operator) -> None:
    with call.write() as (connection, factory):
        runs.rerun(connection, factory, name, run_id, clock.now())


@router.post(f"{RUN}/cancel")
def cancel(name: str, run_id: str, call: Operator) -> None:
    with call.write() as (connection, factory):
        group = runs.cancel(connection, factory, name, run_id, clock.now())
    if group is not None:
        call.service.changed.ring(group)
