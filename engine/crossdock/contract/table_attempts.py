"""Checks of a table sink's writers: retried splits, zombies, aborts, and errors of the items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

import pyarrow as pa

from ..errors import CrossdockError
from ..spi import Attempt, Begun, Sink, Split, Writer
from .table_base import TableBase, rows


class _SourceFailedError(Exception):
    """Raised by the items; the engine must get this very object back."""


def _failing(error: Exception) -> Iterator[pa.RecordBatch]:
    yield from rows(0, 300).to_batches(max_chunksize=100)
    raise error


class AttemptChecks(TableBase):
    """However often a split is tried, each of its rows arrives once."""

    permanent: ClassVar[int] = 0
    """How many names in ``inventory`` a first copy adds for good and later ones share (a ledger table)."""

    def _writer(self, sink: Sink[Any], begun: Begun, attempt: int) -> Writer[pa.RecordBatch]:
        return sink.writer(begun.handle, Split("t", 0, b""), Attempt("run", attempt))

    def test_write_one_by_one(self, sink: Sink[Any], url: str) -> None:
        """``write`` batch by batch is the same as ``consume``."""
        begun = self.begin(sink, "t", self.creating)
        writer = self._writer(sink, begun, 1)
        for batch in rows(0, 300).to_batches(max_chunksize=100):
            writer.write(batch)
        sink.commit(begun.handle, [(Split("t", 0, b""), writer.finish())])
        assert self.ids(url, "t") == list(range(300))

    def test_retry_after_abort(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        first = self._writer(sink, begun, 1)
        first.write(rows(0, 10).to_batches()[0])
        first.abort()
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=2)]
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))

    def test_abort_after_a_finish_that_failed(self, sink: Sink[Any], url: str) -> None:
        """What was staged has been removed meanwhile: ``finish`` may raise, ``abort`` may not."""
        begun = self.begin(sink, "t", self.creating)
        writer = self._writer(sink, begun, 1)
        sink.cleanup(begun.handle)
        with self.may_raise(CrossdockError):
            writer.write(rows(0, 10).to_batches()[0])
            writer.finish()
            return
        writer.abort()
        assert not self.exists(url, "t")

    def test_retry_after_finish(self, sink: Sink[Any], url: str) -> None:
        """Killed between finish and journal: the split is written again, the first receipt is lost."""
        begun = self.begin(sink, "t", self.creating)
        self.stage(sink, begun, "t", rows(0, 300), attempt=1)
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=2)]
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))

    def test_retry_after_a_kill_in_the_middle(self, sink: Sink[Any], url: str) -> None:
        """Nobody finished or aborted the first attempt; another process tries again."""
        begun = self.begin(sink, "t", self.creating)
        killed = self._writer(sink, begun, 1)
        killed.write(rows(0, 100).to_batches()[0])
        with_new = self.open_sink(url)
        receipts = [self.stage(with_new, begun, "t", rows(0, 300), attempt=2)]
        with_new.commit(begun.handle, receipts)
        killed.abort()
        with_new.cleanup(begun.handle)
        with_new.close()
        assert self.ids(url, "t") == list(range(300))

    def test_earlier_attempt_may_be_the_one_that_counts(self, sink: Sink[Any], url: str) -> None:
        """The receipt decides, not the number: a second attempt was begun and given up."""
        begun = self.begin(sink, "t", self.creating)
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=1)]
        second = self._writer(sink, begun, 2)
        second.write(rows(900, 10).to_batches()[0])
        second.abort()
        self.stage(sink, begun, "t", rows(700, 100), attempt=3)
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))

    def test_zombie_finishes_late(self, sink: Sink[Any], url: str) -> None:
        """A worker that was thought dead writes on after its successor finished."""
        begun = self.begin(sink, "t", self.creating)
        zombie = self._writer(sink, begun, 1)
        zombie.write(rows(0, 100).to_batches()[0])
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=2)]
        self._go_on(zombie)
        sink.commit(begun.handle, receipts)
        assert self.ids(url, "t") == list(range(300))
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))

    def test_zombie_finishes_after_commit(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        zombie = self._writer(sink, begun, 1)
        zombie.write(rows(0, 100).to_batches()[0])
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=2)]
        sink.commit(begun.handle, receipts)
        self._go_on(zombie)
        assert self.ids(url, "t") == list(range(300))
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))

    def _go_on(self, zombie: Writer[pa.RecordBatch]) -> None:
        """The zombie may succeed, which must do no harm, or be told off in a known way."""
        with self.may_raise(CrossdockError) as refusal:
            zombie.write(rows(500, 100).to_batches()[0])
            zombie.finish()
        if refusal.error is not None:
            zombie.abort()

    def test_abort_leaves_nothing(self, sink: Sink[Any], url: str) -> None:
        """After abort and cleanup the location is as it was."""
        self.seed(url, "other", rows(0, 5))
        before = self.inventory(url)
        begun = self.begin(sink, "t", self.creating)
        begun_only = self.inventory(url)
        for attempt, written in ((1, 0), (2, 1), (3, 3)):
            writer = self._writer(sink, begun, attempt)
            for batch in rows(0, 300).to_batches(max_chunksize=100)[:written]:
                writer.write(batch)
            writer.abort()
            assert self.inventory(url) == begun_only, f"abort after {written} items leaves staged data behind"
        sink.cleanup(begun.handle)
        assert self.inventory(url) == before
        assert not self.exists(url, "t")

    def test_disturbed_copy_leaves_what_an_undisturbed_one_leaves(self, sink: Sink[Any], url: str) -> None:
        """Attempts that were aborted, lost or late are gone after cleanup."""
        begun = self.begin(sink, "t", self.creating)
        late = self._writer(sink, begun, 1)
        late.write(rows(0, 10).to_batches()[0])
        self.stage(sink, begun, "t", rows(0, 30), attempt=2)
        receipts = [self.stage(sink, begun, "t", rows(0, 30), attempt=3)]
        late.abort()
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        disturbed = self.inventory(url)
        if not sink.one_target and disturbed is not None:
            self.seed(url, "u", rows(0, 30))
            added = len(self.inventory(url) or ()) - len(disturbed)
            assert len(disturbed) <= added + self.permanent, "staged data of other attempts stays behind"

    def test_error_of_the_items_passes_through(self, sink: Sink[Any], url: str) -> None:
        """``consume`` raises the source's own exception; nothing of the split counts or stays."""
        self.seed(url, "other", rows(0, 5))
        before = self.inventory(url)
        begun = self.begin(sink, "t", self.creating)
        writer = self._writer(sink, begun, 1)
        failure = _SourceFailedError("the source broke off")
        raised: BaseException | None = None
        try:
            writer.consume(_failing(failure))
        except BaseException as error:  # noqa: BLE001 - its identity is the check
            raised = error
        assert raised is failure, f"consume turned the error of the items into {raised!r}"
        writer.abort()
        assert not self.exists(url, "t")
        sink.cleanup(begun.handle)
        assert self.inventory(url) == before

    def test_split_after_an_error_of_the_items(self, sink: Sink[Any], url: str) -> None:
        begun = self.begin(sink, "t", self.creating)
        writer = self._writer(sink, begun, 1)
        with suppress(Exception):
            writer.consume(_failing(_SourceFailedError("the source broke off")))
        writer.abort()
        receipts = [self.stage(sink, begun, "t", rows(0, 300), attempt=2)]
        sink.commit(begun.handle, receipts)
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(300))
