"""Who carries a copy on a lease says here how to find out that it is still theirs, and which lease it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


def _nobody() -> None:
    """A copy without a lease is nobody else's."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Called before anything at a sink is begun or made visible. ``lease`` counts those who had the copy,
    from 1; 0 is a copy that nobody else carries.
    """

    check: Callable[[], None] = _nobody
    lease: int = 0

    def __call__(self) -> None:
        self.check()


_NONE = Fence()
_FENCE: ContextVar[Fence] = ContextVar("crossdock fence", default=_NONE)


def fence() -> Fence:
    """That of the copies that begin now."""
    return _FENCE.get()


@contextmanager
def fenced(check: Callable[[], None], lease: int) -> Iterator[None]:
    """Copies begun within call ``check`` right before they begin or commit something at their sink.

    It raises CrossdockError where the copy belongs to somebody else by now; then nothing is committed. It is
    called from any thread, and in processes that were forked from this one. Whoever had an earlier ``lease``
    may have committed some of the copy: the sink is asked. What the sink knows of commits stays there until
    ``crossdock.settle``.
    """
    token = _FENCE.set(Fence(check, lease))
    try:
        yield
    finally:
        _FENCE.reset(token)
