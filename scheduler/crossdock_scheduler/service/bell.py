"""Wakes those in this process who wait for something to happen in the database."""

from __future__ import annotations

import threading
from collections.abc import Hashable

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token


class Bell:
    """Events by name. ``listen`` belongs to the event loop, ``ring`` to any thread."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, tuple[anyio.Event, EventLoopToken]] = {}
        self._lock = threading.Lock()

    def listen(self, name: Hashable) -> anyio.Event:
        """Set by the next ``ring`` of the name."""
        with self._lock:
            if name not in self._waiting:
                self._waiting[name] = anyio.Event(), current_token()
            return self._waiting[name][0]

    def ring(self, name: Hashable) -> None:
        """Call it after the transaction: before, there is nothing to be seen."""
        with self._lock:
            found = self._waiting.pop(name, None)
        if found is not None:
            anyio.from_thread.run_sync(found[0].set, token=found[1])
