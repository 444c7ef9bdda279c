"""The one place where something is tried again: after transient errors, later each time, within the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from .errors import CancelledError, ThrottledError, TransientError
from .gate import Gate

if TYPE_CHECKING:
    from .meter import Worker

ATTEMPTS = 5
THROTTLED_ATTEMPTS = 12
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
Result = TypeVar("Result")


def again(
    attempt: Callable[[int], Result], cancel: threading.Event, worker: Worker, gate: Gate, first: int = 1
) -> Result:
    """Call ``attempt(number)`` again after each TransientError, as often as ``attempts`` says."""
    number = first
    while True:
        make_way(gate, worker, cancel)
        began = monotonic()
        try:
            result = attempt(number)
        except TransientError as error:
            if number >= attempts(error):
                raise
            gate.failed(error, began)
            pause(error, number, cancel, worker, gate)
        else:
            gate.faster()
            return result
        finally:
            worker.taken, worker.taken_rows = worker.in_flight, worker.rows_in_flight
            worker.in_flight = worker.rows_in_flight = 0
        number += 1


def attempts(error: TransientError) -> int:
    """How many tries there are: more where the server only wants fewer requests."""
    return THROTTLED_ATTEMPTS if isinstance(error, ThrottledError) else ATTEMPTS


def make_way(gate: Gate, worker: Worker, cancel: threading.Event) -> None:
    """Between two calls, when fewer workers may work than do: leave, and wait to enter again."""
    if gate.crowded():
        gate.leave()
        with worker.held_back():
            gate.enter(cancel)


def pause(error: TransientError, number: int, cancel: threading.Event, worker: Worker, gate: Gate) -> None:
    """Wait before the next try: twice as long each time, with jitter, and as long as the server wishes.

    Meanwhile somebody else may have the worker's place within the gate.
    """
    worker.retries += 1
    throttled = isinstance(error, ThrottledError)
    worker.throttled += throttled
    import random  # takes a while, and most copies never wait

    jitter = random.uniform(0.5, 1)  # noqa: S311 - not for secrets
    wait = max(FIRST_WAIT * jitter, error.first_wait * (0.5 + jitter)) * 2 ** (number - 1)
    wait = min(LONGEST_WAIT * (1 if error.first_wait else jitter), wait)
    with worker.held_back() if throttled else worker.trying_again():
        gate.leave()
        cancelled = cancel.wait(max(wait, error.retry_after or 0))
        gate.enter(cancel)
    if cancelled:
        raise CancelledError() from error
