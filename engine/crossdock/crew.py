"""How many workers a run has: as many as were asked for, or as many as keep the processor busy."""

from __future__ import annotations

import os
from time import perf_counter, process_time

from .context import Context
from .dispatch import SMALL

# A worker that carries small files over a network needs the interpreter or waits for an answer. How long
# it waits is known only when it works: one is enough in the next room, another continent takes all. Two where
# one is enough take a sixth more of the processor: they give the interpreter to each other at every call.
MOST = 32
MANY = 100
_FIRST = 1
_BUSY = 0.5  # of one core: the interpreter runs one thread at a time
_SLACK = 0.1  # so little is not for want of a processor that others have
_ROUND = 0.05
_IDLE = 0.25  # cores


class Crew:
    """``size`` workers shall work now. It doubles after each round in which they did not keep a core busy, up
    to ``most`` while the machine has nothing else to do either. Where it has, up to ``usual``, and only while
    they use next to nothing.
    """

    def __init__(self, first: int, usual: int, most: int) -> None:
        self.size, self.usual, self.most = min(first, most), usual, most
        self._began, self._used, self._idle = perf_counter(), process_time(), idle_time()

    @property
    def next_look(self) -> float | None:
        """Seconds until ``grow`` is to be called again; None: never."""
        return _ROUND if self.size < self.most else None

    def grow(self) -> int:
        """The size from now on."""
        now = perf_counter()
        if (passed := now - self._began) >= _ROUND:
            used, idle = process_time(), idle_time()
            busy = (used - self._used) / passed
            if busy < _BUSY and idle - self._idle > _IDLE * passed:
                self.size = min(self.most, self.size * 2)
            elif busy < _SLACK:
                # Where others have the processor, more workers would only wait for it.
                self.size = max(self.size, min(self.usual, self.size * 2))
            self._began, self._used, self._idle = now, used, idle
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


def crew(context: Context, units: int, size: int | None) -> Crew:
    """The crew for so many units of ``size`` bytes together."""
    small = units >= MANY and size is not None and size <= units * SMALL
    if context.most_parallel <= context.parallel or not small:
        return Crew(context.parallel, context.parallel, context.parallel)
    usual, context.parallel = context.parallel, context.most_parallel
    context.carrier.gate.widen(context.parallel)
    return Crew(_FIRST, usual, context.parallel)
