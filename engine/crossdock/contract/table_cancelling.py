"""Checks of calls that are ended from another thread (``Cancellable``)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from threading import Thread
from typing import Any

from ..spi import Attempt, Cancellable, PlanHint, Sink, Source, Split
from .table_base import TableBase, rows

_LONGEST = 60.0
_MANY = 5000


class CancelChecks(TableBase):
    """Declared: what is cancelled ends, and never as if it were done. Not declared: it is not offered."""

    def test_cancel_is_there_when_declared(self, source: Source[Any]) -> None:
        if not self.spec.capabilities.cancel:
            assert not isinstance(source, Cancellable), "Cancellable without the capability is never used"
            return
        assert isinstance(source, Cancellable), "cancel is declared and the source is not Cancellable"
        for _ in range(2):
            source.cancel()

    def test_cancelled_reading_is_never_a_short_success(self, source: Source[Any], url: str) -> None:
        """It ends soon, by an exception or with all rows; whoever reads next is not in its way."""
        if not isinstance(source, Cancellable):
            return
        self.seed(url, "t", rows(0, _MANY))
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, Cancellable)
            splits = list(opened.plan(self.unit(opened, "t"), PlanHint()))
            found: list[int] = []
            failed = False
            try:
                with opened.read(splits[0]) as items:
                    found.append(next(items).num_rows)
                    self._in_time(opened.cancel)
                    found += [batch.num_rows for batch in items]
            except Exception:  # noqa: BLE001 - any will do
                failed = True
        assert failed or sum(found) == _MANY, f"a cancelled read ended well with {sum(found)} of {_MANY} rows"
        assert self.ids(url, "t") == list(range(_MANY))

    def test_cancelled_writing_leaves_nothing(self, sink: Sink[Any], url: str) -> None:
        self.seed(url, "other", rows(0, 5))
        before = self.inventory(url)
        begun = self.begin(sink, "t", self.creating)
        writer = sink.writer(begun.handle, Split("t", 0, b""), Attempt("run", 1))
        writer.write(rows(0, 100).to_batches()[0])
        for end in (sink, writer):
            if isinstance(end, Cancellable):
                assert self.spec.capabilities.cancel, "Cancellable without the capability is never used"
                self._in_time(end.cancel)
        with suppress(Exception):
            writer.write(rows(100, 100).to_batches()[0])
        writer.abort()
        with closing(self.open_sink(url)) as another:
            another.cleanup(begun.handle)
        assert not self.exists(url, "t")
        assert self.inventory(url) == before, "a cancelled writer leaves staged data behind"

    def _in_time(self, cancel: Callable[[], None]) -> None:
        thread = Thread(target=cancel, daemon=True)
        thread.start()
        thread.join(_LONGEST)
        assert not thread.is_alive(), f"cancel() takes longer than {_LONGEST:g} seconds"
