"""Checks of rows that are left out (``SkippingSink``, ``SkippingSource``), and of what a table's columns take
(``TypedSink``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest

from ..errors import DataError
from ..spi import PlanHint, Sink, SkippingSink, SkippingSource, Source, TypedSink, WriteMode
from .opening import left_out_there
from .skips import Told
from .table_base import SCHEMA, Staged, TableBase, rows

LeftOut = Iterable[tuple[pa.RecordBatch, Sequence[str]]]


class LeftOutChecks(TableBase):
    """Declared: what does not fit is left out and told, the rest is there. Not declared: not offered."""

    def table_url(self, url: str, name: str) -> str:
        """The address of one table."""
        return f"{url}#{name}"

    def test_rows_that_the_table_refuses(self, sink: Sink[Any], url: str) -> None:
        """Those are left out once, and told to whoever asks before the cleanup."""
        if not isinstance(sink, SkippingSink):
            assert not hasattr(sink, "left_out"), (
                "left_out() without the ability SkippingSink is never called"
            )
            return
        begun, staged = self._doubles(sink, url, skip_rows=True)
        sink.commit(begun, staged)
        assert _ids(sink.left_out(begun, staged)) == ["3", "4"]
        sink.commit(begun, staged)
        assert _ids(sink.left_out(begun, staged)) == ["3", "4"], "after a second commit, which does nothing"
        there = self.elsewhere(left_out_there, url, begun, staged)
        assert _ids(there) == ["3", "4"], "told by a process that was not there at the commit"
        sink.cleanup(begun)
        assert sorted(self.ids(url, "t")) == [0, 1, 2, 3, 4, 5, 6]

    def test_rows_are_left_out_where_that_is_asked_for(self, sink: Sink[Any], url: str) -> None:
        if not isinstance(sink, SkippingSink):
            return
        begun, staged = self._doubles(sink, url, skip_rows=False)
        with self.raises(DataError):
            sink.commit(begun, staged)
        sink.cleanup(begun)
        assert sorted(self.ids(url, "t")) == [0, 1, 2, 3, 4]

    def _doubles(self, sink: Sink[Any], url: str, *, skip_rows: bool) -> tuple[bytes, list[Staged]]:
        """Rows of which the table has two; the handle and what was staged."""
        self.need(WriteMode.APPEND)
        self.seed(url, "t", rows(0, 5))
        if not self.refuse_doubles(url, "t"):
            pytest.skip("refuse_doubles says that no table of this connector refuses rows")
        begun = self.begin(sink, "t", WriteMode.APPEND, skip_rows=skip_rows)
        return begun.handle, self.stage_all(sink, begun, "t", self.shares(begun, rows(3, 4), 2))

    def test_column_types(self, sink: Sink[Any], url: str) -> None:
        """What a text is cast to is what the table keeps."""
        if not isinstance(sink, TypedSink):
            assert not hasattr(sink, "column_types"), "column_types() without the ability is never called"
            return
        self.seed(url, "t", rows(0, 3))
        with closing(self.open_sink(self.table_url(url, "t"))) as opened:
            assert isinstance(opened, TypedSink)
            types = opened.column_types()
        assert types, "it knows nothing of its columns"
        assert types.keys() <= set(SCHEMA.names)
        for name, text in {"id": "12", "name": "x", "amount": "1.5"}.items():
            if name in types:
                taken = pa.array([text]).cast(types[name]).cast(SCHEMA.field(name).type).cast(pa.string())
                assert taken.to_pylist() == [text], f"{name} takes {SCHEMA.field(name).type}"

    def test_column_types_of_no_table(self, sink: Sink[Any], url: str) -> None:
        if not isinstance(sink, TypedSink):
            return
        with closing(self.open_sink(self.table_url(url, "never_was"))) as opened:
            assert isinstance(opened, TypedSink)
            assert not opened.column_types()

    def test_read_skipping(self, source: Source[Any], url: str) -> None:
        """Of rows that are right none is left out."""
        if not isinstance(source, SkippingSource):
            assert not hasattr(source, "read_skipping"), "read_skipping() without the ability is never called"
            return
        self.seed(url, "t", rows(0, 20))
        told, found = Told(), 0
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, SkippingSource)
            for split in opened.plan(self.unit(opened, "t"), PlanHint()):
                with opened.read_skipping(split, told) as batches:
                    found += sum(batch.num_rows for batch in batches)
        assert not told.reasons
        assert found == 20


def _ids(found: LeftOut) -> list[str]:
    """The ids of the rows, as texts, in order; a reason for each."""
    ids: list[str] = []
    for batch, reasons in found:
        assert len(reasons) == batch.num_rows
        assert all(reasons), "a row is left out without a reason"
        ids += batch.column("id").cast(pa.string()).to_pylist()
    return sorted(ids)
