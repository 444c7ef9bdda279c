"""Drives the runs of pipelines: each group of runs by one process at a time, under a lease."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from ... import clock
from ...pipeline.run import Interpreter
from ...pipeline.run.records import restored_pipeline
from ..context import NEW_RUN, Service
from ..database.tables import pipeline_runs
from .carrier import QueueCarrier
from .ending import cancelled, release
from .hold import Hold, Superseded
from .snapshot import restored
from .store import SqlStore

# Another process goes on with a run within 15 seconds.
_LEASE = 12.0
_RENEW = 4.0
_LOOK = 1.0
_AT_ONCE = 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """The first run of a group, which this process drives now."""

    run_id: str
    factory_id: int
    record: dict[str, Any]
    definitions: dict[str, Any]
    secrets: str | None


@dataclass
class Driver:
    """Takes runs that nobody drives and drives them to their end.

    ``leaving``: this process stops, and the jobs of its runs go on without it.
    """

    service: Service
    id: str = field(default_factory=lambda: str(uuid4()))
    leaving: bool = False
    _left: set[str] = field(default_factory=set)

    async def driving(self) -> None:
        """The loop; cancelled, it leaves the runs for another process."""
        async with anyio.create_task_group() as group:
            while True:
                with self.service.changed.listening(NEW_RUN) as news:
                    for taken in await self._take():
                        group.start_soon(self._drive, taken)
                    with anyio.move_on_after(_LOOK):
                        await news.wait()

    async def _take(self) -> list[Taken]:
        try:
            return await run_sync(self._take_some)
        except SQLAlchemyError as error:
            _LOG.warning("the database cannot be reached: %s", type(error).__name__)
            return []

    def _take_some(self) -> list[Taken]:
        now = clock.now()
        with self.service.database.write() as connection:
            query = (
                sa.select(pipeline_runs)
                .where(
                    pipeline_runs.c.ended.is_(None),
                    pipeline_runs.c.run_id == pipeline_runs.c.group_id,
                    sa.or_(
                        pipeline_runs.c.driven_until.is_(None),
                        pipeline_runs.c.driven_until < now,
                        sa.and_(pipeline_runs.c.driver == self.id, pipeline_runs.c.run_id.in_(self._left)),
                    ),
                )
                .order_by(pipeline_runs.c.started)
                .limit(_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            found = [row for row in connection.execute(query) if _has_room(connection, row)]
            for row in found:
                mine = {"driver": self.id, "driven_until": now + _LEASE, "status": "InProgress"}
                connection.execute(_one(row.run_id).values(mine))
        self._left.difference_update(row.run_id for row in found)
        return [Taken(row.run_id, row.factory_id, row.record, row.definitions, row.secrets) for row in found]

    async def _drive(self, taken: Taken) -> None:
        hold = Hold()
        carrier = QueueCarrier(self.service, taken.factory_id, taken.run_id, lambda: self.leaving, hold)
        store = SqlStore(self.service.database, taken.factory_id, taken.run_id, self.id, hold)
        interpreter = Interpreter(restored(taken.definitions), store, carrier)
        is_cancelled = False
        try:
            async with anyio.create_task_group() as group:

                async def renewing() -> None:
                    nonlocal is_cancelled
                    while (state := await run_sync(self._renew, taken.run_id, hold)) == "go on":
                        with (
                            self.service.changed.listening(taken.run_id) as news,
                            anyio.move_on_after(_RENEW),
                        ):
                            await news.wait()
                    is_cancelled = state == "cancel"
                    group.cancel_scope.cancel()

                group.start_soon(renewing)
                ended = await interpreter.run(restored_pipeline(taken.record), self._secrets(taken))
                self.service.metrics.runs_ended.labels(ended.status).inc()
                group.cancel_scope.cancel()
            if is_cancelled:
                await run_sync(self._cancelled, taken.run_id)
                self.service.metrics.runs_ended.labels("Cancelled").inc()
        except* Superseded:
            _LOG.warning("the run %s is driven by another process now", taken.run_id)
        except* SQLAlchemyError as errors:
            # Whoever finds the run when the lease is over goes on with it, or this process before that.
            self._left.add(taken.run_id)
            _LOG.warning(
                "the run %s is left for later: %s", taken.run_id, type(errors.exceptions[0]).__name__
            )

    def _secrets(self, taken: Taken) -> dict[str, Any]:
        return dict(json.loads(self.service.keeper.unlock(taken.secrets))) if taken.secrets else {}

    def _renew(self, run_id: str, hold: Hold) -> str:
        with hold.needed(), self.service.database.write() as connection:
            mine = (pipeline_runs.c.run_id == run_id, pipeline_runs.c.driver == self.id)
            done = connection.execute(
                sa.update(pipeline_runs).where(*mine).values(driven_until=clock.now() + _LEASE)
            )
            if not done.rowcount:
                hold.lost = True
                return "lost"
            query = sa.select(pipeline_runs.c.cancelling).where(*mine)
            return "cancel" if connection.execute(query).scalar() else "go on"

    def _cancelled(self, run_id: str) -> None:
        with self.service.database.write() as connection:
            cancelled(connection, run_id)

    def release_all(self) -> None:
        """Let others have the runs at once; on the way out."""
        with self.service.database.write() as connection:
            release(connection, self.id)


def _one(run_id: str) -> sa.Update:
    return sa.update(pipeline_runs).where(pipeline_runs.c.run_id == run_id)


def _has_room(connection: sa.Connection, row: Any) -> bool:
    """Whether the pipeline's ``concurrency`` allows one more; what runs already goes on in any case."""
    if row.driver is not None:
        return True
    pipeline = restored(row.definitions).find("pipeline", row.pipeline)
    most = pipeline.read().whole("concurrency") if pipeline else None
    if not most:
        return True
    same = (
        pipeline_runs.c.factory_id == row.factory_id,
        sa.func.lower(pipeline_runs.c.pipeline) == row.pipeline.lower(),
        pipeline_runs.c.ended.is_(None),
        pipeline_runs.c.driver.is_not(None),
    )
    running = connection.execute(sa.select(sa.func.count()).select_from(pipeline_runs).where(*same)).scalar()
    return (running or 0) < most
