"""Tumbling window triggers: a run for each window, in order, which lasts as long as its pipeline's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ...pipeline.run.records import restored_pipeline
from ..database.tables import pipeline_runs, trigger_runs, triggers
from ..definitions import resources
from ..definitions.names import TRIGGER
from .reading import Tumbling, read
from .starting import BLOCKED, RUNNING, WAITING, CannotStart, Firing, text
from .windows import Dependency

_LOOK_AGAIN = 5.0
# As Data Factory: a window waits so long for those that it depends on.
_PATIENCE = 7 * 24 * 3600.0
_AT_ONCE, _MOST_BLOCKED = 100, 1000


@dataclass(frozen=True, slots=True)
class _Fire:
    """What one look at a trigger does."""

    firing: Firing
    definition: Tumbling

    # -- runs that have ended ----------------------------------------------------------------------------

    def settle(self) -> None:
        """Windows whose pipeline has ended are over, or are to be tried again."""
        query = (
            sa.select(trigger_runs, pipeline_runs.c.status.label("result"), pipeline_runs.c.record)
            .outerjoin(pipeline_runs, pipeline_runs.c.run_id == trigger_runs.c.pipeline_run_id)
            .where(
                *self._open(RUNNING),
                sa.or_(pipeline_runs.c.ended.is_not(None), pipeline_runs.c.run_id.is_(None)),
            )
        )
        for row in self.firing.connection.execute(query).all():
            self._settle(row)

    def _settle(self, row: Any) -> None:
        result, now = row.result or "Failed", self.firing.now
        if result == "Failed" and row.tries <= self.definition.retries:
            again = {"status": WAITING, "due": now + self.definition.wait.total_seconds()}
            self.firing.change(row.id, pipeline_run_id=None, **again)
            return
        message = restored_pipeline(row.record).message if row.record else "Its pipeline run is not there."
        self.firing.change(row.id, status=result, ended=now, message=message)
        if result == "Succeeded":
            # Later windows of its own may wait for it.
            ready = sa.update(trigger_runs).where(*self._open(BLOCKED)).values(due=now)
            self.firing.connection.execute(ready)

    # -- windows that begin ------------------------------------------------------------------------------

    def grow(self, next_at: float) -> tuple[float, float | None]:
        """Write down windows that are over, as many as may soon be run; the next one, and when it is due."""
        windows = self.definition.windows
        number = windows.number(datetime.fromtimestamp(next_at, UTC))
        room = self.room()
        while windows.is_one(number):
            tick, end = windows.at(number).timestamp(), windows.at(number + 1)
            due = (end + self.definition.delay).timestamp()
            if due > self.firing.now or not room:
                return tick, due
            self.firing.add(tick, status=WAITING, tick_end=end.timestamp(), due=due)
            number, room = number + 1, room - 1
        return windows.at(number).timestamp(), None

    def room(self) -> int:
        """How many windows more may be run, or wait for others."""
        if self._count(BLOCKED) >= _MOST_BLOCKED:
            return 0
        return max(0, self.definition.at_once - self._count(WAITING, RUNNING))

    def begin(self) -> float | None:
        """Run windows that wait, oldest first; returns when one is to be looked at again."""
        running, now = self._count(RUNNING), self.firing.now
        query = (
            sa.select(trigger_runs)
            .where(*self._open(WAITING, BLOCKED), trigger_runs.c.due <= now)
            .order_by(trigger_runs.c.tick, trigger_runs.c.again)
            .limit(_AT_ONCE)
        )
        for row in self.firing.connection.execute(query).all():
            if running >= self.definition.at_once:
                return None
            running += self._begin(row)
        due = sa.select(sa.func.min(trigger_runs.c.due)).where(*self._open(WAITING, BLOCKED))
        found: float | None = self.firing.connection.execute(due).scalar()
        return found if running < self.definition.at_once else None

    def _begin(self, row: Any) -> bool:
        """Whether its pipeline runs now."""
        now, span = self.firing.now, (row.tick, row.tick_end)
        if not all(self._is_met(each, *span) for each in self.definition.needs):
            if now - row.created > _PATIENCE:
                message = "The windows that it depends on have not succeeded within seven days."
                self.firing.change(row.id, status="Failed", ended=now, message=message)
            else:
                self.firing.change(row.id, status=BLOCKED, due=now + _LOOK_AGAIN)
            return False
        outputs = {"windowStartTime": text(row.tick), "windowEndTime": text(row.tick_end)}
        about = {"scheduledTime": text(row.tick_end), "outputs": outputs}
        try:
            name, run_id = self.firing.start(self.definition.pipelines[0], about, row.id, str(row.tries))
        except CannotStart as error:
            self.firing.change(row.id, status="Failed", ended=now, message=str(error))
            return False
        self.firing.change(
            row.id, status=RUNNING, tries=row.tries + 1, pipelines={name: run_id}, pipeline_run_id=run_id
        )
        return True

    # -- dependencies ------------------------------------------------------------------------------------

    def _is_met(self, needed: Dependency, start: float, end: float) -> bool:
        """Whether all windows in the span have succeeded. There are none before a trigger's start."""
        found = self._needed(needed)
        if found is None:
            return False
        guid, other = found
        span = needed.span(*(datetime.fromtimestamp(each, UTC) for each in (start, end)))
        ticks = {each.timestamp() for each in other.windows.overlapping(*span)}
        if not needed.trigger:
            ticks = {each for each in ticks if each < start}
        if not ticks:
            return True
        query = sa.select(trigger_runs.c.tick, trigger_runs.c.status).where(
            trigger_runs.c.trigger_guid == guid,
            trigger_runs.c.tick >= min(ticks),
            trigger_runs.c.tick <= max(ticks),
        )
        rows = self.firing.connection.execute(query.order_by(trigger_runs.c.again)).all()
        # Of a window that was run again, the last time counts.
        last = {row.tick: row.status for row in rows}
        return all(last.get(each) == "Succeeded" for each in ticks)

    def _needed(self, needed: Dependency) -> tuple[str, Tumbling] | None:
        if not needed.trigger:
            return self.firing.guid, self.definition
        connection = self.firing.connection
        other = resources.look(connection, self.firing.resource.factory, TRIGGER, needed.trigger)
        definition = None if other is None else read(dict(other.properties))
        if other is None or not isinstance(definition, Tumbling):
            return None
        guid = sa.select(triggers.c.guid).where(triggers.c.resource_id == other.id)
        return str(connection.execute(guid).scalar()), definition

    def _open(self, *statuses: str) -> Iterator[sa.ColumnElement[bool]]:
        yield trigger_runs.c.trigger_guid == self.firing.guid
        yield trigger_runs.c.ended.is_(None)
        yield trigger_runs.c.status.in_(statuses)

    def _count(self, *statuses: str) -> int:
        query = sa.select(sa.func.count()).select_from(trigger_runs).where(*self._open(*statuses))
        return int(self.firing.connection.execute(query).scalar() or 0)


def fire(firing: Firing, definition: Tumbling, next_at: float | None, *, started: bool) -> dict[str, Any]:
    """See to windows that are over; returns the next one and when there is something to do again.

    What runs is seen to by whoever sees it end. A trigger that is stopped begins nothing.
    """
    look = _Fire(firing, definition)
    look.settle()
    if not started or next_at is None:
        return {"wake_at": None}
    following, due = look.grow(next_at)
    again = look.begin()
    if due is not None and due <= firing.now and not look.room():
        due = None  # whoever sees a window end goes on
    return {"next_at": following, "wake_at": min((each for each in (due, again) if each), default=None)}
