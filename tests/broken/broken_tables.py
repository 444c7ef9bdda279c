"""Table connectors that are each wrong in one way: variations of the template's.

``caught_by`` names the checks that are meant to find the fault and must; ``also`` those that may stumble
over its consequences. No other check fails.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from sample_place import OnSample

from crossdock import (
    Begun,
    Capabilities,
    ConnectorSpec,
    Location,
    PlanHint,
    Receipt,
    Split,
    Target,
    Unit,
    WriteMode,
)
from crossdock.contract import TableContract
from crossdock.template import table as good

Receipts = Sequence[tuple[Split, Receipt]]


class Wrong(OnSample, TableContract):
    """The kit on a broken table; not collected itself, since it has no spec."""

    __test__ = False
    spec = good.SPEC
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()

    def damage(self, url: str, name: str) -> bool:
        for part in Path(url.removeprefix("sample://")).glob(f"{name}@*.arrow"):
            part.write_bytes(part.read_bytes()[:-100])
        return True

    driver_errors = (pa.ArrowInvalid("no Arrow file"),)


def with_sink(opened: Any, **capabilities: Any) -> ConnectorSpec:
    said = {"write_modes": frozenset(WriteMode), "read_back": "before_commit"} | capabilities
    return replace(good.SPEC, open_sink=opened, capabilities=Capabilities(**said))


class DuplicatingSink(good.SampleSink):
    """Commits every file of the run, not those of the receipts: a retried split counts twice."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        stem = self._stem(json.loads(handle))
        staged = sorted(path.name for path in self._folder.path.glob("*.arrow") if path.name.startswith(stem))
        found = [(Split("", i, b""), Receipt(name.encode(), 0, 0)) for i, name in enumerate(staged)]
        super().commit(handle, found)


def open_duplicating(config: Any, location: Location) -> DuplicatingSink:
    return DuplicatingSink(good.Folder(location.path), None)


class TestDuplicatesARetriedSplit(Wrong):
    __test__ = True
    spec = with_sink(open_duplicating)
    caught_by = frozenset({"test_retry_after_finish"})
    also = frozenset(
        {
            "test_commit_after_cleanup_is_stage_lost",
            "test_disturbed_copy_leaves_what_an_undisturbed_one_leaves",
            "test_earlier_attempt_may_be_the_one_that_counts",
            "test_retry_after_a_kill_in_the_middle",
            "test_zombie_finishes_after_commit",
            "test_zombie_finishes_late",
        }
    )


class ForgetfulSink(good.SampleSink):
    """Does not find its own earlier commit: keeps no record of who has committed."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        begun = json.loads(handle)
        version, there = self._folder.newest(begun["table"])
        if there:
            self._folder.publish(begun["table"], version + 1, there | {"runs": []}, self._stem(begun))
        super().commit(handle, receipts)


def open_forgetful(config: Any, location: Location) -> ForgetfulSink:
    return ForgetfulSink(good.Folder(location.path), None)


class TestCommitsTwice(Wrong):
    __test__ = True
    spec = with_sink(open_forgetful)
    caught_by = frozenset({"test_commit_twice", "test_commit_again_after_a_foreign_change"})
    also = frozenset({"test_commit_raced"})


class RestlessSource(good.SampleSource):
    """Plans differently each time, as one that samples the table would."""

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        splits = list(super().plan(unit, hint))
        for split in splits:
            yield replace(split, weight=random.randint(1, 1 << 30))


def open_restless(config: Any, location: Location) -> RestlessSource:
    return RestlessSource(good.Folder(location.path))


class TestPlanNotRepeatable(Wrong):
    __test__ = True
    spec = replace(good.SPEC, open_source=open_restless)
    caught_by = frozenset({"test_plan_is_repeatable"})


class HastySource(good.SampleSource):
    """Takes a batch that is shorter than the first for the last one."""

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        first = None
        for batch in super()._batches(parts):
            yield batch
            first = first or batch.num_rows
            if batch.num_rows < first:
                return


def open_hasty(config: Any, location: Location) -> HastySource:
    return HastySource(good.Folder(location.path))


class TestTakesAShortBatchForTheEnd(Wrong):
    __test__ = True
    spec = replace(good.SPEC, open_source=open_hasty)
    caught_by = frozenset({"test_plan_holds_each_row_once"})
    also = frozenset(
        {
            "test_read_left_early",
            "test_schema_is_that_of_the_batches",
            "test_splits_are_read_from_several_threads",
        }
    )


class BlindSource(good.SampleSource):
    """Takes whatever goes wrong while reading for the end of the data."""

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        with suppress(Exception):
            yield from super()._batches(parts)


def open_blind(config: Any, location: Location) -> BlindSource:
    return BlindSource(good.Folder(location.path))


class TestTakesAnErrorForTheEnd(Wrong):
    __test__ = True
    spec = replace(good.SPEC, open_source=open_blind)
    caught_by = frozenset({"test_damaged_table_is_never_a_short_success"})


class AppendingSink(good.SampleSink):
    """Declares overwrite and appends."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        mode = WriteMode.APPEND if target.mode is WriteMode.OVERWRITE else target.mode
        return super().begin(unit, Target(mode, target.schema), run_id)


def open_appending(config: Any, location: Location) -> AppendingSink:
    return AppendingSink(good.Folder(location.path), None)


class TestDeclaresWhatItCannotDo(Wrong):
    __test__ = True
    spec = with_sink(open_appending)
    caught_by = frozenset({"test_overwrite_replaces"})
    also = frozenset({"test_overwrite_is_one_step", "test_overwrite_may_change_the_schema"})


class TestDoesWhatItDoesNotDeclare(Wrong):
    """The correct connector, declaring one mode less than it takes."""

    __test__ = True
    spec = with_sink(good.open_sink, write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}))
    caught_by = frozenset({"test_undeclared_modes_are_refused"})


class ShufflingSink(good.SampleSink):
    """Commits the splits by the names of their files: 10 comes before 2, and the last may come first."""

    def _durable(self, receipts: Receipts) -> list[str]:
        return sorted(super()._durable(receipts), reverse=True)


def open_shuffling(config: Any, location: Location) -> ShufflingSink:
    return ShufflingSink(good.Folder(location.path), None)


class TestLosesTheOrderOfSplits(Wrong):
    __test__ = True
    spec = with_sink(open_shuffling)
    caught_by = frozenset({"test_order_of_splits"})
    also = frozenset(
        {
            "test_append_adds",
            "test_commit_twice",
            "test_declared_modes_create_a_table",
            "test_empty_split",
            "test_resume_in_another_process",
            "test_writers_at_once",
        }
    )


class AmnesicSink(good.SampleSink):
    """Keeps in memory, not in the handle, that an existing table must stay."""

    def __init__(self, folder: good.Folder, compression: str | None) -> None:
        super().__init__(folder, compression)
        self.guarded: set[bytes] = set()

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        self.guarded.add(begun.handle)
        return begun

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        if handle not in self.guarded:
            begun = json.loads(handle)
            mode = WriteMode.OVERWRITE if begun["mode"] == WriteMode.ERROR else begun["mode"]
            handle = json.dumps(begun | {"mode": mode}).encode()
        super().commit(handle, receipts)


def open_amnesic(config: Any, location: Location) -> AmnesicSink:
    return AmnesicSink(good.Folder(location.path), None)


class TestForgetsItsGuardOnResume(Wrong):
    __test__ = True
    spec = with_sink(open_amnesic)
    caught_by = frozenset({"test_guard_survives_a_resume"})


class TruncatingSink(good.SampleSink):
    """Empties the table at begin when it will be overwritten."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        version, there = self._folder.newest(unit.name)
        if there and target.mode is WriteMode.OVERWRITE:
            stem = self._stem(json.loads(begun.handle))
            self._folder.publish(unit.name, version + 1, there | {"parts": []}, stem)
        return begun


def open_truncating(config: Any, location: Location) -> TruncatingSink:
    return TruncatingSink(good.Folder(location.path), None)


class TestTruncatesBeforeCommit(Wrong):
    __test__ = True
    spec = with_sink(open_truncating)
    caught_by = frozenset({"test_overwrite_replaces"})
    also = frozenset({"test_overwrite_is_one_step"})
