"""The loop that gives back jobs whose holders are silent, and ends those whose time is over."""

from __future__ import annotations

import logging
import time

import anyio
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from .. import clock
from .context import Service
from .queue import end_later_than, go_on_until, sweep

_EVERY = 1.0
_MOVED = 2.0
_LOG = logging.getLogger(__name__)


class _Moves:
    """Of the time of day against a clock that nobody sets. A machine that was suspended has moved as well."""

    def __init__(self) -> None:
        self._apart = self._now()

    def last(self) -> float:
        """By how many seconds since it was asked before; 0 for what clocks are corrected by all the time."""
        before, self._apart = self._apart, self._now()
        found = self._apart - before
        return found if abs(found) > _MOVED else 0.0

    def _now(self) -> float:
        return clock.now() - time.monotonic()


class _Answered:
    """When the database did, by its clock and by one that nobody sets."""

    def __init__(self) -> None:
        self.at, self.passed = clock.now(), time.monotonic()


async def sweeping(service: Service) -> None:
    """Nodes that could not renew their leases, since nobody answered, get the time for it first; and so do
    they when the clock was moved, by which leases are over or hold for ever."""
    moves, set_back, away, answered = _Moves(), False, False, _Answered()
    await anyio.sleep(service.lease)
    while True:
        try:
            await run_sync(service.database.tell_time)
            if moved := moves.last():
                _LOG.warning("the clock was moved by %+.0f seconds: nodes may renew their leases", moved)
                await anyio.sleep(service.lease)
                set_back = set_back or moved < 0
                # It may have been moved again meanwhile.
                continue
            await run_sync(_once, service, set_back, answered if away else None)
            set_back, away, answered = False, False, _Answered()
        except SQLAlchemyError as error:
            # It comes back by itself, or the operator brings it back.
            if not away:
                _LOG.warning("the database cannot be reached: %s", type(error).__name__)
            away = True
        await anyio.sleep(min(_EVERY, service.lease / 4))


def _once(service: Service, set_back: bool, answered: _Answered | None) -> None:
    """``answered``: when the database did before it was away. Nodes get the time to renew what was theirs
    then, where that was longer ago than they wait between two heartbeats."""
    with service.database.write() as connection:
        until = clock.now() + service.lease
        away = answered is not None and time.monotonic() - answered.passed > service.lease / 3
        if set_back:
            end_later_than(connection, until + _MOVED, until if away else 0.0)
        if answered is not None and away:
            go_on_until(connection, answered.at, until)
        swept = sweep(connection, clock.now())
    metrics = service.metrics
    metrics.ended.labels("timedout").inc(swept.late)
    metrics.ended.labels("cancelled").inc(swept.cancelled)
    metrics.leases_lost.labels("expired").inc(swept.cancelled + swept.back)
    if swept.back:
        _LOG.info("%d jobs whose nodes were silent went back to the queue", swept.back)
