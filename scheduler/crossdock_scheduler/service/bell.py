"""Wakes those in this process who wait for something to happen in the database."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token


class Bell:
    """Events by name. ``listening`` belongs to the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, set[anyio.Event]] = {}
        self._lock = threading.Lock()
        self._loop: EventLoopToken | None = None

    @contextmanager
    def listening(self, name: Hashable) -> Iterator[anyio.Event]:
        """An event that the next ``ring`` of the name sets."""
        event = anyio.Event()
        with self._lock:
            self._loop = current_token()
            self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            with self._lock:
                found = self._waiting[name]
                found.discard(event)
                if not found:
                    del self._waiting[name]

    def ring(self, name: Hashable) -> None:
        """From any thread but the loop's, after the transaction: before, there is nothing to be seen."""
        with self._lock:
            if self._loop is None or name not in self._waiting:
                return
            loop = self._loop
        anyio.from_thread.run_sync(self.ring_here, name, token=loop)

    def ring_all(self) -> None:
        """Every name; for the event loop, where nobody is to wait any longer."""
        with self._lock:
            events = [event for waiting in self._waiting.values() for event in waiting]
        for each in events:
            each.set()

    def ring_here(self, name: Hashable) -> None:
        """From the event loop."""
        with self._lock:
            events = list(self._waiting.get(name, ()))
        for each in events:
            each.set()
