"""One interactive request, from the definitions that it is about to the node's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync

from ... import clock, telemetry
from ...pipeline.definitions.links import referenced
from ...pipeline.looking import Kind, Look, packed_look
from ...wire import node as wire
from ..context import Service
from ..database.tables import jobs
from ..definitions.factories import FactoryRow
from ..errors import ApiError
from ..queue import Job, NewJob, enqueue, find
from ..runs.places import connected
from ..runs.sealing import sealed
from ..runs.snapshot import factory_now
from ..runtimes import nodes, runtimes, vaults
from ..runtimes.nodes import Node
from ..runtimes.runtimes import Runtime
from .channels import MOST_AT_ONCE, ChannelLost

# Before all pipelines' jobs: somebody waits.
_PRIORITY = 100
_LANE = "interactive"
# Another replica may have heard of the end.
_LOOK_AGAIN = 0.5
# Their ids sort behind those of pipelines' jobs, which are hexadecimal: what a dead replica left is found.
_ID = "look"
_STALE = 600.0


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for the nodes of a runtime, as the database may have it."""

    runtime: Runtime
    nodes: Sequence[Node]
    work: Mapping[str, Any]
    seconds: float

    @property
    def as_job(self) -> bool:
        return runtimes.is_self_contained(self.runtime.resource.properties)


def prepared(
    connection: sa.Connection, service: Service, factory: FactoryRow, runtime: Runtime, name: str,
    *, kind: Kind, look: Look, seconds: float,
) -> Asking:  # fmt: skip
    """``runtime`` does the work of the one of the name. Raises ApiError where it cannot be asked."""
    known = factory_now(connection, factory)
    used = list(referenced(known, look.reference))
    if not used:
        what = "linked service" if look.linkedService else "dataset"
        raise ApiError(
            404, f"The {what} {look.reference['referenceName']!r} was not found.", "ResourceNotFound"
        )
    other = [each for key, each in connected(known, look.reference).items() if key != name.lower()]
    if other:
        raise ApiError(
            400, f"It is reached through the integration runtime {other[0]!r}.", "OtherRuntime", name
        )
    now = clock.now()
    alive = [each for each in nodes.of(connection, runtime) if each.status(now) in ("Online", "Limited")]
    able = [each for each in alive if each.in_step]
    whole = packed_look(known, used, kind, look) | {"trace": telemetry.current().traceparent}
    work = sealed(whole, vaults.of(connection, runtime.id), service.keeper)
    if work is None or not able:
        raise ApiError(503, f"No node of the integration runtime {name!r} is online.", "RuntimeOffline", name)
    return Asking(runtime, able, work, seconds)


async def answered(service: Service, asking: Asking) -> dict[str, Any]:
    """The node's answer. Raises ApiError for what it could not do, and where nobody answers in time."""
    with anyio.move_on_after(asking.seconds):
        said = await (_as_job(service, asking) if asking.as_job else _by_relay(service, asking))
        if said.outcome == "succeeded":
            output: dict[str, Any] = said.result.get("output") or {}
            return output
        error = said.result.get("error") or {}
        raise ApiError(
            400, str(error.get("message") or "The node could not do it."), error.get("errorCode", "")
        )
    raise ApiError(504, f"There was no answer within {asking.seconds:g} seconds.", "InteractiveTimeout")


async def _by_relay(service: Service, asking: Asking) -> wire.Answered | wire.Finish:
    until, left = anyio.current_time() + asking.seconds, {each.id: each for each in asking.nodes}
    while True:
        here = service.channels.of(left)
        if not here:
            break
        if len(here[0].waiting) >= MOST_AT_ONCE:
            raise ApiError(
                503, "The nodes are busy with other interactive requests.", "RelayBusy",
                headers={"Retry-After": "2"},
            )  # fmt: skip
        try:
            return await here[0].ask(asking.work, until - anyio.current_time())
        except ChannelLost:
            # Nothing was changed: another node may be asked.
            del left[here[0].node_id]
    if any(_is_elsewhere(service, each) for each in left.values()):
        # They are connected to another replica: the database is what both have.
        return await _as_job(service, asking)
    name, lost = asking.runtime.resource.name, len(left) < len(asking.nodes)
    raise ApiError(
        503,
        f"The nodes of the integration runtime {name!r} were lost before they answered."
        if lost
        else f"No node of the integration runtime {name!r} has its interactive channel; crossdock "
        "node status says why there. Or set selfContainedInteractiveAuthoringEnabled.",
        "RelayUnavailable",
        name,
    )


def _is_elsewhere(service: Service, node: Node) -> bool:
    """Whether the node has said that it is connected since it was lost here."""
    return bool(node.said["capabilities"].get("relay")) and (
        node.row.seen_at > service.channels.lost.get(node.id, 0.0)
    )


async def _as_job(service: Service, asking: Asking) -> wire.Finish:
    job_id = _ID + uuid4().hex
    try:
        await run_sync(partial(_enqueue, service, asking, job_id))
        while True:
            with service.changed.listening(job_id) as news:
                job = await run_sync(partial(_find, service, job_id))
                if job is None or job.ended:
                    return _finish(job)
                with anyio.move_on_after(_LOOK_AGAIN):
                    await news.wait()
    finally:
        # The answer is nobody else's; a node that is still at it hears that the job is not its own any more.
        with anyio.CancelScope(shield=True):
            await run_sync(partial(_forget, service, job_id))


def _enqueue(service: Service, asking: Asking, job_id: str) -> None:
    now = clock.now()
    with service.database.write() as connection:
        stale = sa.delete(jobs).where(jobs.c.id >= _ID, jobs.c.created < now - _STALE)
        connection.execute(stale)
        new = NewJob(job_id, asking.runtime.id, _LANE, asking.work, _PRIORITY, now + asking.seconds)
        enqueue(connection, new, now)
    service.new_jobs.ring(asking.runtime.id)


def _find(service: Service, job_id: str) -> Job | None:
    with service.database.read() as connection:
        return find(connection, job_id, clock.now())


def _forget(service: Service, job_id: str) -> None:
    with service.database.write() as connection:
        connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))


def _finish(job: Job | None) -> wire.Finish:
    if job is None or job.state not in ("succeeded", "failed"):
        raise ApiError(503, "The request was lost with its integration runtime.", "RelayUnavailable")
    return wire.Finish(epoch=job.epoch, outcome=job.state, result=dict(job.result or {}))
