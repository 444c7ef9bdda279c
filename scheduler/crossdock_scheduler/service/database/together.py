"""Group commit: pieces of work that wait for the database are committed together, in one flush."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from anyio import CancelScope, CapacityLimiter, Lock, current_time, sleep
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")
A = TypeVar("A")
# What does several pieces at once, with one result for each, or the error of one that has changed nothing.
Many = Callable[[sa.Connection, Sequence[A]], Sequence[T | Exception]]
# So many are committed at once: whoever comes first waits for the last of them.
_MOST = 100


class _Waiting(Generic[T]):
    """One piece of work, and what became of it. ``alike``: what does all pieces that are alike at once, when
    they are ``due`` and every ``pause`` seconds at most."""

    def __init__(self, key: str, work: Callable[[sa.Connection], T], alike: Any = None) -> None:
        self.key, self.work, self.alike = key, work, alike
        self.asked: Any = None
        self.due = self.pause = 0.0
        self.done = False
        self.found: T | None = None
        self.error: Exception | None = None


class _Undone(Exception):
    """Rolls a transaction back."""


class Together:
    """Belongs to one event loop. ``begun`` makes a transaction.

    ``apart``: each kind of pieces has transactions of its own. Where rows are locked, those of a kind are
    locked in one order, and those of several kinds in none.
    """

    def __init__(
        self, begun: Callable[[], AbstractContextManager[sa.Connection]], *, apart: bool = False
    ) -> None:
        self._begun, self._apart = begun, apart
        self._waiting: list[_Waiting[Any]] = []
        # When pieces that are alike are due again.
        self._next: dict[Any, float] = {}
        self._turn = Lock()
        # A thread that is there whatever else threads are busy with.
        self._thread = CapacityLimiter(1)

    async def run(self, key: str, work: Callable[[sa.Connection], T]) -> T:
        """What ``work`` returns, once it is committed; it is undone, and raised, what it raises.

        Rows of one ``key`` are locked before those of a greater one.
        """
        return await self._ended(_Waiting(key, work))

    async def run_alike(self, key: str, asked: A, many: Many[A, T], pause: float) -> T:
        """As ``run``, for what ``many`` does at once, in the order of keys and before all others.

        It is called every ``pause`` seconds at most: those that come too soon wait for each other until then.
        """

        def alone(connection: sa.Connection) -> T:
            (found,) = many(connection, [asked])
            if isinstance(found, Exception):
                raise found
            return found

        mine = _Waiting(key, alone, many)
        mine.asked, mine.due, mine.pause = asked, self._next.get(many, 0.0), pause
        return await self._ended(mine)

    async def _ended(self, mine: _Waiting[T]) -> T:
        self._waiting.append(mine)
        if (wait := mine.due - current_time()) > 0:
            await sleep(wait)
        if not mine.done:
            async with self._turn:
                # Whoever had the turn before has done it, or it is done here with all that came meanwhile.
                while not mine.done:
                    batch = self._taken(max(mine.due, current_time()))
                    with CancelScope(shield=True):
                        await run_sync(partial(self._commit, batch), limiter=self._thread)
        if mine.error is not None:
            raise mine.error
        return mine.found  # type: ignore[return-value] # it has ended

    def _taken(self, now: float) -> list[_Waiting[Any]]:
        """Those who have waited longest of all that are due; ``apart``, those like the first of them."""
        due = [each for each in self._waiting if each.due <= now]
        if self._apart:
            due = [each for each in due if each.alike is due[0].alike]
        batch = due[:_MOST]
        taken = set(map(id, batch))
        self._waiting = [each for each in self._waiting if id(each) not in taken]
        self._next |= {each.alike: now + each.pause for each in batch if each.alike is not None}
        return batch

    def _commit(self, batch: list[_Waiting[Any]]) -> None:
        left = sorted(batch, key=lambda each: each.key)
        try:
            # What some have changed before they failed is undone with all the rest, which is done once more.
            while left and not self._committed(left):
                left = [each for each in left if each.error is None]
        except Exception:  # noqa: BLE001 - raised once more by the one whose it is
            # All of it is undone, perhaps only because of one of them.
            self._one_by_one(left)
        for each in batch:
            each.done = True

    def _committed(self, batch: list[_Waiting[Any]]) -> bool:
        alike: dict[Any, list[_Waiting[Any]]] = defaultdict(list)
        for each in batch:
            if each.alike is not None:
                alike[each.alike].append(each)
        try:
            with self._begun() as connection:
                for many, some in alike.items():
                    _all_at_once(connection, many, some)
                for each in batch:
                    if each.alike is None:
                        _carried_out(connection, each)
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


def _carried_out(connection: sa.Connection, each: _Waiting[Any]) -> None:
    """Raises only what the database says."""
    try:
        each.found = each.work(connection)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
        each.error = error


def _all_at_once(connection: sa.Connection, many: Many[Any, Any], some: Sequence[_Waiting[Any]]) -> None:
    for each, found in zip(some, many(connection, [each.asked for each in some]), strict=True):
        if isinstance(found, Exception):
            each.error = found
        else:
            each.found = found
