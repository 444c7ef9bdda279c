"""The loop that tells of nodes and runtimes whose state has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import anyio
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from .. import clock
from .context import Service
from .database import Database
from .runtimes.nodes import HEARTBEAT
from .runtimes.noticing import Notice, note, take, told

_EVERY = 1.0
# Somebody who does not answer keeps nobody else waiting for long.
_AT_ONCE = 4
_LOG = logging.getLogger(__name__)


class Looks:
    """At the states of nodes, one after the other. Where it is long since the last one, the database was away
    or the clock was moved: nodes are waited for as after a start."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._started = self._last = clock.now()

    def look(self) -> None:
        now = clock.now()
        if not 0 <= now - self._last <= HEARTBEAT:
            self._started = now
        note(self._database, now, self._started)
        self._last = now


async def noticing(service: Service) -> None:
    """Of several replicas, one tells each change; where it dies in between, another one."""
    looks, telling = Looks(service.database), anyio.CapacityLimiter(_AT_ONCE)

    async def tell(notice: Notice | None) -> None:
        while notice is not None:
            await run_sync(service.notifier.tell, notice.said, limiter=telling, abandon_on_cancel=True)
            notice = await _asked(partial(_next, service, notice))

    async with anyio.create_task_group() as group:
        while True:
            free = telling.available_tokens > 0
            found = await _asked(partial(_look, service, looks, free=free))
            if found is not None:
                group.start_soon(tell, found)
            await anyio.sleep(_EVERY)


async def _asked(what: Callable[[], Notice | None]) -> Notice | None:
    """What cannot be told now is told when the database is there again."""
    try:
        return await run_sync(what)
    except SQLAlchemyError as error:
        _LOG.warning("states of nodes cannot be read: %s", type(error).__name__)
        return None


def _look(service: Service, looks: Looks, *, free: bool) -> Notice | None:
    looks.look()
    return take(service.database, service.notifier.longest) if free else None


def _next(service: Service, done: Notice) -> Notice | None:
    told(service.database, done)
    return take(service.database, service.notifier.longest)
