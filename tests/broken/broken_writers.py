"""Table connectors whose writers are each wrong in one way: variations of the template's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
from broken_tables import OddlyWritten, Receipts, found_by

from crossdock import Attempt, Receipt, Split, WriteMode
from crossdock.template import table as good


class EagerWriter(good.SampleWriter):
    sink: EagerSink
    handle: bytes
    split: Split

    def finish(self) -> Receipt:
        receipt = super().finish()
        self.sink.show(self.handle, self.split, receipt)
        return receipt


@found_by(
    "test_nothing_is_visible_before_commit",
    "test_append_adds",
    "test_overwrite_replaces",
    also=(
        "test_cleanup_raced",
        "test_cleanup_without_commit_leaves_nothing",
        "test_commit_after_cleanup_is_stage_lost",
        "test_disturbed_copy_leaves_what_an_undisturbed_one_leaves",
        "test_error_refuses_a_table_that_appeared",
        "test_guard_survives_a_resume",
        "test_order_of_splits",
        "test_overwrite_is_one_step",
        "test_overwrite_may_change_the_schema",
        "test_two_units_at_once",
        "test_writers_at_once",
        "test_zombie_finishes_after_commit",
    ),
)
class EagerSink(good.SampleSink):
    """Shows each split as soon as it is written; little is left to do at commit."""

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> EagerWriter:
        plain = super().writer(handle, split, attempt)
        plain.__class__ = EagerWriter
        plain.sink, plain.handle, plain.split = self, handle, split  # type: ignore[attr-defined]
        return plain  # type: ignore[return-value]

    def show(self, handle: bytes, split: Split, receipt: Receipt) -> None:
        begun = json.loads(handle)
        version, there = self._folder.newest(begun["table"])
        there = there or {"schema": begun["schema"], "parts": [], "runs": []}
        there["parts"].append(receipt.token.decode())
        self._folder.publish(begun["table"], version + 1, there, self._stem(begun))

    def commit(self, handle: bytes, receipts: Receipts) -> None:
        begun = json.loads(handle)
        mine = {receipt.token.decode() for _, receipt in receipts}
        version, there = self._folder.newest(begun["table"])
        if there and mine <= set(there["parts"]) and begun["run"] not in there["runs"]:
            kept = mine if begun["mode"] != WriteMode.APPEND else set(there["parts"])
            shown = {
                **there,
                "parts": [p for p in there["parts"] if p in kept],
                "runs": [*there["runs"], begun["run"]],
            }
            self._folder.publish(begun["table"], version + 1, shown, self._stem(begun))
        else:
            super().commit(handle, receipts)


class LeakingWriter(good.SampleWriter):
    def abort(self) -> None:
        self._file.close()


@found_by("test_abort_leaves_nothing")
class LeakingSink(OddlyWritten):
    """Leaves the file of an aborted attempt until the whole unit is cleaned up."""

    kind = LeakingWriter


class SwallowingWriter(good.SampleWriter):
    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        with suppress(Exception):
            super().consume(items)


@found_by("test_error_of_the_items_passes_through")
class SwallowingSink(OddlyWritten):
    """Takes an error of the source for its end."""

    kind = SwallowingWriter


class WrappingWriter(good.SampleWriter):
    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        try:
            super().consume(items)
        except Exception as error:
            raise pa.ArrowInvalid(f"stream failed: {error}") from error


@found_by("test_error_of_the_items_passes_through")
class WrappingSink(OddlyWritten):
    """Blames itself for an error of the source, as a driver that pulls a stream does."""

    kind = WrappingWriter


@found_by(
    "test_zombie_finishes_late",
    "test_earlier_attempt_may_be_the_one_that_counts",
    also=(
        "test_disturbed_copy_leaves_what_an_undisturbed_one_leaves",
        "test_retry_after_a_kill_in_the_middle",
        "test_zombie_finishes_after_commit",
    ),
)
class SharingSink(good.SampleSink):
    """Gives all attempts at a split the same staging name."""

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> good.SampleWriter:
        return super().writer(handle, split, Attempt(attempt.run_id, 1))
