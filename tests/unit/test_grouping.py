"""Facts for the journal: together, but neither many nor late, and none is lost when something fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

from crossdock import grouping
from crossdock.grouping import MOST, Grouped


def test_as_many_as_a_group_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LONGEST", 60)
    written: list[Sequence[int]] = []
    with Grouped(written.append) as group:
        for number in range(2 * MOST + 3):
            group.add(number)
        assert [len(facts) for facts in written] == [MOST, MOST]
    assert [number for facts in written for number in facts] == list(range(2 * MOST + 3))


def test_slow_ones_do_not_wait_for_each_other() -> None:
    """A request to a remote store takes longer than a transaction: then each has its own."""
    written: list[Sequence[int]] = []
    with Grouped(written.append) as group:
        for number in range(4):
            time.sleep(grouping.LONGEST)
            group.add(number)
            assert len(written) == number + 1


def test_what_has_happened_counts_when_a_later_one_fails() -> None:
    written: list[Sequence[int]] = []
    with suppress(RuntimeError), Grouped(written.append) as group:
        group.add(1)
        raise RuntimeError
    assert written == [[1]]


def test_nothing_is_not_written() -> None:
    written: list[Sequence[int]] = []
    with Grouped(written.append):
        pass
    assert written == []
