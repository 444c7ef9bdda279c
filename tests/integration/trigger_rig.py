"""A factory with pipelines and triggers in a database, and a clock that jumps: no service, no sleeping."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crossdock_scheduler.pipeline.run.records import PipelineRun, restored_pipeline
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.tables import pipeline_runs, trigger_runs
from crossdock_scheduler.service.definitions import factories, keeping, resources
from crossdock_scheduler.service.definitions.factories import FactoryRow
from crossdock_scheduler.service.definitions.names import PIPELINE, TRIGGER
from crossdock_scheduler.service.definitions.secrets import Keeper
from crossdock_scheduler.service.runs.store import save
from crossdock_scheduler.service.triggers import runs, state
from crossdock_scheduler.service.triggers.firing import Loop
from crossdock_scheduler.service.triggers.misfires import Misfires
from crossdock_scheduler.service.triggers.reading import normal

KEEPER = Keeper.of(b"secret" * 6)


def at(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def recurrence(frequency: str, start: str, interval: int = 1, **more: Any) -> dict[str, Any]:
    found = {"frequency": frequency, "interval": interval, "startTime": start, **more}
    return {"recurrence": found}


def starts(name: str, **parameters: Any) -> dict[str, Any]:
    reference = {"type": "PipelineReference", "referenceName": name}
    return {"pipelineReference": reference, "parameters": parameters}


@dataclass
class Rig:
    database: Database
    misfires: Misfires = field(default_factory=Misfires)

    def __post_init__(self) -> None:
        with self.database.write() as connection:
            factories.put(connection, "s", "g", "factory", {})
        self.pipeline("p")

    def factory(self, connection: sa.Connection) -> FactoryRow:
        return factories.find(connection, "s", "g", "factory")

    def pipeline(self, name: str, **parameters: str) -> None:
        declared = {each: {"type": kind} for each, kind in parameters.items()}
        body = {"activities": [], "parameters": declared}
        with self.database.write() as connection:
            keeping.put(connection, self.factory(connection), PIPELINE, name, body, keeper=KEEPER)

    def put(self, name: str, properties: dict[str, Any]) -> None:
        with self.database.write() as connection:
            factory, given = self.factory(connection), normal(properties)
            state.check_put(connection, resources.look(connection, factory, TRIGGER, name), given)
            made = keeping.put(connection, factory, TRIGGER, name, given, keeper=KEEPER)
            state.locked(connection, made)

    def schedule(self, name: str, now: float, *pipelines: dict[str, Any], **inner: Any) -> None:
        """Put and started."""
        called = list(pipelines) or [starts("p")]
        self.put(name, {"type": "ScheduleTrigger", "pipelines": called, "typeProperties": inner})
        self.start(name, now)

    def tumbling(self, name: str, now: float, start: str, **inner: Any) -> None:
        """Put and started: windows of an hour."""
        pipeline = inner.pop("pipeline", starts("p"))
        inner = {"frequency": "Hour", "interval": 1, "startTime": start, "maxConcurrency": 50, **inner}
        self.put(name, {"type": "TumblingWindowTrigger", "pipeline": pipeline, "typeProperties": inner})
        self.start(name, now)

    def start(self, name: str, now: float) -> None:
        with self.database.write() as connection:
            state.start(connection, resources.find(connection, self.factory(connection), TRIGGER, name), now)

    def stop(self, name: str) -> None:
        with self.database.write() as connection:
            state.stop(connection, resources.find(connection, self.factory(connection), TRIGGER, name))

    def see_to(self, now: float) -> None:
        """What a service does that looks now, until there is no more to do."""
        for _ in range(1000):
            if not Loop(self.database, KEEPER, self.misfires).once(now):
                return
        raise AssertionError("there is no end to it")

    def runs(self, name: str) -> list[Any]:
        with self.database.read() as connection:
            query = sa.select(trigger_runs).where(trigger_runs.c.name == name)
            return list(connection.execute(query.order_by(trigger_runs.c.tick, trigger_runs.c.again)))

    def statuses(self, name: str) -> list[str]:
        return [each.status for each in self.runs(name)]

    def answered(self) -> list[tuple[str, str | None]]:
        """Status and message of all runs, by their windows, as ``queryTriggerRuns`` has them."""
        always = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}
        with self.database.read() as connection:
            found = runs.runs_of(connection, self.factory(connection), always)["value"]
        ordered = sorted(found, key=lambda each: str(each["properties"]["windowStartTime"]))
        return [(each["status"], each["message"]) for each in ordered]

    def ticks(self, name: str) -> list[str]:
        return [datetime.fromtimestamp(each.tick, UTC).strftime("%m-%d %H:%M") for each in self.runs(name)]

    def pipeline_runs(self) -> list[PipelineRun]:
        with self.database.read() as connection:
            return [
                restored_pipeline(each)
                for each in connection.execute(sa.select(pipeline_runs.c.record)).scalars()
            ]

    def end(self, run_id: str, status: Any = "Succeeded", now: float = 0.0, message: str = "") -> None:
        """As the driver ends a pipeline's run."""
        with self.database.write() as connection:
            query = sa.select(pipeline_runs).where(pipeline_runs.c.run_id == run_id)
            row = connection.execute(query).one()
            over = datetime.fromtimestamp(now, UTC)
            run = replace(restored_pipeline(row.record), status=status, ended=over, message=message)
            save(connection, row.factory_id, run)

    def end_all(self, name: str, now: float, status: Any = "Succeeded") -> None:
        """The pipelines of all windows of a trigger that run."""
        for each in self.runs(name):
            if each.status == "Running":
                self.end(each.pipeline_run_id, status, now)

    def rerun(self, name: str, run_id: str, now: float) -> None:
        with self.database.write() as connection:
            runs.rerun(connection, self.factory(connection), name, run_id, now)

    def cancel(self, name: str, run_id: str, now: float) -> None:
        with self.database.write() as connection:
            runs.cancel(connection, self.factory(connection), name, run_id, now)
