"""The loop that tells of nodes and runtimes whose state has changed."""

from __future__ import annotations

import logging
import time

import anyio
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from .context import Service
from .runtimes.noticing import Change, changes, claim

_EVERY = 1.0
_LOG = logging.getLogger(__name__)


async def noticing(service: Service) -> None:
    """Of several replicas, one tells each change; that of one that dies in between is not told."""
    started = time.time()
    # Somebody who does not answer keeps nobody else waiting for long.
    at_once = anyio.CapacityLimiter(4)
    async with anyio.create_task_group() as group:
        while True:
            try:
                found = await run_sync(_claimed, service, started)
            except SQLAlchemyError as error:
                _LOG.warning("states of nodes cannot be read: %s", type(error).__name__)
                found = []
            for each in found:
                group.start_soon(_tell, service, each, at_once)
            await anyio.sleep(_EVERY)


async def _tell(service: Service, change: Change, at_once: anyio.CapacityLimiter) -> None:
    await run_sync(
        service.notifier.tell, change.text, change.as_json(), limiter=at_once, abandon_on_cancel=True
    )


def _claimed(service: Service, started: float) -> list[Change]:
    now = time.time()
    with service.database.read() as connection:
        found = changes(connection, now, started)
    if not found:
        return []
    with service.database.write() as connection:
        return [each for each in found if claim(connection, each)]
