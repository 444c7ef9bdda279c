"""What each worker waits for, and how much it has carried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from time import perf_counter


class _Wait:
    """Counts the time in the block as a worker's wait; no generator, for every small file has several."""

    __slots__ = ("_before", "_reason", "_start", "_worker")

    def __init__(self, worker: Worker, reason: str) -> None:
        self._worker, self._reason = worker, reason

    def __enter__(self) -> None:
        worker = self._worker
        self._before, worker.state, self._start = worker.state, self._reason, perf_counter()

    def __exit__(self, *_: object) -> None:
        worker = self._worker
        worker.seconds[self._reason] += perf_counter() - self._start
        worker.state = self._before


@dataclass(eq=False, repr=False)
class Worker:
    """What one worker does now and has done; read by the progress display without a lock.

    ``in_flight`` are the bytes of the attempt that goes on, ``taken`` those of the last one that
    ended; with ``rows`` the same for rows.
    """

    state: str = "queue"
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("queue", "budget", "throttle", "source", "sink"), 0.0)
    )
    in_flight: int = 0
    rows_in_flight: int = 0
    taken: int = 0
    taken_rows: int = 0
    retries: int = 0
    throttled: int = 0
    throttled_seconds: float = 0.0

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Wait because a server throttles."""
        start = perf_counter()
        try:
            with self.waits_for("throttle"):
                yield
        finally:
            self.throttled_seconds += perf_counter() - start

    def waits_for(self, reason: str) -> AbstractContextManager[None]:
        return _Wait(self, reason)
