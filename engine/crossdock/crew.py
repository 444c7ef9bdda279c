"""How many workers a run has: as many as were asked for, or as many as keep the processor busy."""

from __future__ import annotations

from time import perf_counter, process_time

from .context import Context
from .dispatch import SMALL

# A worker that carries small files over a network needs the interpreter or waits for an answer. How long
# it waits is known only when it works: two a core are enough in the next room, another continent takes all.
MOST = 32
MANY = 100
_FIRST = 4
_BUSY = 0.75  # of one core: the interpreter runs one thread at a time
_ROUND = 0.05


class Crew:
    """``size`` workers shall work now; it doubles, up to ``most``, after each round that left the processor
    idle.
    """

    def __init__(self, first: int, most: int) -> None:
        self.size, self.most = min(first, most), most
        self._began, self._used = perf_counter(), process_time()

    @property
    def next_look(self) -> float | None:
        """Seconds until ``grow`` is to be called again; None: never."""
        return _ROUND if self.size < self.most else None

    def grow(self) -> int:
        """The size from now on."""
        now, used = perf_counter(), process_time()
        if now - self._began >= _ROUND:
            if used - self._used < _BUSY * (now - self._began):
                self.size = min(self.most, self.size * 2)
            self._began, self._used = now, used
        return self.size


def crew(context: Context, units: int, size: int | None) -> Crew:
    """The crew for so many units of ``size`` bytes together."""
    small = units >= MANY and size is not None and size <= units * SMALL
    if context.most_parallel <= context.parallel or not small:
        return Crew(context.parallel, context.parallel)
    context.parallel = context.most_parallel
    context.carrier.gate.widen(context.parallel)
    return Crew(_FIRST, context.parallel)
