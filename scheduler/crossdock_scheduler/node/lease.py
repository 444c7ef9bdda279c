"""The lease of a job in the process that carries it out: nothing is committed without it.

The agent says when the service has last confirmed that the job is this node's. All times are of a clock that
goes on while the machine sleeps and that all of its processes share.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Callable

from crossdock import CancelledError

from ..clock import passing as now

# A confirmation that is younger is not asked for again: a copy of many files commits often.
_FRESH = 1.0
_BOTH = struct.Struct("dd")


class Lease:
    """Held for ``seconds`` after each confirmation. ``ask`` has the agent get another one."""

    def __init__(self, seconds: float, confirmed: float, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._news, self._owner = threading.Condition(), os.getpid()
        # Forked processes see it, which no message reaches.
        self._shared = mmap.mmap(-1, _BOTH.size + 1)
        self.confirm(confirmed, seconds)

    @property
    def given_up(self) -> bool:
        """Whether something was not begun or committed because it had run out, confirmed since or not."""
        return bool(self._shared[_BOTH.size])

    def confirm(self, when: float, seconds: float) -> None:
        with self._news:
            _BOTH.pack_into(self._shared, 0, when, seconds)
            self._news.notify_all()

    def check(self) -> None:
        """Raises CancelledError where the job may be another node's by now."""
        asked = now()
        if os.getpid() == self._owner and asked - self._confirmed() > _FRESH:
            self._ask()
            with self._news:
                self._news.wait_for(lambda: self._confirmed() >= asked or self._left() <= 0, self._left())
        if self._left() <= 0:
            self._shared[_BOTH.size] = 1
            raise CancelledError("the job may be another node's by now: its lease has run out")

    def is_over(self) -> bool:
        """Whether the job may be another node's."""
        return self._left() <= 0

    def _confirmed(self) -> float:
        found: float = _BOTH.unpack_from(self._shared, 0)[0]
        return found

    def _left(self) -> float:
        end: float = sum(_BOTH.unpack_from(self._shared, 0))
        return max(0.0, end - now())
