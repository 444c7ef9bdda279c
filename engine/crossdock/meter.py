"""What each worker does, and for how long; how much it has carried.

A worker does one thing at a time: the seconds of all things together are those it has worked. ``waits_for``
says what, inside another wait too, and is the other's again afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from time import perf_counter

DOINGS = ("first", "source", "transform", "verify", "sink", "commit", "begin", "engine", "queue", "budget",
          "throttle", "away")  # fmt: skip
"""``first``: until its first byte; ``begin``: columns, plan and target of a unit; ``engine``: all that has no
other name, the journal above all; ``queue``: there is nothing to do; ``away``: it does not work, which does
not count.
"""
_BEFORE = ("source", "sink", "begin", "engine")


class _Wait:
    """The time in the block is for something else; no generator, for every small file has several."""

    __slots__ = ("_before", "_reason", "_worker")

    def __init__(self, worker: Worker, reason: str) -> None:
        self._worker, self._reason = worker, reason

    def __enter__(self) -> None:
        self._before = self._worker.state
        self._worker.turn(self._reason)

    def __exit__(self, *_: object) -> None:
        self._worker.turn(self._before)


@dataclass(eq=False, repr=False)
class Worker:
    """What one worker does now and has done; read by the progress display without a lock.

    ``in_flight`` are the bytes of the attempt that goes on, ``taken`` those of the last one that
    ended; with ``rows`` the same for rows. ``first``: when it had its first byte (``perf_counter``).
    """

    state: str = "queue"
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(DOINGS, 0.0))
    since: float = field(default_factory=perf_counter)
    first: float | None = None
    in_flight: int = 0
    rows_in_flight: int = 0
    taken: int = 0
    taken_rows: int = 0
    retries: int = 0
    throttled: int = 0
    throttled_seconds: float = 0.0
    retried_seconds: float = 0.0

    def turn(self, state: str) -> None:
        """From now on it does that."""
        now = perf_counter()
        self.seconds[self.state] += now - self.since
        self.state, self.since = state, now

    def first_byte(self) -> None:
        """It has its first byte: connecting, planning and asking until now was for that."""
        self.turn(self.state)
        self.first = self.since
        for doing in _BEFORE:
            self.seconds["first"] += self.seconds[doing]
            self.seconds[doing] = 0.0

    def spent(self, seconds: dict[str, float]) -> None:
        """What it has waited for until now was done by another process, which tells for what."""
        self.turn(self.state)
        for doing in ("transform", "verify", "sink"):
            given = min(seconds[doing], self.seconds[self.state])
            self.seconds[doing] += given
            self.seconds[self.state] -= given

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Wait because a server throttles."""
        start = perf_counter()
        try:
            with self.waits_for("throttle"):
                yield
        finally:
            self.throttled_seconds += perf_counter() - start

    @contextmanager
    def trying_again(self) -> Iterator[None]:
        """Wait before the next try."""
        start = perf_counter()
        try:
            with self.waits_for("throttle"):
                yield
        finally:
            self.retried_seconds += perf_counter() - start

    def waits_for(self, reason: str) -> AbstractContextManager[None]:
        return _Wait(self, reason)
