"""Checks of a table sink that knows what a run has committed, for whoever takes the run over."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from ..errors import CrossdockError, StageLostError
from ..spi import Begun, Remembering, Sink, Unit, WriteMode
from .table_base import Staged, TableBase, new_run, rows


class MemoryChecks(TableBase):
    """The ability ``Remembering``."""

    def _begun(self, sink: Sink[Any], run: str, name: str = "t") -> tuple[Begun, Sequence[Staged]]:
        """Rows that are staged to be appended, or to become the table."""
        if not (isinstance(sink, Remembering) and sink.remembers()):
            pytest.skip("the sink does not remember what it has committed")
        able = WriteMode.APPEND in self.spec.capabilities.write_modes
        begun = self.begin(sink, name, WriteMode.APPEND if able else self.creating, run=run)
        return begun, self.stage_all(sink, begun, name, self.shares(begun, rows(0, 50)))

    def _asked(self, url: str, run: str, name: str = "t") -> tuple[int, ...] | None:
        """Another machine asks: how many rows there are, where that is known."""
        with closing(self.open_sink(url)) as other:
            assert isinstance(other, Remembering)
            found = other.committed(Unit(name), run)
        return None if found is None else (found.rows,) if found.rows else ()

    def test_committed_is_remembered(self, sink: Sink[Any], url: str) -> None:
        """Until the cleanup, by the unit and the run; a second committer changes nothing."""
        run = new_run()
        begun, receipts = self._begun(sink, run)
        sink.commit(begun.handle, receipts)
        for _ in range(2):
            assert self._asked(url, run) in ((50,), ()), "the commit is forgotten, or its rows are"
        assert self._asked(url, new_run()) is None, "another run has committed nothing"
        assert self._asked(url, run, "other") is None, "another table was not committed"
        sink.commit(begun.handle, receipts)
        assert self.ids(url, "t") == list(range(50))
        sink.cleanup(begun.handle)
        assert self.ids(url, "t") == list(range(50))

    def test_abandon_forgets_a_commit(self, sink: Sink[Any], url: str) -> None:
        """Who has taken a run over has no handle to clean up with."""
        run = new_run()
        begun, receipts = self._begun(sink, run)
        sink.commit(begun.handle, receipts)
        sink.abandon(Unit("t"), run)
        assert self.ids(url, "t") == list(range(50)), "abandon has removed what was committed"
        assert self._asked(url, run) is None, "abandon leaves the commit remembered"

    def test_asked_for_nothing(self, sink: Sink[Any], url: str) -> None:
        """Of what is only staged nothing stays, and its owner cannot commit it any more."""
        self.seed(url, "other", rows(0, 5))
        run = new_run()
        before = self.inventory(url)
        begun, receipts = self._begun(sink, run)
        assert self._asked(url, run) is None, "what is staged is taken for committed"
        assert self.inventory(url) == before, "what nobody can commit is left"
        with self.raises(StageLostError):
            sink.commit(begun.handle, receipts)
        again, receipts = self._begun(sink, run)
        sink.commit(again.handle, receipts)
        assert self.ids(url, "t") == list(range(50))

    def test_asked_while_it_commits(self, sink: Sink[Any], url: str) -> None:
        """Either the commit is known, or it fails: never are the rows there with nobody knowing."""
        for attempt in range(4):
            run, name = new_run(), f"t{attempt}"
            begun, receipts = self._begun(sink, run, name)

            def commit(begun: Begun = begun, receipts: Sequence[Staged] = receipts) -> bool:
                with self.may_raise(CrossdockError) as refusal:
                    sink.commit(begun.handle, receipts)
                return refusal.error is None

            with ThreadPoolExecutor(2) as pool:
                committing, asked = pool.submit(commit), pool.submit(self._asked, url, run, name)
                known, done = asked.result() is not None, committing.result()
            there = self.ids(url, name) if self.exists(url, name) else []
            assert there in ([], list(range(50)))
            assert not (done and not known), "it was committed after the sink had said that it was not"
            assert known == bool(there), "the rows are there and nobody knows, or the other way round"
