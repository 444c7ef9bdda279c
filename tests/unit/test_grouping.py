"""Facts for the journal: together, but neither many nor late, and none is lost when something fails."""

from __future__ import annotations

import threading
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


def test_the_facts_of_many_workers_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LONGEST", 60)
    written: list[Sequence[int]] = []
    group = Grouped(written.append)
    inside, leave = threading.Barrier(MOST + 1), threading.Event()

    def work(number: int) -> None:
        with group:
            group.add(number)
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(MOST)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert [sorted(facts) for facts in written] == [list(range(MOST))]
    leave.set()
    for thread in threads:
        thread.join(10)
    assert len(written) == 1


def test_the_end_of_a_block_writes_what_another_one_could_not() -> None:
    written: list[Sequence[int]] = []

    def write(facts: Sequence[int]) -> None:
        if not full:
            written.append(facts)
            return
        raise OSError("no space left")

    full = True
    group = Grouped(write)
    with pytest.raises(OSError, match="no space"), group:
        group.add(1)
    full = False
    with group:
        pass
    assert written == [[1]]
