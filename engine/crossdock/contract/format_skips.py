"""Checks of rows of a file that are left out, and of whether its values have types (``FileFormat.typed``)."""

from __future__ import annotations

import pyarrow as pa

from ..spi import FileFormat
from .format_base import FormatBase, info_of
from .skips import Told

ROWS = pa.table({"id": ["1", "x", "3"], "name": ["a", "b", "c"]})


class UnfitRowChecks(FormatBase):
    """What the engine asks for where rows that do not fit are to be left out."""

    def test_rows_that_do_not_fit(self, format: FileFormat) -> None:  # noqa: A002
        """Where values have no types, a column is read as the sink takes it, without rows that are none."""
        data = self.write(format, ROWS)
        format.skips_rows, format.wanted = True, {"id": pa.int64()}
        found, told = self._read_skipping(format, data)
        if not format.typed:
            assert found["id"].to_pylist() == [1, 3]
            assert len(told.reasons) == 1
            assert all(told.reasons), "a row is left out without a reason"
        else:
            assert found["id"].to_pylist() == ["1", "x", "3"]
            assert not told.reasons

    def test_rows_that_fit(self, format: FileFormat) -> None:  # noqa: A002
        """Of them none is left out."""
        data = self.write(format, ROWS)
        format.skips_rows = True
        found, told = self._read_skipping(format, data)
        assert found.to_pylist() == ROWS.to_pylist()
        assert not told.reasons

    def _read_skipping(self, format: FileFormat, data: bytes) -> tuple[pa.Table, Told]:  # noqa: A002
        info, told = info_of(data), Told()
        with self.open(data) as file:
            schema = format.schema(file, info)
        batches: list[pa.RecordBatch] = []
        for piece in self.plan(format, data):
            with (
                self.open(data) as file,
                format.read_skipping(file, info, piece.token, schema, told) as items,
            ):
                batches += items
        return pa.Table.from_batches(batches, schema), told

    def test_typed(self, format: FileFormat) -> None:  # noqa: A002
        """Declared: a text of digits stays one. Not declared: nothing in the file tells it from a number."""
        texts, numbers = pa.table({"a": ["1", "2"]}), pa.table({"a": [1, 2]})
        found = self.read(format, self.write(format, texts))
        if format.typed:
            assert found["a"].to_pylist() == ["1", "2"]
        else:
            assert found.equals(self.read(format, self.write(format, numbers)))
