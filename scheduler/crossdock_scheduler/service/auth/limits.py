"""How much somebody may ask for: buckets that fill up again with time.

They are in this process's memory: each replica counts on its own.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# So many are remembered; whoever was not heard of for longest has a full bucket again.
_MOST = 10_000


class Buckets:
    """Buckets by name, each of which holds what may be taken in a minute. Safe for threads."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """0 per minute: there is no limit."""
        self._size, self._clock = per_minute, clock
        self._found: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> int | None:
        """Take one: how many are left, or None if there was none."""
        if not self._size:
            return 0
        with self._lock:
            level, now = self._level(name)
            if level < 1:
                return None
            self._found[name] = (level - 1, now)
            self._found.move_to_end(name)
            if len(self._found) > _MOST:
                self._found.popitem(last=False)
            return int(level - 1)

    def wait(self, name: str) -> int:
        """After how many seconds there is one to take; 0: now."""
        if not self._size:
            return 0
        with self._lock:
            level, _ = self._level(name)
        return 0 if level >= 1 else max(1, math.ceil((1 - level) * 60 / self._size))

    def _level(self, name: str) -> tuple[float, float]:
        now = self._clock()
        level, since = self._found.get(name, (self._size, now))
        return min(self._size, level + (now - since) * self._size / 60), now
