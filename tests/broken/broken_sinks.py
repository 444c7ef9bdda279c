"""Tables that are each wrong about one thing when they are written: variations of the template's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import broken_tables
import pyarrow as pa
from broken_tables import OddlyWritten, Receipts

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Begun,
    Location,
    NotFoundError,
    PlanHint,
    Receipt,
    Source,
    Split,
    StageLostError,
    Target,
    Unit,
    WriteMode,
)
from crossdock.template import table as good

found_by = partial(broken_tables.found_by, also=None)


# -- check and begin ------------------------------------------------------------------------------


@found_by("test_check_changes_nothing")
class MarkingSink(good.SampleSink):
    """Leaves a mark where it looks whether it could write."""

    def check(self, unit: Unit, target: Target) -> None:
        super().check(unit, target)
        (self._folder.path / "checked").touch()


@found_by("test_error_refuses_a_table_that_exists", "test_append_refuses_an_unknown_column")
class UncheckedSink(good.SampleSink):
    """Finds out at the commit what it could have checked."""

    def check(self, unit: Unit, target: Target) -> None:
        pass


@found_by("test_overwrite_may_change_the_schema")
class RigidSink(good.SampleSink):
    """Overwrites tables of the same columns only."""

    def check(self, unit: Unit, target: Target) -> None:
        appends = target.mode is WriteMode.OVERWRITE
        super().check(unit, replace(target, mode=WriteMode.APPEND) if appends else target)


@found_by("test_error_refuses_a_table_that_appeared")
class ForcefulSink(good.SampleSink):
    """Overwrites, whether it may or not."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        return super().begin(unit, replace(target, mode=WriteMode.OVERWRITE), run_id)


@found_by("test_a_lost_handle_leaves_nothing")
class AbsentSink(good.SampleSink):
    """Leaves what was begun under a handle that was lost."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        (self._folder.path / f"{self._stem(json.loads(begun.handle))}begun").touch()
        return begun

    def abandon(self, unit: Unit, run_id: str) -> None:
        pass


@found_by("test_table_names")
class UnquotedSink(good.SampleSink):
    """Drops quotes from names of tables."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        return super().begin(replace(unit, name=unit.name.replace('"', "")), target, run_id)


class ChangingWriter(good.SampleWriter):
    kept: Callable[[pa.Schema], pa.Schema]

    def write(self, item: pa.RecordBatch) -> None:
        schema = self.kept(item.schema)
        columns = [
            column if column.type == field.type else column.cast(field.type, safe=False)
            for column, field in zip(item.columns, schema, strict=True)
        ]
        super().write(pa.RecordBatch.from_arrays(columns, schema=schema))


class ChangingSink(OddlyWritten):
    """Correct but for the columns that it keeps."""

    kind = ChangingWriter

    def kept(self, schema: pa.Schema) -> pa.Schema:
        raise NotImplementedError

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        return super().begin(unit, replace(target, schema=self.kept(target.schema)), run_id)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> good.SampleWriter:
        made = super().writer(handle, split, attempt)
        vars(made)["kept"] = self.kept
        return made


@found_by("test_column_names")
class LowerSink(ChangingSink):
    """Writes names of columns in lower case."""

    def kept(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema([field.with_name(field.name.lower()) for field in schema])


@found_by("test_types")
class LossySink(ChangingSink):
    """Keeps decimals as doubles and does not say so."""

    def kept(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema([f.with_type(pa.float64()) if pa.types.is_decimal(f.type) else f for f in schema])


# -- writers --------------------------------------------------------------------------------------


class FirstRowWriter(good.SampleWriter):
    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        for item in items:
            super().write(item)

    def write(self, item: pa.RecordBatch) -> None:
        super().write(item.slice(0, 1))


@found_by("test_write_one_by_one")
class FirstRowSink(OddlyWritten):
    """Keeps all rows of what it pulls, and the first row of each batch that it is handed."""

    kind = FirstRowWriter


@found_by("test_retry_after_abort", "test_split_after_an_error_of_the_items")
class OnceSink(good.SampleSink):
    """Lets each split be tried once."""

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> good.SampleWriter:
        if attempt.number > 1:
            raise StageLostError("the split was given up")
        return super().writer(handle, split, attempt)


class FussyWriter(good.SampleWriter):
    def finish(self) -> Receipt:
        if not self._path.exists():
            raise StageLostError(self._path.name)
        return super().finish()

    def abort(self) -> None:
        self._file.close()
        self._path.unlink()


@found_by("test_abort_after_a_finish_that_failed")
class FussySink(OddlyWritten):
    """Complains at an abort that what was staged is gone."""

    kind = FussyWriter


# -- commit and cleanup ---------------------------------------------------------------------------


@found_by("test_no_splits_make_an_empty_table")
class StockedSink(good.SampleSink):
    """Makes no table of nothing."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        if receipts:
            super().commit(handle, receipts)


@found_by("test_commit_raced")
class SoleCommitSink(good.SampleSink):
    """Takes its own earlier commit for somebody else's."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        try:
            (self._folder.path / f"{self._stem(json.loads(handle))}taken").touch(exist_ok=False)
        except FileExistsError:
            raise AlreadyExistsError("it was committed") from None
        super().commit(handle, receipts)


_EMPTY_SEEN = Event()


class WatchedSource(good.SampleSource):
    """Tells when somebody has seen a table without rows."""

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        splits = list(super().plan(unit, hint))
        if not splits:
            _EMPTY_SEEN.set()
        return iter(splits)


def open_watched(config: Any, location: Location) -> Source[pa.RecordBatch]:
    return WatchedSource(good.Folder(location.path))


@found_by("test_overwrite_is_one_step", spec=replace(good.SPEC, open_source=open_watched))
class EmptyingSink(good.SampleSink):
    """Empties the table and fills it then."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        begun = json.loads(handle)
        version, there = self._folder.newest(begun["table"])
        if there and begun["mode"] == WriteMode.OVERWRITE:
            self._folder.publish(begun["table"], version + 1, there | {"parts": []}, self._stem(begun))
            _EMPTY_SEEN.wait(20)
        super().commit(handle, receipts)


@found_by("test_cleanup_without_commit_leaves_nothing", "test_commit_after_cleanup_is_stage_lost")
class LazySink(good.SampleSink):
    """Cleans nothing up."""

    def cleanup(self, handle: bytes) -> None:
        pass


@found_by("test_cleanup_raced")
class SoleCleanupSink(good.SampleSink):
    """Complains that somebody else has cleaned up."""

    def cleanup(self, handle: bytes) -> None:
        mine = list(self._folder.path.glob(f"{self._stem(json.loads(handle))}*"))
        if not mine:
            raise NotFoundError("there is nothing to clean up")
        for path in mine:
            path.unlink()


@found_by("test_two_runs_append")
class SweepingSink(good.SampleSink):
    """Cleans up what other runs have staged."""

    def cleanup(self, handle: bytes) -> None:
        table = json.loads(handle)["table"]
        used = (self._folder.newest(table)[1] or {"parts": []})["parts"]
        for path in Path(self._folder.path).glob(f"{table}@*.arrow"):
            if path.name not in used:
                path.unlink()


@found_by(
    "test_two_runs_append",
    spec=replace(good.SPEC, capabilities=replace(good.SPEC.capabilities, private_staging=False)),
)
class ModestSink(good.SampleSink):
    """Keeps what other runs have staged, and does not declare that."""


@found_by("test_two_units_at_once")
class MixingSink(good.SampleSink):
    """Stages all tables of a run under the same names."""

    def _stem(self, begun: dict[str, str]) -> str:
        return f"@{begun['run']}@"


@found_by("test_sink_closes_twice")
class ClosableSink(good.SampleSink):
    """A sink that is closed must not be closed again."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@found_by("test_read_back")
class ForgetfulSink(good.SampleSink):
    """Reads back the first of its splits."""

    def written(self, handle: bytes, receipts: Receipts) -> tuple[Source[pa.RecordBatch], Unit]:
        return super().written(handle, receipts[:1])
