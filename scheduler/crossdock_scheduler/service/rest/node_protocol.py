"""``/crossdock/v1/nodes``: what nodes ask of the service (``wire/node.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import anyio
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request

from ... import clock
from ...wire import node as wire
from ..audit import Entry
from ..auth.bearer import bearer
from ..auth.nodes import registered, signed_in, unregistered
from ..beating import Beat, beaten
from ..context import Service
from ..definitions import keeping, resources
from ..definitions.names import RUNTIME
from ..definitions.resources import Resource
from ..errors import ApiError
from ..headers import address, request_id
from ..queue import Claimed, Claimer, Held, Lost, claim, finish
from ..runtimes import nodes, runtimes, vaults
from ..runtimes.keys import guid_of
from ..runtimes.nodes import Node
from .node_route import NodeRoute, Sent

# Another replica may have put a job into the queue.
_LOOK_AGAIN = 1.0
# Nobody waits for the answer to a heartbeat: those of many nodes are one transaction.
_PAUSE = 0.25

_PREFIX = "/crossdock/v1/nodes"
often = APIRouter(prefix=_PREFIX, tags=["Nodes"], route_class=NodeRoute)
router = APIRouter(prefix=_PREFIX, tags=["Nodes"])


@dataclass(frozen=True, slots=True)
class Asking:
    """A node that has signed in."""

    service: Service
    node: Node

    def note(
        self, connection: sa.Connection, request: Request, operation: str, gone: Sequence[str] = ()
    ) -> None:
        """Has it in the audit log that the node did something, by which other nodes are ``gone``."""
        runtime = resources.by_id(connection, RUNTIME, self.node.row.runtime_id)
        entry = _entry(request, runtime, self.node.id, self.node.name, operation)
        entry.detail = {"deleted": list(gone)} if gone else {}
        self.service.audit.append(connection, entry)


def _asking(request: Request) -> Asking:
    service: Service = request.app.state.service
    with service.database.read() as connection:
        return Asking(service, signed_in(connection, bearer(request)))


Signed = Annotated[Asking, Depends(_asking)]


@router.post("/register")
def register(asked: wire.Register, request: Request) -> wire.Registered:
    service: Service = request.app.state.service
    if asked.protocol != wire.PROTOCOL:
        raise ApiError(
            400,
            f"The service speaks version {wire.PROTOCOL} of the nodes' protocol, the node {asked.protocol}.",
            "ProtocolNotSupported",
        )
    return service.access.attempt(request, lambda: _registered(service, asked, request))


def _registered(service: Service, asked: wire.Register, request: Request) -> wire.Registered:
    guid = guid_of(asked.auth_key) or ""
    with service.database.write() as connection:
        runtime = runtimes.by_guid(connection, guid)
        if runtime is None or not service.keys.is_one(asked.auth_key.strip(), guid, runtime.generations):
            raise ApiError(401, "The auth key is not valid; list the runtime's keys anew.", "InvalidAuthKey")
        node_id, gone = nodes.register(connection, runtime, asked, address(request), now=clock.now())
        resource = runtime.resource
        if vaults.offer(connection, runtime.id, node_id, asked.vault):
            vault = vaults.of(connection, runtime.id)
            keeping.seal_waiting(connection, resource.factory, vault, service.keeper)
        entry = _entry(request, resource, node_id, asked.name, "REGISTER")
        entry.detail = {"deleted": gone} if gone else {}
        service.audit.append(connection, entry)
    service.looked_at.pop(runtime.id, None)
    return wire.Registered(
        node_id=node_id,
        factory=resource.factory.name,
        runtime=resource.name,
        guid=runtime.guid,
        heartbeat=service.heartbeat,
        lease=service.lease,
    )


def _entry(request: Request, runtime: Resource, node_id: str, name: str, operation: str) -> Entry:
    target = f"{runtime.path}/nodes/{name}"
    return Entry(name, node_id, address(request), request_id(request), operation, target, runtime.factory.id)


@often.post("/heartbeat")
async def heartbeat(beat: wire.Heartbeat, sent: Sent) -> wire.Beaten:
    said = Beat(sent.service, sent.node_id, sent.runtime_id, beat, clock.now())
    return await sent.service.database.alike(sent.node_id, said, beaten, _PAUSE)


@often.post("/claim")
async def claim_jobs(asked: wire.Claim, sent: Sent) -> wire.Jobs:
    """Waits for jobs as long as the node wants to."""
    service = sent.service
    came = anyio.current_time()
    until = came + asked.wait
    if service.drain.began:
        raise ApiError(503, "The service is stopping.", headers={"Retry-After": "2"})
    while True:
        # Listening before the look: what is put into the queue between both is heard of.
        with service.new_jobs.listening(sent.runtime_id) as news:
            wanted = _Wanted(service, sent.node_id, asked.want)
            waited = anyio.current_time() - came
            found = await service.database.alike(sent.node_id, wanted, _claimed)
            left = until - anyio.current_time()
            if found or left <= 0 or service.drain.began:
                service.metrics.claimed.inc(len(found))
                told = [_job(each) for each in found]
                return wire.Jobs(jobs=told, lease=service.lease, waited=waited)
            with anyio.move_on_after(min(left, _LOOK_AGAIN)):
                await news.wait()
        if await sent.is_gone():
            return wire.Jobs(jobs=[])  # nobody would hear of what is claimed


@dataclass(frozen=True, slots=True)
class _Wanted:
    """At most so many jobs for a node."""

    service: Service
    node_id: str
    most: int


def _claimed(connection: sa.Connection, asked: Sequence[_Wanted]) -> Sequence[list[Claimed] | ApiError]:
    asked[0].service.database.know_time(connection)
    known = nodes.by_ids(connection, [each.node_id for each in asked])
    there = [number for number, each in enumerate(asked) if each.node_id in known]
    found: list[list[Claimed] | ApiError] = [unregistered() for _ in asked]
    # Runtime by runtime, for each one's queue is locked by it: other replicas lock them in the same order.
    for number in sorted(there, key=lambda number: known[asked[number].node_id].row.runtime_id):
        found[number] = _claimed_by(connection, known[asked[number].node_id], asked[number])
    return found


def _claimed_by(connection: sa.Connection, node: Node, wanted: _Wanted) -> list[Claimed]:
    if not node.in_step:
        return []  # it could not open the secrets of a job
    if node.row.stopped_at is not None or node.said.get("state") == "upgrading":
        return []  # what still asks is a request that it has left behind
    who = Claimer(node.id, node.row.runtime_id, node.row.concurrent_jobs)
    return claim(connection, who, wanted.most, wanted.service.lease, clock.now())


def _job(found: Claimed) -> wire.Job:
    left = None if found.deadline is None else max(0.0, found.deadline - clock.now())
    return wire.Job(id=found.id, epoch=found.epoch, work=dict(found.work), deadline=left)


@often.post("/jobs/{job_id}/finish")
async def finish_job(said: wire.Finish, sent: Sent, job_id: str) -> None:
    """A job that is not the node's any more is answered with 409: its work counts for nothing."""

    def finished(connection: sa.Connection) -> float | None:
        held = Held(job_id, said.epoch)
        try:
            return finish(connection, sent.node_id, held, said.outcome, said.result, now=clock.now())
        except Lost:
            registered(connection, sent.node_id)
            raise

    try:
        took = await sent.service.database.together(job_id, finished)
    except Lost:
        sent.service.metrics.leases_lost.labels("refused").inc()
        raise ApiError(409, "The job is not this node's any more.", "LeaseLost", job_id) from None
    if took is not None:
        sent.service.metrics.job_ended(said.outcome, took)
    sent.service.changed.ring_here(job_id)


@router.post("/company")
def choose_company(wanted: wire.Company, asking: Signed, request: Request) -> None:
    """Whether the runtime may have other nodes."""
    service, node = asking.service, asking.node
    with service.database.write() as connection:
        gone = nodes.be_alone(connection, node, clock.now(), alone=wanted.alone)
        asking.note(connection, request, "ALONE" if wanted.alone else "SHARED", gone)


@router.post("/leave")
def leave(asking: Signed, request: Request) -> None:
    """The node is none any more; what it held is given to others when its lease runs out."""
    with asking.service.database.write() as connection:
        nodes.delete(connection, asking.node)
        asking.note(connection, request, "LEAVE")


router.routes[:0] = often.routes
