"""Who is told of rows that are left out, in the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ..spi import RowSkips


class Told(RowSkips):
    """Keeps all it is told. ``reasons`` has one of each row."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def rows(self, batch: pa.RecordBatch, reasons: Mapping[int, str]) -> pa.RecordBatch:
        self.reasons += reasons.values()
        return batch.take(pa.array([i for i in range(batch.num_rows) if i not in reasons], pa.int64()))

    def texts(self, lines: Sequence[str], reasons: Sequence[str]) -> None:
        assert len(lines) == len(reasons), "each row that is left out has a reason"
        self.reasons += reasons
