"""A crew whose size a tuner decides: what it looks at, ten times a second, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from .crew import idle_time
from .machine import cores, memory_room
from .tuner import Decision, Sample, Tuner

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from .context import Context
    from .meter import Worker
    from .units import Counts

_AWAY = ("queue", "away", "throttle")
_MEMORY_EVERY = 10  # looks: to ask for it takes longest


class Tuning:
    """``look`` at the workers of one process."""

    def __init__(self, context: Context, counts: Counts, first: int) -> None:
        self._context, self._counts = context, counts
        self._cores = cores()
        self._tuner = Tuner(first, context.most_parallel, self._cores)
        self._looks, self._room = 0, 1.0

    @property
    def decisions(self) -> list[Decision]:
        return self._tuner.decisions

    def look(self, workers: Sequence[Worker]) -> int:
        """How many shall work from now on."""
        told, tuner = len(self.decisions), self._tuner
        size = tuner.look(self._sample(workers))
        for each in tuner.decisions[told:]:
            log.info("parallel copies: %d to %d, %s", each.before, each.after, each.why)
        return size

    def _sample(self, workers: Sequence[Worker]) -> Sample:
        if self._looks % _MEMORY_EVERY == 0:
            self._room = memory_room()
        self._looks += 1
        # What a server copies by itself is seen only when it is done.
        by_itself = self._context.carrier.copier is not None
        return Sample(
            perf_counter(),
            self._counts.bytes + sum(worker.in_flight for worker in workers),
            sum(
                worker.state not in _AWAY and bool(by_itself or worker.in_flight or worker.taken)
                for worker in workers
            ),
            sum(worker.state == "queue" for worker in workers),
            sum(worker.seconds["budget"] for worker in workers),
            sum(worker.throttled for worker in workers) + self._context.asking.throttled,
            self._used(idle := idle_time()),
            idle,
            self._room,
        )

    def _used(self, idle: float) -> float:
        """CPU seconds; of the machine where children work, whose time is known once they have ended."""
        if self._context.carrier.children is None:
            return process_time()
        return perf_counter() * self._cores - idle
