"""The loop that sees to triggers which are due. Any number of replicas may run it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from ... import clock
from ..context import NEW_RUN, Service
from ..database import Database
from ..database.tables import pipeline_runs, trigger_runs, triggers
from ..definitions.names import TRIGGER
from ..definitions.resources import by_id
from ..definitions.secrets import Keeper
from . import schedule, tumbling
from .misfires import Misfires
from .reading import Schedule, read
from .starting import RUNNING, Firing
from .state import STARTED

_EVERY = 1.0
_AFTER_A_FAULT = 60.0
_AT_ONCE = 100
# In a row: what another replica holds, or what cannot be seen to, is not asked for without end.
_PASSES = 20
_LOG = logging.getLogger(__name__)


async def firing(service: Service) -> None:
    """Every second; the database may go and come back."""
    loop = Loop(service.database, service.keeper, service.misfires)
    while True:
        try:
            for _ in range(_PASSES):
                if not await run_sync(loop.once, clock.now()):
                    break
                await run_sync(service.changed.ring, NEW_RUN)
        except SQLAlchemyError as error:
            _LOG.warning("the database cannot be reached: %s", type(error).__name__)
        await anyio.sleep(_EVERY)


@dataclass(frozen=True, slots=True)
class Loop:
    database: Database
    keeper: Keeper
    misfires: Misfires = field(default_factory=Misfires)

    def once(self, now: float) -> bool:
        """See to what is due; whether there was anything, and so may be more."""
        with self.database.read() as connection:
            found = _due(connection, now)
        for guid in found:
            try:
                self._see_to(guid, now)
            except SQLAlchemyError:
                raise
            except Exception:  # noqa: BLE001 - one trigger may not stop the others
                _LOG.exception("the trigger %s is put off", guid)
                with self.database.write() as connection:
                    later = sa.update(triggers).where(triggers.c.guid == guid, triggers.c.state == STARTED)
                    connection.execute(later.values(wake_at=now + _AFTER_A_FAULT))
        return bool(found)

    def _see_to(self, guid: str, now: float) -> None:
        """In one transaction: what the tick starts and that it was seen to."""
        with self.database.write() as connection:
            # Another replica that sees to it now is left alone.
            query = sa.select(triggers).where(triggers.c.guid == guid).with_for_update(skip_locked=True)
            row = connection.execute(query).first()
            if row is None:
                return
            resource = by_id(connection, TRIGGER, row.resource_id)
            definition = read(dict(resource.properties))
            one = Firing(connection, self.keeper, resource, guid, now)
            if isinstance(definition, Schedule):
                if row.state != STARTED or row.wake_at is None or row.wake_at > now:
                    return
                values = schedule.fire(one, definition, row.next_at, self.misfires)
            elif definition is not None:
                values = tumbling.fire(one, definition, row.next_at, started=row.state == STARTED)
            else:
                values = {"wake_at": None}
            connection.execute(sa.update(triggers).where(triggers.c.guid == guid).values(values))


def _due(connection: sa.Connection, now: float) -> list[str]:
    waking = sa.select(triggers.c.guid).where(triggers.c.wake_at <= now).order_by(triggers.c.wake_at)
    ended = (
        sa.select(trigger_runs.c.trigger_guid)
        .distinct()
        .join(pipeline_runs, pipeline_runs.c.run_id == trigger_runs.c.pipeline_run_id)
        .join(triggers, triggers.c.guid == trigger_runs.c.trigger_guid)
        .where(
            trigger_runs.c.ended.is_(None),
            trigger_runs.c.status == RUNNING,
            pipeline_runs.c.ended.is_not(None),
        )
    )
    found = [*connection.execute(waking.limit(_AT_ONCE)).scalars(), *connection.execute(ended).scalars()]
    return list(dict.fromkeys(found))
