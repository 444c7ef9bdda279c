"""The rows of one attempt that are left out: counted, and told where somebody wants to know."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .spi.skipping import RowSkips, fitted

if TYPE_CHECKING:
    import pyarrow as pa

    from .mapping import Apply

SHOWN = 3
"""Reasons that the report has where there is no log."""


class Line(NamedTuple):
    """A line of the log; ``at`` is in seconds since 1970."""

    at: float
    level: str
    operation: str
    item: str
    message: str


class Lines(Protocol):
    """Who takes the lines of attempts; the log of an attempt that failed is dropped."""

    def add_lines(self, seq: int, index: int, lines: Sequence[Line]) -> None: ...
    def drop_lines(self, seq: int, index: int) -> None: ...


@dataclass(eq=False, repr=False)
class FirstReasons:
    """For a run without a log: the first reasons, for the report."""

    notes: list[str] = field(default_factory=list)

    def add_lines(self, seq: int, index: int, lines: Sequence[Line]) -> None:
        for line in lines[: max(0, SHOWN - len(self.notes))]:
            self.notes.append(f"left out: {line.message}")

    def drop_lines(self, seq: int, index: int) -> None:
        """A reason stays one."""


@dataclass(eq=False, repr=False)
class Skips(RowSkips):
    """``tell`` takes lines as they come, ``most`` of them (None: all)."""

    tell: Callable[[Sequence[Line]], None]
    most: int | None = None
    count: int = 0
    told: int = 0
    _kept: pa.RecordBatch | None = None

    def rows(self, batch: pa.RecordBatch, reasons: Mapping[int, str]) -> pa.RecordBatch:
        import pyarrow as pa

        bad = pa.array(list(reasons), pa.int64())
        self._tell(lambda: row_texts(batch.take(bad)), list(reasons.values()))
        stays = [True] * batch.num_rows
        for place in reasons:
            stays[place] = False
        self._kept = batch.filter(pa.array(stays))
        return self._kept

    def texts(self, lines: Sequence[str], reasons: Sequence[str]) -> None:
        self._tell(lambda: lines, reasons)

    def _tell(self, items: Callable[[], Sequence[str]], reasons: Sequence[str]) -> None:
        self.count += len(reasons)
        left = len(reasons) if self.most is None else max(0, self.most - self.told)
        if left and reasons:
            now = time.time()
            pairs = list(zip(items(), reasons, strict=True))[:left]
            self.told += len(pairs)
            self.tell([row_line(now, item, reason) for item, reason in pairs])

    def applying(self, apply: Apply) -> Apply:
        """The mapping, without the rows that it refuses."""

        def mapped(batch: pa.RecordBatch) -> pa.RecordBatch:
            return fitted(batch, apply, self)[1]

        return mapped

    def taken(self, item: Any) -> Any:
        """What the sink has taken of the item that it was given last."""
        kept, self._kept = self._kept, None
        return item if kept is None else kept

    def forget_kept(self) -> None:
        """What was left out before an item is given says nothing about the sink."""
        self._kept = None


def row_line(at: float, item: str, reason: str) -> Line:
    return Line(at, "Warning", "TabularRowSkip", item, reason)


def row_texts(batch: pa.RecordBatch) -> list[str]:
    """Each row as a line of CSV without its end."""
    columns = [_values(column) for column in batch.columns]
    return [csv_line(row) for row in zip(*columns, strict=True)]


def csv_line(values: Sequence[str | None]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


def _values(column: pa.Array) -> list[str | None]:
    import pyarrow as pa

    try:
        return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return [str(value) if value.is_valid else None for value in column]
