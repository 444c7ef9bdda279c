"""Who carries a copy on a lease says here how to find out that it is still theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Fence = Callable[[], None]


def _nobody() -> None:
    """A copy without a lease is nobody else's."""


_FENCE: ContextVar[Fence] = ContextVar("crossdock fence", default=_nobody)


def fence() -> Fence:
    """What is to be called before anything at a sink is begun or made visible."""
    return _FENCE.get()


@contextmanager
def fenced(check: Fence) -> Iterator[None]:
    """Copies begun within call ``check`` right before they begin or commit something at their sink.

    It raises CrossdockError where the copy belongs to somebody else by now; then nothing is committed. It is
    called from any thread, and in processes that were forked from this one.
    """
    token = _FENCE.set(check)
    try:
        yield
    finally:
        _FENCE.reset(token)
