"""The interpreter's records in the service's database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from anyio.to_thread import run_sync

from ... import clock
from ...pipeline.run import ActivityRun, Change, PipelineRun
from ...pipeline.run.records import restored_activity, restored_pipeline, stored
from ..database import Database
from ..database.tables import activity_runs, pipeline_runs, variables
from . import tracing
from .hold import Hold, Superseded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlStore:
    """``Store`` of the interpreter, for one group of runs. Raises Superseded where the driver is another."""

    database: Database
    factory_id: int
    group_id: str
    driver: str
    hold: Hold

    async def pipeline_run(self, run_id: str) -> PipelineRun | None:
        query = sa.select(pipeline_runs.c.record).where(pipeline_runs.c.run_id == run_id)
        found = await self._read(lambda connection: connection.execute(query).scalar())
        return None if found is None else restored_pipeline(found)

    async def save_pipeline_run(self, run: PipelineRun) -> None:
        await self._write(lambda connection: save(connection, self.factory_id, run))
        tracing.pipeline_ended(run)

    async def detached(self, group_id: str) -> list[PipelineRun]:
        query = sa.select(pipeline_runs.c.record).where(
            pipeline_runs.c.group_id == group_id, pipeline_runs.c.detached, pipeline_runs.c.ended.is_(None)
        )
        rows = await self._read(lambda connection: connection.execute(query).scalars().all())
        return [restored_pipeline(each) for each in rows]

    async def activity_run(self, run_id: str, key: str, attempt: int) -> ActivityRun | None:
        query = sa.select(activity_runs.c.record).where(*_of(run_id, key, attempt))
        found = await self._read(lambda connection: connection.execute(query).scalar())
        return None if found is None else restored_activity(found)

    async def save_activity_run(self, run: ActivityRun, change: Change | None = None) -> None:
        def save_both(connection: sa.Connection) -> None:
            keep_activity(connection, run)
            touched = sa.update(pipeline_runs).where(pipeline_runs.c.run_id == run.pipeline_run_id)
            connection.execute(touched.values(updated=clock.now()))
            if change is not None:
                keep_change(connection, run.pipeline_run_id, change)

        await self._write(save_both)
        tracing.activity_ended(self.group_id, run)

    async def variables(self, run_id: str) -> list[Change]:
        query = sa.select(variables).where(variables.c.pipeline_run_id == run_id)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [Change(row.name, row.value, row.whole) for row in rows]

    async def _read(self, work: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with self.hold.needed(), self.database.read() as connection:
                return work(connection)

        return await run_sync(run)

    async def _write(self, work: Callable[[sa.Connection], None]) -> None:
        def run() -> None:
            with self.hold.needed(), self.database.write() as connection:
                self._check(connection)
                work(connection)

        # Once begun it is waited for: a write must not go on behind the back of whoever was cancelled.
        await run_sync(run)

    def _check(self, connection: sa.Connection) -> None:
        """Locks the first run of the group, whose driver is that of all."""
        query = sa.select(pipeline_runs.c.driver).where(pipeline_runs.c.run_id == self.group_id)
        if connection.execute(query.with_for_update()).scalar() != self.driver:
            raise Superseded


def save(connection: sa.Connection, factory_id: int, run: PipelineRun, **more: Any) -> None:
    """Put it in the place of the one with the same id."""
    values: dict[str, Any] = {
        "record": stored(run), "status": run.status, "started": _seconds(run.started),
        "ended": _seconds(run.ended), "updated": clock.now(), **more,
    }  # fmt: skip
    same = sa.update(pipeline_runs).where(pipeline_runs.c.run_id == run.run_id)
    if connection.execute(same.values(values)).rowcount:
        return
    values |= {
        "run_id": run.run_id, "factory_id": factory_id, "group_id": run.group_id or run.run_id,
        "pipeline": run.pipeline, "detached": run.detached, "cancelling": False,
    }  # fmt: skip
    connection.execute(sa.insert(pipeline_runs).values(values))


def keep_activity(connection: sa.Connection, run: ActivityRun) -> None:
    """Put it in the place of the one with the same key and attempt."""
    values: dict[str, Any] = {"record": stored(run), "updated": clock.now()}
    values |= {"started": _seconds(run.started), "ended": _seconds(run.ended)}
    same = _of(run.pipeline_run_id, run.key, run.attempt)
    if not connection.execute(sa.update(activity_runs).where(*same).values(values)).rowcount:
        values |= {"pipeline_run_id": run.pipeline_run_id, "key": run.key, "attempt": run.attempt}
        connection.execute(sa.insert(activity_runs).values(values))


def keep_change(connection: sa.Connection, run_id: str, change: Change) -> None:
    same = (variables.c.pipeline_run_id == run_id, variables.c.name == change.name)
    values: dict[str, Any] = {"value": change.value, "whole": change.whole}
    if not connection.execute(sa.update(variables).where(*same).values(values)).rowcount:
        values |= {"pipeline_run_id": run_id, "name": change.name}
        connection.execute(sa.insert(variables).values(values))


def _of(run_id: str, key: str, attempt: int) -> list[sa.ColumnElement[bool]]:
    return [
        activity_runs.c.pipeline_run_id == run_id,
        activity_runs.c.key == key,
        activity_runs.c.attempt == attempt,
    ]


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
