"""``--verify``: what a unit holds at the sink is proved to be what was read from the source.

Tables, and everything with ``full``: all values are read back. Files of a format: all bytes are read back
and compared with those given to the store; the values of a sample of splits are, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from .digest_split import SAMPLED, Carried, Digesting
from .errors import VerificationError
from .spi.data import PlanHint, Receipt, Split
from .spi.endpoints import ReadBack

if TYPE_CHECKING:
    from .context import Context
    from .dispatch import UnitTask
    from .files.parts import WrittenFile
    from .journal_rows import UnitRow

Done = Mapping[int, tuple[Split, Receipt, str]]

ONE_IN = 16
"""Of so many rows one has its values read back, where all bytes are: about a twentieth of the copy's work."""
_LARGE = 16 << 20


def sampled_share(run_id: str, row: UnitRow, splits: int, index: int) -> float:
    """What share of a split's rows has its values read back: the same in every process.

    Of a large unit, some splits at equal distances, the first of them chosen by a hash, and of those no
    more than makes up the sample. Of small units, whole ones chosen by a hash, and the run's first one.
    """
    unit = row.unit
    name = f"{run_id}\0{unit.name}".encode(errors="surrogateescape")
    start = int.from_bytes(blake2b(name, digest_size=8).digest())
    small = unit.size is not None and unit.size < _LARGE
    if small and row.seq > 1:
        return 0.0 if start % ONE_IN else 1.0
    count = max(1, round(splits / ONE_IN))
    place = (index - start) % splits
    nearest = -(-place * count // splits)
    if nearest * splits // count != place:
        return 0.0
    return 1.0 if small else min(1.0, splits / (ONE_IN * count))


class Proof(ABC):
    """What is read at the sink to prove one unit; ``splits`` are read by any worker, in any order."""

    splits: list[Split]

    @abstractmethod
    def read(self, split: Split) -> AbstractContextManager[Iterator[Any]]: ...

    @abstractmethod
    def digest(self, split: Split) -> Digesting:
        """What makes the digest of what ``read`` gives."""

    @abstractmethod
    def compare(self, found: Mapping[int, str]) -> None:
        """Raise VerificationError, naming the unit, unless these are the right digests of all splits."""


def samples(context: Context) -> bool:
    """Whether all bytes are proved, and values only of a sample."""
    if context.request.verify is not True or context.resolved.payload == "binary":
        return False
    from .files.tabular import FormatSink

    return isinstance(context.sink, FormatSink) and context.sink.by_parts


def digesting(context: Context, task: UnitTask, split: Split) -> Digesting | None:
    """What is digested of a split while it is carried."""
    if not context.request.verify:
        return None
    if task.schema is None or not samples(context):
        return Digesting(task.schema)
    return Digesting(
        task.schema, sampled_share(context.run_id, task.row, task.splits, split.index), split.length
    )


def proof(context: Context, task: UnitTask) -> Proof:
    """How this unit is proved. Asks the sink; raises VerificationError where a look is enough."""
    if samples(context):
        sink: Any = context.sink
        return PartsProof(task, sink.written_file(task.begun.handle, task.receipts()))
    return ValuesProof(context, task)


def described(context: Context, rows: int | None) -> dict[str, Any]:
    """For the report of a run that has carried ``rows``: what was compared."""
    if not context.request.verify:
        return {}
    if context.resolved.payload == "binary":
        return {"bytes": "all"}
    if not samples(context):
        return {"values": "all"}
    compared = [Carried.parse(text).first for text in context.journal.digests(SAMPLED)]
    found = sum(first.rows for first in compared if first is not None)
    if found == (rows or 0):
        return {"bytes": "all", "values": "all"}
    return {"bytes": "all", "values": "sample", "rows": found, "splits": len(compared)}


class ValuesProof(Proof):
    """Everything is read back: rows are compared as a multiset over the whole unit, bytes range by range."""

    def __init__(self, context: Context, task: UnitTask) -> None:
        sink = context.sink
        assert isinstance(sink, ReadBack)  # noqa: S101 - the run refused others
        self._task = task
        self._source, unit = sink.written(task.begun.handle, task.receipts())
        hint = PlanHint(context.parallel, block=task.begun.block, cheap_scan=True)
        self.splits = list(self._source.plan(unit, hint))

    def read(self, split: Split) -> AbstractContextManager[Iterator[Any]]:
        return self._source.read(split)

    def digest(self, split: Split) -> Digesting:
        return Digesting(self._task.schema)

    def compare(self, found: Mapping[int, str]) -> None:
        name, written = self._task.row.unit.name, self._task.done
        if self._task.schema is None:
            _compare_ranges(name, written, [(split, found[split.index]) for split in self.splits])
            return
        from .digest import TableValue, compare

        expected, actual = TableValue(), TableValue()
        for _, _, text in written.values():
            expected += TableValue.parse(text)
        for text in found.values():
            actual += TableValue.parse(text)
        compare(expected, actual, name)


def _compare_ranges(name: str, written: Done, read_back: list[tuple[Split, str]]) -> None:
    expected = {
        split.offset or 0: (split.length, text) for split, _, text in written.values() if split.length
    }
    actual = {split.offset or 0: (split.length, text) for split, text in read_back if split.length}
    for offset in sorted({*expected, *actual}):
        if expected.get(offset) != actual.get(offset):
            raise VerificationError(
                f"{name}: the bytes from {offset:,} on differ between source and sink; copy it again"
            )


class PartsProof(Proof):
    """All bytes of a file, part by part, and the values of its sampled splits."""

    def __init__(self, task: UnitTask, file: WrittenFile) -> None:
        self._task, self._file = task, file
        self._name = file.info.path
        done = [task.done[index] for index in sorted(task.done)]
        carried = [Carried.parse(text) for _, _, text in done]
        for index, (split, receipt, _) in enumerate(done):
            self._count(split, carried[index].rows, receipt.rows, file.found(index))
        wanted = [file.bytes_of(index) for index in range(max(1, len(done)))]
        self._bytes = len(wanted)
        self._first = []
        for index, each in enumerate(carried):
            if each.first is not None:
                self._first.append(each.first)
                wanted.append(file.rows_of(index, None if each.first.rows == each.rows else each.first.rows))
        self.splits = [replace(split, index=number) for number, split in enumerate(wanted)]

    def _count(self, split: Split, carried: int, *counts: int | None) -> None:
        for count in counts:
            if count is not None and count != carried:
                raise VerificationError(
                    f"{self._name}: {count} rows were written for split {split.index} where {carried} were "
                    "read; copy it again"
                )

    def read(self, split: Split) -> AbstractContextManager[Iterator[Any]]:
        return self._file.read(split)

    def digest(self, split: Split) -> Digesting:
        return Digesting(None if split.index < self._bytes else self._task.schema)

    def compare(self, found: Mapping[int, str]) -> None:
        from .digest import TableValue, compare

        for index in range(self._bytes):
            self._file.check_bytes(index, found[index])
        for index, expected in enumerate(self._first, self._bytes):
            compare(expected, TableValue.parse(found[index]), self._name)
