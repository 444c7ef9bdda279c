"""Facts on their way to the journal: small ones are written together, and soon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
MOST = 32
LONGEST = 0.05


class Grouped(Generic[T]):
    """Calls ``write`` with what was added: MOST facts at once, or fewer where LONGEST seconds have passed.

    Nobody watches the clock: it is the next fact that finds them passed, or the end of the block.
    A transaction costs as much as copying half a small file, so that each fact cannot have its own; a process
    that is killed does again what it had not written. The end of a block writes the rest, also when
    something failed in it: what has happened counts.

    Several threads may have blocks of one group at the same time: many slow workers then need as few
    transactions as a fast one. What could not be written stays for the next who tries.
    """

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._facts: list[T] = []
        self._written = monotonic()
        self._mutex = threading.Lock()

    def add(self, fact: T) -> None:
        self._facts.append(fact)
        if len(self._facts) < MOST and monotonic() - self._written < LONGEST:
            return
        # Where somebody writes, who comes next takes this one along; to wait would cost more than it saves.
        if self._mutex.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._mutex.release()

    def _flush(self) -> None:
        if facts := self._facts[:]:
            self._write(facts)
            # Others may have added some meanwhile.
            del self._facts[: len(facts)]
        self._written = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._mutex:
            self._flush()
