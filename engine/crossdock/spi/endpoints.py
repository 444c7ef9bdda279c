"""Source, Sink and Writer: what a table connector implements. The methods may block.

The engine calls each from its own worker threads or child processes, at most one call per
``Writer`` at a time. ``T`` is ``pyarrow.RecordBatch`` (tabular) or ``memoryview`` (binary).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Generic, TypeVar

from .skipping import fitted

if TYPE_CHECKING:
    import pyarrow as pa

    from .data import Attempt, Begun, PlanHint, Receipt, Split, Target, Unit, UnitPage
    from .skipping import RowSkips
    from .store import StagedFile

T = TypeVar("T")


class Source(ABC, Generic[T]):
    """Where items come from. Safe to use from several threads."""

    @abstractmethod
    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        """List the units in pages, going on behind the cursor ``after``; the order is stable.

        Raises NotFoundError when nothing is there.
        """

    @abstractmethod
    def schema(self, unit: Unit) -> pa.Schema | None:
        """The schema of every batch of this unit; None for bytes. Costs a round trip."""

    @abstractmethod
    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        """Cut the unit into splits that together hold each item once; indices 0, 1, 2, ...

        Asked once per run; the stored plan answers afterwards. The same unit and hint give the
        same plan as long as the source does not change. An empty unit has one empty split or none.
        """

    @abstractmethod
    def read(self, split: Split) -> AbstractContextManager[Iterator[T]]:
        """Open the split. An item is valid until the next one is asked for.

        Ending early is an error (ShortReadError), never a short success; a source that is no
        longer what was planned raises SourceChangedError where that can be known.
        """

    def notes(self) -> Sequence[str]:
        """What the report should say about how it was read (for example: not in one snapshot)."""
        return ()

    def close(self) -> None:
        """Let go of connections. May be called twice."""


class Writer(ABC, Generic[T]):
    """Writes one attempt at one split. Ends with ``finish``, or with ``abort`` after anything has failed.

    ``skips``: set by the engine where rows that do not fit are left out; a writer that cannot do that leaves
    it alone.
    """

    skips: RowSkips | None = None

    @abstractmethod
    def write(self, item: T) -> None:
        """Take one item. It may not be kept after returning unless it is immutable (Arrow)."""

    def consume(self, items: Iterator[T]) -> None:
        """Take all items. Bulk loaders that pull override this; errors of ``items`` pass through."""
        for item in items:
            self.write(item)

    @abstractmethod
    def finish(self) -> Receipt:
        """Make the split durable, not visible. When it raises, ``abort`` follows."""

    @abstractmethod
    def abort(self) -> None:
        """Throw this attempt away. Never raises."""


class BulkWriter(Writer["pa.RecordBatch"]):
    """A writer around a bulk loader that pulls batches; a connector adds ``load``, ``finish`` and ``abort``.

    ``failure`` is what the input raised, which many loaders turn into an error of their own.
    """

    most_pending = 32 << 20
    """Bytes that wait in memory when the engine pushes batches; then they are loaded."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = self._items = self._bytes = self.rows = 0

    @abstractmethod
    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        """Load these batches behind those loaded before."""

    def write(self, item: pa.RecordBatch) -> None:
        self._pending.append(item)
        self._pending_bytes += item.nbytes
        if self._pending_bytes >= self.most_pending:
            self.flush()

    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        self.flush()
        self.load(items)

    def flush(self) -> None:
        """Load what waits; ``finish`` begins with it."""
        items, self._pending, self._pending_bytes = self._pending, [], 0
        if items:
            self.load(iter(items))

    def forget(self) -> None:
        """Let go of what waits; ``abort`` begins with it."""
        self._pending, self._pending_bytes = [], 0

    def converted(
        self, items: Iterator[pa.RecordBatch], convert: Callable[[pa.RecordBatch], pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """The batches as the loader takes them; counts them for the receipt, and keeps ``failure``.

        With ``skips``, rows for which ``convert`` raises DataError are left out.
        """
        self.failure = None
        try:
            for item in items:
                kept, loadable = fitted(item, convert, self.skips)
                self._items += 1
                self._bytes += kept.nbytes
                self.rows += kept.num_rows
                yield loadable
        except BaseException as error:
            self.failure = error
            raise

    def receipt(self, token: bytes) -> Receipt:
        """The receipt of all that was converted."""
        from .data import Receipt

        return Receipt(token, self._items, self._bytes, self.rows)


class Sink(ABC, Generic[T]):
    """Where items go. Safe to use from several threads and, by its handles, processes."""

    one_target: bool = False
    """Whether all units go to the same target (a named table); the engine then makes one unit of them."""

    @abstractmethod
    def check(self, unit: Unit, target: Target) -> None:
        """Refuse before any data moves what cannot work (mode, keys, types). Changes nothing."""

    @abstractmethod
    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        """Prepare the unit. Not repeated on resume: the handle is journaled.

        A process may be killed before that. Then ``abandon`` is called, and perhaps ``begin`` again: what is
        staged here is found by the unit and the run id.
        """

    @abstractmethod
    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[T]:
        """Open one attempt. Attempts with different numbers never touch each other's data."""

    @abstractmethod
    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        """Make exactly the receipts' data visible, in the order of the splits.

        Finds its own earlier commit: twice is the same as once, also when somebody has changed
        the target since. Raises StageLostError when staged data is gone.
        """

    @abstractmethod
    def cleanup(self, handle: bytes) -> None:
        """Remove what is staged, after commit or giving up. Idempotent; may race with itself."""

    def abandon(self, unit: Unit, run_id: str) -> None:
        """Remove what ``begin`` may have staged for the unit, whose handle was lost. Idempotent."""

    def is_committed(self, handle: bytes) -> bool:
        """Whether the unit can be seen by a commit of this handle: asked when a run is given up.

        Here: not known. Those whose writers make units visible (``Receipt.visible``) override it.
        """
        return False

    def target_name(self, unit: Unit) -> str | None:
        """A name at the sink that no other unit may have; None where two units never have the same."""
        return None

    def notes(self) -> Sequence[str]:
        """What the report should say about how it was written (for example: without a verified server)."""
        return ()

    def close(self) -> None:
        """Let go of connections. May be called twice."""


class Remembering(ABC):
    """Ability of a sink: it knows what a run has committed, by the unit and the run id, until ``cleanup``.

    Asked for a run whose journal is on a machine that is lost, for example.
    """

    def remembers(self) -> bool:
        """Whether it does. Cheap; asked once per run."""
        return True

    @abstractmethod
    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        """What the run has made visible of the unit: the receipt says how much, as far as that is known.

        None: nothing. What the run had begun is then removed as by ``abandon``, and whoever had begun it to
        append cannot commit it any more: that is a StageLostError. ``abandon`` has it forget a commit.
        """


class ReadBack(ABC, Generic[T]):
    """Ability of a sink: what was written can be read again, for ``--verify``.

    ``Capabilities.read_back`` says whether that is possible ``before_commit`` (a wrong copy never
    becomes visible) or only ``after_commit``.
    """

    @abstractmethod
    def written(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> tuple[Source[T], Unit]:
        """A source that reads what the receipts stand for, and nothing else."""


class Copier(ABC):
    """Ability of a sink: a binary split can go from source to sink without passing through us."""

    @abstractmethod
    def can_copy(self, source: Source[memoryview]) -> bool:
        """Whether ``copy`` works from this source. Cheap; asked once per run."""

    @abstractmethod
    def copy(self, source: Source[memoryview], handle: bytes, split: Split, attempt: Attempt) -> Receipt:
        """Carry the split; as durable and as invisible as ``Writer.finish``.

        Raises NotSupportedError where that does not work after all; a writer is then asked for instead.
        """

    def copy_seen(
        self,
        source: Source[memoryview],
        handle: bytes,
        split: Split,
        attempt: Attempt,
        *,
        seen: Callable[[memoryview], object],
    ) -> Receipt | None:
        """As ``copy``; ``seen`` gets the bytes as they were read, in order. None: not possible."""
        return None


class BulkLoader(ABC):
    """Ability of a sink: it fetches staged files and loads them; rows do not pass through us.

    ``Capabilities.bulk_load`` says which.
    """

    @abstractmethod
    def can_load(self) -> bool:
        """Whether to do so. Cheap; asked once per run."""

    @abstractmethod
    def load(self, handle: bytes, split: Split, attempt: Attempt, file: StagedFile) -> Receipt:
        """Load all rows of the file; as durable and as invisible as ``Writer.finish``, and counted.

        Raises NotSupportedError where that does not work after all; a writer is then asked for instead.
        """


class Cancellable(ABC):
    """Ability of a source, sink or writer: a blocked call can be ended from another thread."""

    @abstractmethod
    def cancel(self) -> None:
        """Make blocked calls return soon, with any exception. Idempotent."""
