"""How many workers may work at once while a server throttles: fewer when it complains, then more again."""

from __future__ import annotations

import threading
from time import monotonic

from .errors import ThrottledError, TransientError


class Gate:
    """Additive increase, multiplicative decrease, as TCP does it.

    Complaints let in half as many as are inside, once per round: those about calls that began before the last
    halving say nothing new. As many successes as the limit raise it by one, up to ``most``.
    """

    def __init__(self, most: int) -> None:
        self.most = self.lowest = most
        self._limit = float(most)
        self._inside = 0
        self._lowered = 0.0
        self._changed = threading.Condition()

    def enter(self, cancel: threading.Event) -> None:
        """Wait for a place; a run that is cancelled does not wait. ``leave`` follows in any case."""
        with self._changed:
            while self._inside >= int(self._limit) and not cancel.is_set():
                self._changed.wait(0.2)
            self._inside += 1

    def try_enter(self) -> bool:
        """Take a place if there is one."""
        with self._changed:
            room = self._inside < int(self._limit)
            self._inside += room
        return room

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()

    def crowded(self) -> bool:
        """Whether somebody inside should leave. Costs a comparison: asked before every call."""
        return self._inside > self._limit

    def failed(self, error: TransientError, began: float) -> None:
        """A call that began then (``monotonic``) ended so; only throttling counts."""
        if not isinstance(error, ThrottledError):
            return
        with self._changed:
            if began >= self._lowered:
                self._lowered = monotonic()
                self._limit = max(1.0, min(self._limit, self._inside) / 2)
                self.lowest = min(self.lowest, int(self._limit))

    def faster(self) -> None:
        """A call was not throttled."""
        if self._limit < self.most:
            with self._changed:
                self._limit = min(float(self.most), self._limit + 1 / self._limit)
                self._changed.notify()


class NoGate(Gate):
    """Always open."""

    def __init__(self) -> None:
        super().__init__(1)

    def enter(self, cancel: threading.Event) -> None:
        pass

    def try_enter(self) -> bool:
        return True

    def leave(self) -> None:
        pass

    def crowded(self) -> bool:
        return False

    def failed(self, error: TransientError, began: float) -> None:
        pass
