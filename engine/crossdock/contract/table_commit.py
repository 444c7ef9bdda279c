"""Checks of a table sink's commit, cleanup, resume and reading back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest

from ..errors import CrossdockError, NotSupportedError, StageLostError
from ..spi import Attempt, PlanHint, ReadBack, Sink, Split, Unit, WriteMode
from .opening import cleanup_there, commit_there, write_split_there
from .table_base import SCHEMA, Staged, TableBase, new_run, rows


class CommitChecks(TableBase):
    """When data becomes visible, once and no more."""

    def test_nothing_is_visible_before_commit(self, sink: Sink[Any], url: str) -> None:
        self.seed(url, "other", rows(0, 1))
        begun = self.begin(sink, "t", self.creating)
        self._nothing_new(url)
        self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 700)))
        self._nothing_new(url)
        sink.cleanup(begun.handle)
        self._nothing_new(url)

    def _nothing_new(self, url: str) -> None:
        assert not self.exists(url, "t"), "the table is visible before commit"
        if self.spec.open_source is not None:
            with closing(self.open_source(url)) as source:
                names = [unit.name for page in source.units() for unit in page.units]
            assert names == ["other"], "staged data is listed as a table"

    def test_order_of_splits(self, sink: Sink[Any], url: str) -> None:
        """Splits end in any order and their receipts come in any; the rows are in that of the splits."""
        if not self.ordered:
            pytest.skip("ordered = False")
        begun = self.begin(sink, "t", self.creating)
        shares = list(enumerate(self.shares(begun, rows(0, 600), 6)))
        receipts = [self.stage(sink, begun, "t", table, i) for i, table in reversed(shares)]
        sink.commit(begun.handle, sorted(receipts, key=lambda pair: pair[0].index))
        assert self.ids(url, "t") == list(range(600))

    def test_writers_at_once(self, sink: Sink[Any], url: str) -> None:
        """As many threads as the sink allows."""
        begun = self.begin(sink, "t", self.creating)
        shares = self.shares(begun, rows(0, 800), 8)
        with ThreadPoolExecutor(min(4, begun.max_writers)) as pool:
            receipts = list(
                pool.map(lambda pair: self.stage(sink, begun, "t", pair[1], pair[0]), enumerate(shares))
            )
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(800))

    def test_no_splits_make_an_empty_table(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        sink.commit(begun.handle, [])
        sink.cleanup(begun.handle)
        found = self.fetch(url, "t")
        assert (found.num_rows, found.schema.names) == (0, SCHEMA.names)

    def test_empty_split(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        tables = [rows(0, 5), rows(5, 0), rows(5, 5)][: begun.max_splits or 3]
        sink.commit(begun.handle, self.stage_all(sink, begun, "t", tables))
        assert self.ids(url, "t") == [i for table in tables for i in table["id"].to_pylist()]

    @pytest.mark.parametrize("mode", list(WriteMode), ids=[mode.value for mode in WriteMode])
    def test_commit_twice(self, sink: Sink[Any], url: str, mode: WriteMode) -> None:
        """Here, in another process, and after cleanup: the rows are there once."""
        self.need(mode)
        begun = self.begin(sink, "t", mode)
        receipts = self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 50)))
        for _ in range(2):
            sink.commit(begun.handle, receipts)
            assert self.ids(url, "t") == list(range(50))
        self.elsewhere(commit_there, url, begun.handle, receipts)
        assert self.ids(url, "t") == list(range(50))
        sink.cleanup(begun.handle)
        self._tolerate_loss(sink, begun.handle, receipts)
        assert self.ids(url, "t") == list(range(50))

    @pytest.mark.parametrize("mode", list(WriteMode), ids=[mode.value for mode in WriteMode])
    def test_commit_again_after_a_foreign_change(self, url: str, mode: WriteMode, sink: Sink[Any]) -> None:
        """Killed between commit and journal; meanwhile somebody changed the table. It stays so."""
        self.need(mode)
        begun = self.begin(sink, "t", mode)
        receipts = [self.stage(sink, begun, "t", rows(0, 50))]
        sink.commit(begun.handle, receipts)
        theirs = next((m for m in ("overwrite", "append") if m in self.spec.capabilities.write_modes), None)
        if theirs is None:
            pytest.skip("no mode changes a table that exists")
        self.copy(url, "t", [rows(1000, 5)], WriteMode(theirs))
        changed = self.ids(url, "t")
        sink.commit(begun.handle, receipts)
        assert self.ids(url, "t") == changed, "the second commit undid somebody's change"
        self.elsewhere(commit_there, url, begun.handle, receipts)
        assert self.ids(url, "t") == changed, "the second commit, resumed, undid somebody's change"

    def test_commit_raced(self, sink: Sink[Any], url: str) -> None:
        """Two committers of one unit: a job that was given to a second node."""
        mode = next((m for m in ("append", "overwrite") if m in self.spec.capabilities.write_modes), "error")
        begun = self.begin(sink, "t", WriteMode(mode))
        receipts = [self.stage(sink, begun, "t", rows(0, 50))]
        sinks = [self.open_sink(url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: each.commit(begun.handle, receipts), sinks))
        for each in sinks:
            each.close()
        assert self.ids(url, "t") == list(range(50))

    def test_commit_after_cleanup_is_stage_lost(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        receipts = [self.stage(sink, begun, "t", rows(0, 50))]
        sink.cleanup(begun.handle)
        with self.raises(StageLostError):
            sink.commit(begun.handle, receipts)
        assert not self.exists(url, "t")

    def _tolerate_loss(self, sink: Sink[Any], handle: bytes, receipts: Sequence[Staged]) -> None:
        with self.may_raise(CrossdockError):
            sink.commit(handle, receipts)

    def test_cleanup_without_commit_leaves_nothing(self, sink: Sink[Any], url: str) -> None:
        self.seed(url, "other", rows(0, 5))
        before = self.inventory(url)
        begun = self.begin(sink, "t", self.creating)
        self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 50)))
        sink.cleanup(begun.handle)
        sink.cleanup(begun.handle)
        self.elsewhere(cleanup_there, url, begun.handle)
        assert self.inventory(url) == before, "cleanup leaves staged data behind"
        assert not self.exists(url, "t")

    def test_a_lost_handle_leaves_nothing(self, sink: Sink[Any], url: str) -> None:
        """Killed before the handle was journaled: whoever cleans up knows the unit and the run."""
        self.seed(url, "other", rows(0, 5))
        before = self.inventory(url)
        run = new_run()
        self.begin(sink, "t", self.creating, run=run)
        for _ in range(2):
            sink.abandon(Unit("t"), run)
        assert self.inventory(url) == before, "abandon leaves staged data behind"
        begun = self.begin(sink, "t", self.creating, run=run)
        assert not sink.is_committed(begun.handle)
        sink.cleanup(begun.handle)

    def test_cleanup_raced(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 50)))
        sinks = [self.open_sink(url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: each.cleanup(begun.handle), sinks))
        for each in sinks:
            each.close()
        assert not self.exists(url, "t")

    def test_resume_in_another_process(self, sink: Sink[Any], url: str) -> None:
        """Handle, split and receipt are all that is left of a killed run."""
        begun = self.begin(sink, "t", self.creating)
        shares = self.shares(begun, rows(0, 600), 2)
        receipts = self.stage_all(sink, begun, "t", shares[:-1])
        split = Split("t", len(shares) - 1, b"")
        receipt = self.elsewhere(
            write_split_there, url, begun.handle, split, Attempt("run", 7), shares[-1].to_batches()
        )
        receipts.append((split, receipt))
        self.elsewhere(commit_there, url, begun.handle, receipts)
        assert self.ids(url, "t") == list(range(600))
        self.elsewhere(cleanup_there, url, begun.handle)
        assert self.ids(url, "t") == list(range(600))

    def test_guard_survives_a_resume(self, sink: Sink[Any], url: str) -> None:
        """The mode is part of the handle: the resumed run may not replace what appeared meanwhile."""
        self.need(WriteMode.ERROR)
        begun = self.begin(sink, "t", WriteMode.ERROR)
        receipts = [self.stage(sink, begun, "t", rows(0, 10))]
        self.seed(url, "t", rows(100, 5))
        with self.raises(CrossdockError):
            self.elsewhere(commit_there, url, begun.handle, receipts)
        assert self.ids(url, "t") == list(range(100, 105))

    def test_read_back(self, sink: Sink[Any], url: str) -> None:
        """``written`` gives what the receipts stand for and nothing else, when the capability says."""
        when = self.spec.capabilities.read_back
        mode = WriteMode.APPEND if WriteMode.APPEND in self.spec.capabilities.write_modes else self.creating
        if mode is WriteMode.APPEND:
            self.seed(url, "t", rows(5000, 7))
        begun = self.begin(sink, "t", mode)
        receipts = self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 90)))
        if when == "before_commit":
            assert self._written(sink, begun.handle, receipts) == list(range(90))
        sink.commit(begun.handle, receipts)
        if when == "after_commit":
            assert self._written(sink, begun.handle, receipts) == list(range(90))
        if when == "no" and isinstance(sink, ReadBack):
            with self.raises(NotSupportedError):
                self._written(sink, begun.handle, receipts)
        sink.cleanup(begun.handle)

    def _written(self, sink: Sink[Any], handle: bytes, receipts: Sequence[Staged]) -> list[int]:
        assert isinstance(sink, ReadBack), "read_back is declared and the sink is not ReadBack"
        source, unit = sink.written(handle, receipts)
        with closing(source):
            found: pa.Table = self.read(source, unit, source.plan(unit, PlanHint(parallel=2)))
        return sorted(found["id"].to_pylist())
