"""Checks of a table sink's write modes: each works where it is declared and is refused where not."""

from __future__ import annotations

from contextlib import closing
from threading import Event, Thread
from typing import Any

import pyarrow as pa
import pytest

from ..errors import (
    AlreadyExistsError,
    CrossdockError,
    NotFoundError,
    NotSupportedError,
    SchemaMismatchError,
    StageLostError,
)
from ..spi import Sink, Target, Unit, WriteMode
from .table_base import SCHEMA, TableBase, rows

_MODES = pytest.mark.parametrize("mode", list(WriteMode), ids=[mode.value for mode in WriteMode])


class ModeChecks(TableBase):
    """check, and what each mode does to a table that exists or does not."""

    @_MODES
    def test_declared_modes_create_a_table(self, sink: Sink[Any], url: str, mode: WriteMode) -> None:
        self.need(mode)
        begun = self.begin(sink, "t", mode)
        receipts = self.stage_all(sink, begun, "t", self.shares(begun, rows(0, 700)))
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(700))
        assert self.fetch(url, "t").sort_by("id").cast(SCHEMA).equals(rows(0, 700))

    @_MODES
    def test_undeclared_modes_are_refused(self, sink: Sink[Any], url: str, mode: WriteMode) -> None:
        if mode in self.spec.capabilities.write_modes:
            pytest.skip(f"{mode} is declared")
        self.seed(url, "t", rows(0, 5))
        for name in ("t", "missing"):
            with self.raises(NotSupportedError):
                sink.check(Unit(name), Target(mode, SCHEMA))
        assert self.ids(url, "t") == list(range(5))

    @_MODES
    def test_check_changes_nothing(self, sink: Sink[Any], url: str, mode: WriteMode) -> None:
        self.seed(url, "t", rows(0, 5))
        before = self.inventory(url)
        for name in ("t", "missing"):
            with self.may_raise(AlreadyExistsError, NotSupportedError):
                sink.check(Unit(name), Target(mode, SCHEMA))
        assert self.ids(url, "t") == list(range(5))
        assert not self.exists(url, "missing")
        assert self.inventory(url) == before

    def test_error_refuses_a_table_that_exists(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.ERROR)
        self.seed(url, "t", rows(0, 5))
        with self.raises(AlreadyExistsError):
            sink.check(Unit("t"), Target(WriteMode.ERROR, SCHEMA))
        assert self.ids(url, "t") == list(range(5))

    def test_error_refuses_a_table_that_appeared(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.ERROR)
        begun = self.begin(sink, "t", WriteMode.ERROR)
        receipts = [self.stage(sink, begun, "t", rows(0, 10))]
        self.seed(url, "t", rows(100, 5))
        with self.raises(AlreadyExistsError):
            sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(100, 105))

    def test_overwrite_replaces(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.OVERWRITE)
        self.seed(url, "t", rows(0, 50))
        begun = self.begin(sink, "t", WriteMode.OVERWRITE)
        receipts = [self.stage(sink, begun, "t", rows(100, 10))]
        assert self.ids(url, "t") == list(range(50)), "overwrite touched the old rows before commit"
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(100, 110))

    def test_overwrite_may_change_the_schema(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.OVERWRITE)
        self.seed(url, "t", rows(0, 50))
        other = pa.table({"word": ["a", "b"], "id": pa.array([1, 2], pa.int64())})
        self.copy(url, "t", [other], WriteMode.OVERWRITE)
        assert self.fetch(url, "t").select(["word", "id"]).to_pydict() == other.to_pydict()

    def test_overwrite_is_one_step(self, sink: Sink[Any], url: str) -> None:
        """A reader beside the commit sees all old rows or all new ones, and always a table."""
        self.need(WriteMode.OVERWRITE)
        old, new = list(range(40)), list(range(100, 160))
        self.seed(url, "t", rows(0, 40))
        begun = self.begin(sink, "t", WriteMode.OVERWRITE)
        receipts = [self.stage(sink, begun, "t", rows(100, 60))]
        stop = Event()
        seen: list[list[int] | Exception] = []

        def look() -> None:
            while not stop.is_set():
                try:
                    seen.append(self.ids(url, "t"))
                except Exception as error:  # noqa: BLE001 - judged below
                    seen.append(self.mapped(error))

        reader = Thread(target=look)
        reader.start()
        try:
            sink.commit(begun.handle, receipts)
        finally:
            stop.set()
            reader.join()
        sink.cleanup(begun.handle)
        for each in seen:
            # A reader that is overtaken may be told so; that the table is missing is never true.
            told = isinstance(each, CrossdockError) and not isinstance(each, NotFoundError)
            assert told or each in (old, new), f"a reader beside the commit saw {each!r:.200}"
        assert self.ids(url, "t") == new

    def test_append_adds(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.APPEND)
        self.seed(url, "t", rows(0, 50))
        begun = self.begin(sink, "t", WriteMode.APPEND)
        receipts = self.stage_all(sink, begun, "t", self.shares(begun, rows(50, 30)))
        assert self.ids(url, "t") == list(range(50)), "append shows rows before commit"
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(80))

    def test_append_refuses_an_unknown_column(self, sink: Sink[Any], url: str) -> None:
        self.need(WriteMode.APPEND)
        self.seed(url, "t", rows(0, 5))
        schema = SCHEMA.append(pa.field("never_was", pa.int64()))
        with self.raises(SchemaMismatchError):
            sink.check(Unit("t"), Target(WriteMode.APPEND, schema))

    def test_two_runs_append(self, sink: Sink[Any], url: str) -> None:
        """``private_staging``: what another run staged survives our commit and cleanup; else it is lost."""
        self.need(WriteMode.APPEND)
        self.seed(url, "t", rows(0, 5))
        first, second = (self.begin(sink, "t", WriteMode.APPEND) for _ in range(2))
        ours = [self.stage(sink, first, "t", rows(100, 5))]
        theirs = [self.stage(sink, second, "t", rows(200, 5))]
        sink.commit(first.handle, ours)
        sink.cleanup(first.handle)
        if self.spec.capabilities.private_staging:
            sink.commit(second.handle, theirs)
        else:
            with self.raises(StageLostError):
                sink.commit(second.handle, theirs)
                pytest.fail("both runs committed: declare private_staging=True")
        sink.cleanup(second.handle)
        wanted = {*range(5), *range(100, 105)}
        if self.spec.capabilities.private_staging:
            wanted |= {*range(200, 205)}
        assert sorted(self.ids(url, "t")) == sorted(wanted)

    def test_two_units_at_once(self, sink: Sink[Any], url: str) -> None:
        if sink.one_target:
            pytest.skip("the sink has one target")
        run = "run-of-both"
        begun = {name: self.begin(sink, name, self.creating, run=run) for name in ("a", "b")}
        receipts = {name: [self.stage(sink, begun[name], name, rows(ord(name), 5))] for name in begun}
        sink.commit(begun["a"].handle, receipts["a"])
        sink.cleanup(begun["a"].handle)
        assert not self.exists(url, "b")
        sink.commit(begun["b"].handle, receipts["b"])
        sink.cleanup(begun["b"].handle)
        for name in begun:
            assert self.ids(url, name) == list(range(ord(name), ord(name) + 5))

    def test_sink_closes_twice(self, url: str) -> None:
        if self.spec.open_sink is None:
            pytest.skip("the connector only reads")
        with closing(self.open_sink(url)) as sink:
            sink.close()
