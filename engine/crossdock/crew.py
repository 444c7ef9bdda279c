"""How many workers a run has: as many as were asked for, or as many as carry most.

Many small files: as many as keep the processor busy. Else a ``tuner`` decides, once a copy takes longer than
a moment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from .context import Context
from .dispatch import SMALL
from .meter import Worker

if TYPE_CHECKING:
    from .tuner import Decision
    from .tuning import Tuning
    from .units import Counts

# A worker that carries small files over a network needs the interpreter or waits for an answer. How long
# it waits is known only when it works: one is enough in the next room, another continent takes all. Two where
# one is enough take a sixth more of the processor: they give the interpreter to each other at every call.
MOST = 32
MANY = 100
_FIRST = 1
_BUSY = 0.5  # of one core: the interpreter runs one thread at a time
_SLACK = 0.1  # so little is not for want of a processor that others have
_ROUND = 0.05
_LOOK = 0.1
_IDLE = 0.25  # cores


class Crew:
    """``size`` workers shall work now. It doubles after each round in which they did not keep a core busy, up
    to ``most`` while the machine has nothing else to do either. Where it has, up to ``usual``, and only while
    they use next to nothing.
    """

    def __init__(self, first: int, usual: int, most: int) -> None:
        self.size, self.usual, self.most = min(first, most), usual, most
        self._decisions: list[Decision] = []
        self._began, self._used, self._idle = perf_counter(), process_time(), idle_time()

    @property
    def next_look(self) -> float | None:
        """Seconds until ``grow`` is to be called again; None: never."""
        return _ROUND if self.size < self.most else None

    @property
    def decisions(self) -> list[Decision]:
        """Why the size was changed, and when."""
        return self._decisions

    def grow(self, workers: Sequence[Worker] = ()) -> int:
        """The size from now on of a crew with these workers."""
        now, before = perf_counter(), self.size
        if (passed := now - self._began) >= _ROUND:
            used, idle = process_time(), idle_time()
            busy = (used - self._used) / passed
            if busy < _BUSY and idle - self._idle > _IDLE * passed:
                self.size = min(self.most, self.size * 2)
            elif busy < _SLACK:
                # Where others have the processor, more workers would only wait for it.
                self.size = max(self.size, min(self.usual, self.size * 2))
            self._began, self._used, self._idle = now, used, idle
        if self.size > before:
            from .tuner import Decision

            self._decisions.append(Decision(now, before, self.size, "the processor is idle", 0.0))
        return self.size


class Tuned(Crew):
    """A tuner decides. What ends sooner than in a moment does not even import it."""

    def __init__(self, context: Context, counts: Counts) -> None:
        super().__init__(context.parallel, context.parallel, context.most_parallel)
        self._context, self._counts = context, counts
        self._tuning: Tuning | None = None

    @property
    def next_look(self) -> float:
        return _LOOK

    @property
    def decisions(self) -> list[Decision]:
        return self._tuning.decisions if self._tuning else []

    def grow(self, workers: Sequence[Worker] = ()) -> int:
        if self._tuning is None:
            from .tuning import Tuning

            self._tuning = Tuning(self._context, self._counts, self.size)
        self.size = self._tuning.look(workers)
        return self.size


def idle_time() -> float:
    """Seconds in which cores had nothing to do, summed; where the system does not tell, one never had."""
    try:
        with open("/proc/stat", "rb") as file:
            fields = file.readline().split()
        # "cpu", user, nice, system, idle, waiting for a disk
        return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return perf_counter()


def crew(context: Context, units: int, size: int | None, counts: Counts) -> Crew:
    """The crew for so many units of ``size`` bytes together."""
    fixed = Crew(context.parallel, context.parallel, context.parallel)
    # A limit of bandwidth says how much is carried, whoever carries it.
    if context.most_parallel <= context.parallel or context.request.bandwidth:
        return fixed
    small = units >= MANY and size is not None and size <= units * SMALL
    suited = any(spec.capabilities.parallel for spec in (context.source_spec, context.sink_spec))
    if not (small and suited and context.resolved.payload == "binary"):
        return Tuned(context, counts)
    usual, context.parallel = context.parallel, context.most_parallel
    return Crew(_FIRST, usual, context.parallel)


def told(decisions: Sequence[Decision], began: float) -> list[dict[str, Any]]:
    """Decisions as JSON; ``at`` is in seconds since then (``perf_counter``)."""
    return [
        {
            "at": round(each.at - began, 3),
            "from": each.before,
            "to": each.after,
            "why": each.why,
            "bytesPerSecond": round(each.rate),
        }
        for each in decisions
    ]
