"""Rows that do not fit and are left out (``--skip-rows``): who finds them, and who is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

from ..errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from .data import Receipt, Split

T = TypeVar("T")


class RowSkips(ABC):
    """Is told the rows of one attempt that are left out. What is told of an attempt that fails counts for
    nothing, so a reader that starts over within one tells each row once.
    """

    @abstractmethod
    def rows(self, batch: pa.RecordBatch, reasons: Mapping[int, str]) -> pa.RecordBatch:
        """Leave the rows at these places out; returns the others."""

    @abstractmethod
    def texts(self, lines: Sequence[str], reasons: Sequence[str]) -> None:
        """Rows that never became one, as the text that they are in the source."""


class SkippingSource(ABC):
    """Ability of a source: rows that cannot be read are left out."""

    @abstractmethod
    def read_skipping(
        self, split: Split, skips: RowSkips
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """As ``Source.read``; rows that would end it with a DataError are told to ``skips``."""


class SkippingSink(ABC):
    """Ability of a sink: with ``Target.skip_rows``, ``commit`` leaves out rows that the target refuses.

    Which those are is told before ``cleanup``, also to a process that was not there at the commit.
    """

    @abstractmethod
    def left_out(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
        """The rows that the unit's commit has left out, and why each; the same rows each time."""


class TypedSink(ABC):
    """Ability of a sink that is one table: it knows what its columns take.

    Where rows are added to the table, a format of texts reads its columns as that, and numbers, dates and
    texts of other sources are converted where they stay what they are.
    """

    @abstractmethod
    def column_types(self) -> Mapping[str, pa.DataType]:
        """What a text has to be for each column of the table, of those of which that is known.

        ``string`` where the table itself makes something of a text; ``null`` where it does, and what a file
        itself makes of the text is as good, if that is the same for all rows.
        """


def fitted(
    batch: pa.RecordBatch, convert: Callable[[pa.RecordBatch], T], skips: RowSkips | None
) -> tuple[pa.RecordBatch, T]:
    """The batch and what ``convert`` makes of it. Rows for which that raises DataError are left out.

    A batch without such rows costs nothing more. Those of another one are asked of ``convert``, where that
    has a method ``unfit`` (their places and reasons, in order); else it is halved until they are found.
    """
    try:
        return batch, convert(batch)
    except DataError as error:
        if skips is None or type(error) is not DataError:
            raise
        find = getattr(convert, "unfit", None)
        kept = skips.rows(batch, find(batch) if find else dict(_unfit(batch, convert, error)))
        return kept, convert(kept)


def _unfit(
    batch: pa.RecordBatch, convert: Callable[[pa.RecordBatch], T], error: DataError, first: int = 0
) -> Iterator[tuple[int, str]]:
    """Places and reasons of the rows that ``convert`` does not take, of a batch that it does not take."""
    if batch.num_rows <= 1:
        yield first, error.message
        return
    half = batch.num_rows // 2
    for start, part in ((0, batch.slice(0, half)), (half, batch.slice(half))):
        try:
            convert(part)
        except DataError as of_part:
            yield from _unfit(part, convert, of_part, first + start)
