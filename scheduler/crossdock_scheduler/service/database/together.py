"""Group commit: pieces of work that wait for the database are committed together, in one flush."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from anyio import CancelScope, CapacityLimiter, Lock, sleep
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")
# So many are committed at once: whoever comes first waits for the last of them.
_MOST = 100


class _Waiting(Generic[T]):
    """One piece of work, and what became of it."""

    def __init__(self, key: str, work: Callable[[sa.Connection], T]) -> None:
        self.key, self.work = key, work
        self.done = False
        self.found: T | None = None
        self.error: Exception | None = None

    def carry_out(self, connection: sa.Connection) -> None:
        """Raises only what the database says."""
        try:
            self.found = self.work(connection)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            self.error = error


class _Undone(Exception):
    """Rolls a transaction back."""


class Together:
    """Belongs to one event loop. ``begun`` makes a transaction."""

    def __init__(self, begun: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._begun = begun
        self._waiting: list[_Waiting[Any]] = []
        self._turn = Lock()
        # A thread that is there whatever else threads are busy with.
        self._thread = CapacityLimiter(1)

    async def run(self, key: str, work: Callable[[sa.Connection], T], patience: float = 0.0) -> T:
        """What ``work`` returns, once it is committed; it is undone, and raised, what it raises.

        Rows of one ``key`` are locked before those of a greater one. For ``patience`` seconds others may take
        it along.
        """
        mine: _Waiting[T] = _Waiting(key, work)
        self._waiting.append(mine)
        if patience:
            await sleep(patience)
        async with self._turn:
            # Whoever had the turn before has done it, or it is done here with all that came meanwhile.
            while not mine.done:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                with CancelScope(shield=True):
                    await run_sync(partial(self._commit, batch), limiter=self._thread)
        if mine.error is not None:
            raise mine.error
        return mine.found  # type: ignore[return-value] # it has ended

    def _commit(self, batch: list[_Waiting[Any]]) -> None:
        left = sorted(batch, key=lambda each: each.key)
        try:
            # What some have changed before they failed is undone with all the rest, which is done once more.
            while left and not self._committed(left):
                left = [each for each in left if each.error is None]
        except SQLAlchemyError:
            # All of it is undone, perhaps only because of one of them.
            self._one_by_one(left)
        for each in batch:
            each.done = True

    def _committed(self, batch: list[_Waiting[Any]]) -> bool:
        try:
            with self._begun() as connection:
                for each in batch:
                    each.carry_out(connection)
                if any(each.error for each in batch):
                    raise _Undone
        except _Undone:
            return False
        return True

    def _one_by_one(self, batch: list[_Waiting[Any]]) -> None:
        gone: Exception | None = None
        for each in batch:
            each.error, at_work = gone, False
            if gone is not None:
                continue
            try:
                with self._begun() as connection:
                    at_work = True
                    each.found = each.work(connection)
                    at_work = False
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
                each.error = error
                # Where no transaction can be begun or ended, the others need not wait for that as well.
                gone = None if at_work else error
