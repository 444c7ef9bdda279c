"""Who does what next: splits of open units first, then the next units from the journal.

Small units are handed out in bundles, so that the journal writes once for many of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import CrossdockError
from .journal import Journal
from .journal_rows import UnitRow
from .mapping import Apply
from .meter import Worker
from .spi.data import Begun, Receipt, Split

if TYPE_CHECKING:
    from .verify import Proof

SMALL = 1 << 20
BUNDLE = 128
PAGE = 1000


@dataclass(eq=False, repr=False)
class UnitTask:
    """A unit that is being worked on.

    ``splits`` counts its whole plan, ``pending`` are those nobody has taken yet, ``done`` maps the
    index of a carried split to its receipt and digest. ``read_back``: the splits are those of the
    proof and are read to verify the other task. ``broken``: why it cannot go on (its
    object has vanished, what was staged is gone). ``began``: when, in seconds since 1970.
    """

    row: UnitRow
    begun: Begun
    apply: Apply | None
    schema: Any
    splits: int
    pending: deque[Split]
    done: dict[int, tuple[Split, Receipt, str]]
    committed: bool = False
    active: int = 0
    read_back: tuple[Proof, UnitTask] | None = None
    broken: CrossdockError | None = None
    began: float = field(default_factory=time.time)

    def receipts(self) -> list[tuple[Split, Receipt]]:
        return [(split, receipt) for _, (split, receipt, _) in sorted(self.done.items())]


@dataclass(eq=False, repr=False)
class Dispatcher:
    """Hands out work to any number of threads. ``most_busy``: how many have had some at the same time."""

    journal: Journal
    parallel: int
    total: int
    _open: list[UnitTask] = field(default_factory=list)
    _page: deque[UnitRow] = field(default_factory=deque)
    _cursor: int = 0
    most_busy: int = 0
    _busy: int = 0
    _stopped: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def next(self, worker: Worker) -> tuple[UnitTask, Split] | list[UnitRow] | None:
        """A split to carry, or units to begin; None when everything is done or the run stops.

        Each answer but None is followed by exactly one ``done``.
        """
        with self._changed:
            while not self._stopped:
                found = self._ready() or self._claim()
                if found:
                    self._busy += 1
                    self.most_busy = max(self.most_busy, self._busy)
                    return found
                if not self._busy:
                    break
                with worker.waits_for("queue"):
                    self._changed.wait(1.0)
            self._changed.notify_all()
            return None

    def _ready(self) -> tuple[UnitTask, Split] | None:
        for task in self._open:
            if task.pending and task.active < task.begun.max_writers:
                task.active += 1
                return task, task.pending.popleft()
        return None

    def _claim(self) -> list[UnitRow]:
        if not self._page:
            self._page.extend(self.journal.open_units(self._cursor, PAGE))
            if not self._page:
                return []
            self._cursor = self._page[-1].seq
        limit = max(1, min(BUNDLE, self.total // (4 * self.parallel)))
        rows = [self._page.popleft()]
        while self._page and len(rows) < limit and _small(rows[-1]) and _small(self._page[0]):
            rows.append(self._page.popleft())
        return rows

    def claim(self) -> list[UnitRow]:
        """Units for another process, which carries them to their end; none when the run stops."""
        with self._changed:
            return [] if self._stopped else self._claim()

    def done(self) -> None:
        """The caller has finished what ``next`` gave it."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def offer(self, task: UnitTask) -> None:
        """Let all workers take part in this unit's pending splits."""
        with self._changed:
            if task not in self._open:
                self._open.append(task)
            self._changed.notify_all()

    def drop(self, task: UnitTask, error: CrossdockError) -> None:
        """Hand out no more of this unit; whoever has a split of it still calls ``finished``."""
        with self._changed:
            task.pending.clear()
            task.broken = task.broken or error

    def finished(self, task: UnitTask, split: Split, result: tuple[Split, Receipt, str] | None) -> bool:
        """Note a split's result; True for exactly one caller when it was the last one."""
        with self._changed:
            task.active -= 1
            if result is not None:
                task.done[split.index] = result
            self._changed.notify_all()
            last = not task.pending and not task.active
            if last:
                self._open.remove(task)
            return last

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _small(row: UnitRow) -> bool:
    return row.unit.size is not None and row.unit.size <= SMALL
