"""Tables that are each wrong about rows that are left out, or about their columns: variations of SQLite's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from adbc_driver_manager import (
    AdbcStatusCode,
    DataError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sample_place import OnSample

from crossdock import Location, Receipt, RowSkips, SkippingSource, Split
from crossdock.contract.table_skips import LeftOutChecks
from crossdock.template import table as good
from crossdock_connectors.tables import sqlite
from crossdock_connectors.tables.sqlite_database import Database, path_of
from crossdock_connectors.tables.sqlite_sink import SqliteSink

Receipts = Sequence[tuple[Split, Receipt]]
LeftOut = Iterator[tuple[pa.RecordBatch, Sequence[str]]]
_KINDS = (DataError, IntegrityError, InternalError, OperationalError, ProgrammingError)


class Wrong(LeftOutChecks):
    """Only these checks, on SQLite: the others take minutes there. Not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    spec = sqlite.SPEC
    also = frozenset({"test_spec_imports_no_vendor"})  # this module does
    driver_errors = tuple(kind("[SQLite] it failed", status_code=AdbcStatusCode.IO) for kind in _KINDS)

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'tables.db'}"


class WrongFolder(OnSample, Wrong):
    """The same on the template's table, which leaves nothing out. Not collected itself."""

    __test__ = False
    spec = good.SPEC
    driver_errors = (pa.ArrowInvalid("no Arrow file"),)


def opened(config: Any, location: Location, kind: type[SqliteSink]) -> SqliteSink:
    return kind(Database(path_of(location), config.busy_timeout), location.fragment)


class SilentSink(SqliteSink):
    """Leaves rows out and tells nobody."""

    def left_out(self, handle: bytes, receipts: Receipts) -> LeftOut:
        return iter(())


def open_silent(config: Any, location: Location) -> SqliteSink:
    return opened(config, location, SilentSink)


class TestTellsOfNoRow(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_sink=open_silent)
    caught_by = frozenset({"test_rows_that_the_table_refuses"})


class ForgetfulSink(SqliteSink):
    """Tells the rows once."""

    def left_out(self, handle: bytes, receipts: Receipts) -> LeftOut:
        found = list(super().left_out(handle, receipts)) if not getattr(self, "told", False) else []
        self.told = True
        return iter(found)


def open_forgetful(config: Any, location: Location) -> SqliteSink:
    return opened(config, location, ForgetfulSink)


class TestTellsOfRowsOnce(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_sink=open_forgetful)
    caught_by = frozenset({"test_rows_that_the_table_refuses"})


class LenientSink(SqliteSink):
    """Leaves rows out where nobody has asked for that."""

    def begin(self, unit: Any, target: Any, run_id: str) -> Any:
        return super().begin(unit, replace(target, skip_rows=True), run_id)


def open_lenient(config: Any, location: Location) -> SqliteSink:
    return opened(config, location, LenientSink)


class TestLeavesRowsOutUnasked(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_sink=open_lenient)
    caught_by = frozenset({"test_rows_are_left_out_where_that_is_asked_for"})


class MistypingSink(SqliteSink):
    """Says that numbers with a fraction are whole ones."""

    def column_types(self) -> Mapping[str, pa.DataType]:
        return {name: pa.int64() for name in super().column_types()}


def open_mistyping(config: Any, location: Location) -> SqliteSink:
    return opened(config, location, MistypingSink)


class TestMistakesItsColumns(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_sink=open_mistyping)
    caught_by = frozenset({"test_column_types"})


class InventiveSink(SqliteSink):
    """Knows the columns of tables that are not there."""

    def column_types(self) -> Mapping[str, pa.DataType]:
        return super().column_types() or {"id": pa.int64()}


def open_inventive(config: Any, location: Location) -> SqliteSink:
    return opened(config, location, InventiveSink)


class TestInventsColumns(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_sink=open_inventive)
    caught_by = frozenset({"test_column_types_of_no_table"})


class PretendingSink(good.SampleSink):
    """Has the methods without the abilities: nobody would call them."""

    def left_out(self, handle: bytes, receipts: Receipts) -> LeftOut:
        return iter(())

    def column_types(self) -> Mapping[str, pa.DataType]:
        return {}


def open_pretending(config: Any, location: Location) -> PretendingSink:
    return PretendingSink(good.Folder(location.path), config.compression)


class TestPretendsToSkip(WrongFolder):
    __test__ = True
    spec = replace(good.SPEC, open_sink=open_pretending)
    caught_by = frozenset({"test_rows_that_the_table_refuses", "test_column_types"})


class LosingSource(good.SampleSource, SkippingSource):
    """Loses the first row of each batch where rows may be left out."""

    @contextmanager
    def read_skipping(self, split: Split, skips: RowSkips) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.read(split) as batches:
            yield (batch.slice(1) for batch in batches)


def open_losing(config: Any, location: Location) -> LosingSource:
    return LosingSource(good.Folder(location.path))


class TestLosesRowsWhereSomeMayBeLeftOut(WrongFolder):
    __test__ = True
    spec = replace(good.SPEC, open_source=open_losing)
    caught_by = frozenset({"test_read_skipping"})


class UnaskedSource(good.SampleSource):
    """Has the method without the ability."""

    def read_skipping(
        self, split: Split, skips: RowSkips
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        return self.read(split)


def open_unasked(config: Any, location: Location) -> UnaskedSource:
    return UnaskedSource(good.Folder(location.path))


class TestPretendsToReadWithoutSomeRows(WrongFolder):
    __test__ = True
    spec = replace(good.SPEC, open_source=open_unasked)
    caught_by = frozenset({"test_read_skipping"})
