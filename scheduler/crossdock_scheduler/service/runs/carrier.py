"""Leaf activities as jobs in the queue of an integration runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync

from ... import clock
from ...pipeline.activity_types import Attempt, Hop
from ...pipeline.copy.hops import joined
from ...pipeline.run.failure import ActivityFailed
from ...pipeline.run.records import derived_id
from ...pipeline.run.shipping import packed
from ..context import Service
from ..database.tables import resources
from ..definitions.names import RUNTIME
from ..definitions.resources import Resource, by_id
from ..queue import Job, NewJob, cancel, enqueue, find
from ..runtimes import runtimes, sharing, vaults
from .hold import Hold
from .places import Places, places_of
from .sealing import sealed
from .tracing import traced

# Another replica may have heard of the end; and seconds for which a cancelled job is waited for.
_LOOK_AGAIN = 2.0
_GRACE = 60.0
_LANE = 260


@dataclass(frozen=True, slots=True)
class QueueCarrier:
    """``Carrier`` of the interpreter. A job has the id of the activity run: after a crash it is the same.

    ``is_leaving``: whether this process stops; another goes on with the run, and jobs are left alone.
    """

    service: Service
    factory_id: int
    group_id: str
    is_leaving: Callable[[], bool]
    hold: Hold

    async def carry(self, attempt: Attempt) -> Mapping[str, Any]:
        places = places_of(attempt)
        if places.source.lower() == places.sink.lower():
            return _output(await self._done(attempt, places.source))
        return await self._by_stage(attempt, places)

    async def _by_stage(self, attempt: Attempt, places: Places) -> Mapping[str, Any]:
        """A staged copy between two runtimes: a job on each, one after the other."""
        try:
            first = _output(await self._done(_hop(attempt, "out"), places.source))
            second = _output(await self._done(_hop(attempt, "in"), places.sink))
        except ActivityFailed:
            await self._done(_hop(attempt, "remove"), places.source)
            raise
        except anyio.get_cancelled_exc_class():
            if not (self.hold.lost or self.is_leaving()):
                with anyio.move_on_after(_GRACE, shield=True):
                    await self._done(_hop(attempt, "remove"), places.source)
            raise
        return joined(first, second)

    async def _done(self, attempt: Attempt, runtime: str) -> Job:
        """The job of the attempt when it has ended."""
        while not await run_sync(self._enqueue, attempt, runtime):
            # Its secrets can be sealed when the first node has registered.
            await anyio.sleep(_LOOK_AGAIN)
        try:
            return await self._ended(attempt)
        except anyio.get_cancelled_exc_class():
            if self.hold.lost or self.is_leaving():
                raise
            with anyio.move_on_after(_GRACE, shield=True):
                await run_sync(self._cancel, attempt.run_id)
                await self._ended(attempt)
            raise

    def _enqueue(self, attempt: Attempt, runtime: str) -> bool:
        """Whether it could be: secrets of the work can be sealed when a node has registered."""
        with self.hold.needed(), self.service.database.write() as connection:
            runtime_id, shared = self._runtime(connection, runtime)
            whole = packed(attempt) | traced(self.group_id, attempt)
            work = sealed(whole, vaults.of(connection, runtime_id), self.service.keeper)
            if work is None:
                return False
            lane = attempt.pipeline.name.lower()
            if shared:
                # Pipelines of the same name in different factories do not share a turn.
                lane = f"{self.factory_id}/{lane}"[:_LANE]
            new = enqueue(connection, NewJob(attempt.run_id, runtime_id, lane, work), clock.now())
        if new:
            self.service.new_jobs.ring(runtime_id)
        return True

    def _runtime(self, connection: sa.Connection, name: str) -> tuple[int, bool]:
        """Whose nodes do it, and whether they are another factory's. Without a name, of the only one."""
        wanted = [resources.c.factory_id == self.factory_id, resources.c.kind == RUNTIME.segment]
        if name:
            wanted.append(resources.c.name_key == name.lower())
        found = connection.execute(sa.select(resources.c.id).where(*wanted).limit(2)).scalars().all()
        if len(found) == 1:
            return _doing(connection, by_id(connection, RUNTIME, int(found[0])))
        if name:
            raise ActivityFailed("NotFound", f"there is no integration runtime {name!r}")
        how_many = "several integration runtimes" if found else "no integration runtime"
        raise ActivityFailed(
            "RuntimeNotChosen", f"the factory has {how_many}: let a linked service say connectVia"
        )

    async def _ended(self, attempt: Attempt) -> Job:
        said: Mapping[str, Any] | None = None
        while True:
            with self.service.changed.listening(attempt.run_id) as news:
                job = await run_sync(self._find, attempt.run_id)
                if job.ended:
                    return job
                if job.progress and job.progress != said:
                    said = job.progress
                    attempt.progress(said)
                with anyio.move_on_after(_LOOK_AGAIN):
                    await news.wait()

    def _find(self, job_id: str) -> Job:
        with self.hold.needed(), self.service.database.read() as connection:
            found = find(connection, job_id, clock.now())
        if found is None:
            raise ActivityFailed("JobLost", "the integration runtime of the job was deleted", "SystemError")
        return found

    def _cancel(self, job_id: str) -> None:
        with self.hold.needed(), self.service.database.write() as connection:
            cancel(connection, job_id, clock.now())


def _doing(connection: sa.Connection, chosen: Resource) -> tuple[int, bool]:
    if not runtimes.is_linked(chosen.properties):
        return chosen.id, False
    found = sharing.behind(connection, chosen)
    if found is None:
        raise ActivityFailed(
            "AccessDenied",
            f"what the integration runtime {chosen.name!r} links to is not shared with it any more",
        )
    return found.id, True


def _output(job: Job) -> Mapping[str, Any]:
    result = job.result or {}
    if job.state == "succeeded":
        output: Mapping[str, Any] = result.get("output") or {}
        return dict(output) | {"durationInQueue": {"integrationRuntimeQueue": round(job.queued_for)}}
    error = result.get("error") or {}
    code, message = error.get("errorCode", job.state), error.get("message", f"the job was {job.state}")
    if error.get("failureType") == "SystemError":
        raise ActivityFailed(code, message, "SystemError")
    raise ActivityFailed(code, message)


def _hop(attempt: Attempt, kind: Literal["out", "in", "remove"]) -> Attempt:
    return replace(attempt, run_id=derived_id(attempt.run_id, kind), hop=Hop(kind, attempt.run_id))
