"""Tables that are each wrong about one thing when they are read: variations of the template's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from threading import get_ident

import broken_tables
import pyarrow as pa

from crossdock import (
    Browsable,
    ConfigError,
    DataError,
    EntryPage,
    NotFoundError,
    PlanHint,
    Reached,
    SourceChangedError,
    Split,
    Unit,
    UnitPage,
)
from crossdock.template import table as good

Batches = Iterator[pa.RecordBatch]


found_by = partial(broken_tables.source_found_by, also=None)


@found_by("test_units_go_on_behind_every_cursor")
class RestartingSource(good.SampleSource):
    """Begins anew behind every cursor."""

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        return super().units()


@found_by("test_nothing_there")
class BlamingSource(good.SampleSource):
    """Blames the options where there are no tables."""

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        try:
            yield from super().units(after)
        except NotFoundError as error:
            raise ConfigError(str(error)) from error


@found_by("test_missing_table_is_not_found")
class HauntedSource(good.SampleSource):
    """Takes a table that is not there for one without columns."""

    def schema(self, unit: Unit) -> pa.Schema:
        try:
            return super().schema(unit)
        except NotFoundError:
            return pa.schema([])


@found_by("test_schema_is_that_of_the_batches")
class ShortSource(good.SampleSource):
    """Leaves out the key where it tells its columns."""

    def schema(self, unit: Unit) -> pa.Schema:
        return super().schema(unit).remove(0)


@found_by("test_split_is_read_in_another_process")
class RememberingSource(good.SampleSource):
    """Keeps in memory, not in the token, what a split is."""

    def __init__(self, folder: good.Folder) -> None:
        super().__init__(folder)
        self.planned: list[bytes] = []

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        for split in super().plan(unit, hint):
            self.planned.append(split.token)
            yield replace(split, token=b"%d" % (len(self.planned) - 1))

    def read(self, split: Split) -> AbstractContextManager[Batches]:
        return super().read(replace(split, token=self.planned[int(split.token)]))


@found_by("test_split_is_read_twice", "test_read_left_early")
class OnceSource(good.SampleSource):
    """Gives each split once."""

    def __init__(self, folder: good.Folder) -> None:
        super().__init__(folder)
        self.given: set[bytes] = set()

    def read(self, split: Split) -> AbstractContextManager[Batches]:
        if split.token in self.given:
            raise SourceChangedError("it was read already")
        self.given.add(split.token)
        return super().read(split)


@found_by("test_splits_are_read_from_several_threads")
class OwnedSource(good.SampleSource):
    """Works in the thread that has opened it."""

    def __init__(self, folder: good.Folder) -> None:
        super().__init__(folder)
        self.thread = get_ident()

    def read(self, split: Split) -> AbstractContextManager[Batches]:
        if self.thread != get_ident():
            raise RuntimeError("made in another thread")
        return super().read(split)


@found_by("test_empty_table")
class FullSource(good.SampleSource):
    """Takes a table without rows for a damaged one."""

    def _batches(self, parts: list[str]) -> Generator[pa.RecordBatch, None, None]:
        batches = list(super()._batches(parts))
        if not batches:
            raise DataError("there are no rows")
        yield from batches


@found_by("test_one_row")
class PluralSource(good.SampleSource):
    """Takes a batch of one row for none."""

    def _batches(self, parts: list[str]) -> Generator[pa.RecordBatch, None, None]:
        yield from (batch for batch in super()._batches(parts) if batch.num_rows > 1)


@found_by("test_source_closes_twice")
class ClosableSource(good.SampleSource):
    """A source that is closed must not be closed again."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@found_by("test_browse")
class BlankSource(good.SampleSource, Browsable):
    """Shows no tables."""

    def test(self) -> Reached:
        return Reached("here")

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        return EntryPage(())


@found_by("test_browse")
class OfferingSource(good.SampleSource):
    """Has the method without the ability: nobody would call it."""

    def browse(self) -> EntryPage:
        return EntryPage(())
