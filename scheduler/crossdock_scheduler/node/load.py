"""What the machine does, for heartbeats."""

from __future__ import annotations

import time

import psutil

from ..wire.node import Load


class Meter:
    """Rates are those since the last time."""

    def __init__(self) -> None:
        psutil.cpu_percent()
        self._at, self._sent, self._received = time.monotonic(), *_moved()

    def load(self) -> Load:
        """MB a second; the processor's percent since the last time."""
        now, (sent, received) = time.monotonic(), _moved()
        span = max(now - self._at, 1e-3) * 1e6
        found = Load(
            cpu=min(100, round(psutil.cpu_percent())),
            memory=psutil.virtual_memory().available >> 20,
            sent=max(0.0, (sent - self._sent) / span),
            received=max(0.0, (received - self._received) / span),
        )
        self._at, self._sent, self._received = now, sent, received
        return found


def _moved() -> tuple[int, int]:
    counters = psutil.net_io_counters()
    return (counters.bytes_sent, counters.bytes_recv) if counters else (0, 0)
