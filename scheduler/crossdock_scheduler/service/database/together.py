"""Group commit: transactions that wait for the only writer are committed together, in one flush."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")


class _Waiting(Generic[T]):
    """One piece of work, and what became of it."""

    def __init__(self, work: Callable[[sa.Connection], T]) -> None:
        self.work = work
        self.done = False
        self.found: T | None = None
        self.error: Exception | None = None

    def carry_out(self, connection: sa.Connection) -> None:
        """Raises only what the database says; what the work itself raises undoes that alone."""
        try:
            with connection.begin_nested():
                self.found = self.work(connection)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            self.error = error

    def alone(self, begun: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        try:
            with begun() as connection:
                self.found = self.work(connection)
        except Exception as error:  # noqa: BLE001 - as above
            self.error = error


class Together:
    """For a database with one writer. ``turn`` is held by whoever writes, ``begun`` makes a transaction."""

    def __init__(
        self,
        turn: AbstractContextManager[object],
        begun: Callable[[], AbstractContextManager[sa.Connection]],
    ) -> None:
        self._turn, self._begun = turn, begun
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[object]] = []

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """What ``work`` returns, once it is committed; it is undone, and raised, what it raises."""
        mine: _Waiting[T] = _Waiting(work)
        with self._lock:
            self._waiting.append(mine)  # type: ignore[arg-type] # of any type
        with self._turn:
            # Whoever had the turn before has done it, or it is done here with all that came meanwhile.
            if not mine.done:
                with self._lock:
                    batch, self._waiting = self._waiting, []
                _carry_out(batch, self._begun)
        if mine.error is not None:
            raise mine.error
        return mine.found  # type: ignore[return-value] # it has ended


def _carry_out(
    batch: list[_Waiting[object]], begun: Callable[[], AbstractContextManager[sa.Connection]]
) -> None:
    if len(batch) > 1:
        try:
            with begun() as connection:
                for each in batch:
                    each.carry_out(connection)
        except SQLAlchemyError:
            # SQLite has undone everything, perhaps only because of one of them.
            for each in batch:
                each.found = each.error = None
                each.alone(begun)
    else:
        batch[0].alone(begun)
    for each in batch:
        each.done = True
