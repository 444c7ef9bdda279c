"""Table connectors that are each wrong in one way: variations of the template's.

``caught_by`` names the checks that are meant to find the fault and must; ``also`` those that may stumble
over its consequences. No other check fails.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from only import AnyWrong
from only import found_by as found
from sample_place import OnSample

from crossdock import (
    Attempt,
    Begun,
    Capabilities,
    ConnectorSpec,
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


def found_by(
    *checks: str, also: Collection[str] | None = (), spec: ConnectorSpec = good.SPEC
) -> Callable[[AnyWrong], AnyWrong]:
    return found(
        *checks,
        contract=Wrong,
        spec=spec,
        factory="open_sink",
        opens=lambda kind, _, at: kind(good.Folder(at.path), None),
        also=also,
    )


def source_found_by(*checks: str, also: Collection[str] | None = ()) -> Callable[[AnyWrong], AnyWrong]:
    return found(
        *checks,
        contract=Wrong,
        spec=good.SPEC,
        factory="open_source",
        opens=lambda kind, _, at: kind(good.Folder(at.path)),
        also=also,
    )


class OddlyWritten(good.SampleSink):
    """Correct but for its writers."""

    kind: type[good.SampleWriter]

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> good.SampleWriter:
        plain = super().writer(handle, split, attempt)
        plain.__class__ = self.kind
        return plain


@found_by(
    "test_disturbed_copy_leaves_what_an_undisturbed_one_leaves",
    "test_retry_after_a_kill_in_the_middle",
    "test_zombie_finishes_after_commit",
    "test_retry_after_finish",
    also=(
        "test_commit_after_cleanup_is_stage_lost",
        "test_earlier_attempt_may_be_the_one_that_counts",
        "test_zombie_finishes_late",
    ),
)
class DuplicatingSink(good.SampleSink):
    """Commits every file of the run, not those of the receipts: a retried split counts twice."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        stem = self._stem(json.loads(handle))
        staged = sorted(path.name for path in self._folder.path.glob("*.arrow") if path.name.startswith(stem))
        found = [(Split("", i, b""), Receipt(name.encode(), 0, 0)) for i, name in enumerate(staged)]
        super().commit(handle, found)


@found_by("test_commit_twice", "test_commit_again_after_a_foreign_change", also=("test_commit_raced",))
class ForgetfulSink(good.SampleSink):
    """Does not find its own earlier commit: keeps no record of who has committed."""

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        begun = json.loads(handle)
        version, there = self._folder.newest(begun["table"])
        if there:
            self._folder.publish(begun["table"], version + 1, there | {"runs": []}, self._stem(begun))
        super().commit(handle, receipts)


@source_found_by("test_plan_is_repeatable")
class RestlessSource(good.SampleSource):
    """Plans differently each time, as one that samples the table would."""

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        splits = list(super().plan(unit, hint))
        for split in splits:
            yield replace(split, weight=random.randint(1, 1 << 30))


@source_found_by(
    "test_plan_holds_each_row_once",
    also=(
        "test_read_left_early",
        "test_schema_is_that_of_the_batches",
        "test_splits_are_read_from_several_threads",
    ),
)
class HastySource(good.SampleSource):
    """Takes a batch that is shorter than the first for the last one."""

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        first = None
        for batch in super()._batches(parts):
            yield batch
            first = first or batch.num_rows
            if batch.num_rows < first:
                return


@source_found_by("test_damaged_table_is_never_a_short_success")
class BlindSource(good.SampleSource):
    """Takes whatever goes wrong while reading for the end of the data."""

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        with suppress(Exception):
            yield from super()._batches(parts)


@found_by(
    "test_overwrite_replaces",
    also=(
        "test_overwrite_is_one_step",
        "test_overwrite_may_change_the_schema",
    ),
)
class AppendingSink(good.SampleSink):
    """Declares overwrite and appends."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        mode = WriteMode.APPEND if target.mode is WriteMode.OVERWRITE else target.mode
        return super().begin(unit, Target(mode, target.schema), run_id)


class TestDoesWhatItDoesNotDeclare(Wrong):
    """The correct connector, declaring one mode less than it takes."""

    __test__ = True
    spec = with_sink(good.open_sink, write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}))
    caught_by = frozenset({"test_undeclared_modes_are_refused"})


@found_by(
    "test_declared_modes_create_a_table",
    "test_empty_split",
    "test_resume_in_another_process",
    "test_writers_at_once",
    "test_order_of_splits",
    also=(
        "test_append_adds",
        "test_commit_twice",
    ),
)
class ShufflingSink(good.SampleSink):
    """Commits the splits by the names of their files: 10 comes before 2, and the last may come first."""

    def _durable(self, receipts: Receipts) -> list[str]:
        return sorted(super()._durable(receipts), reverse=True)


@found_by("test_guard_survives_a_resume")
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


@found_by("test_overwrite_replaces", also=("test_overwrite_is_one_step",))
class TruncatingSink(good.SampleSink):
    """Empties the table at begin when it will be overwritten."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        version, there = self._folder.newest(unit.name)
        if there and target.mode is WriteMode.OVERWRITE:
            stem = self._stem(json.loads(begun.handle))
            self._folder.publish(unit.name, version + 1, there | {"parts": []}, stem)
        return begun
