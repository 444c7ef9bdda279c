"""Who does what next: open units first, bundles of small ones, nothing twice and nothing forgotten."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crossdock import Begun, InternalError, Receipt, Split, Unit
from crossdock.dispatch import BUNDLE, SMALL, Dispatcher, UnitTask
from crossdock.journal import Journal
from crossdock.journal_rows import UnitRow, UnitState
from crossdock.meter import Worker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal.create(tmp_path / "r.db")) as journal:
        yield journal


def add(journal: Journal, *sizes: int | None) -> None:
    journal.add_units([Unit(f"u{number}", size) for number, size in enumerate(sizes)], None)


def task(row: UnitRow, splits: int, max_writers: int = 100) -> UnitTask:
    pending = deque(Split(row.unit.name, index, b"") for index in range(splits))
    return UnitTask(row, Begun(b"", max_writers), None, None, splits, pending, {})


def units(found: object) -> list[str]:
    assert isinstance(found, list)
    return [row.unit.name for row in found]


def split(found: object) -> tuple[UnitTask, Split]:
    assert isinstance(found, tuple)
    return found


class TestUnits:
    def test_large_units_come_alone(self, journal: Journal) -> None:
        add(journal, SMALL + 1, SMALL + 1, None)
        dispatcher, worker = Dispatcher(journal, 2, 3), Worker()
        assert [units(dispatcher.next(worker)) for _ in range(3)] == [["u0"], ["u1"], ["u2"]]

    def test_small_units_come_in_bundles(self, journal: Journal) -> None:
        add(journal, *[10] * 2000)
        dispatcher, worker = Dispatcher(journal, 2, 2000), Worker()
        first = units(dispatcher.next(worker))
        assert first == [f"u{number}" for number in range(BUNDLE)]
        assert units(dispatcher.next(worker))[0] == f"u{BUNDLE}"

    def test_a_large_unit_ends_a_bundle(self, journal: Journal) -> None:
        add(journal, 10, 10, SMALL + 1, 10, 10)
        dispatcher, worker = Dispatcher(journal, 1, 100), Worker()
        bundles = [units(dispatcher.next(worker)) for _ in range(3)]
        assert bundles == [["u0", "u1"], ["u2"], ["u3", "u4"]]

    @pytest.mark.parametrize(
        ("total", "parallel", "size"), [(8, 2, 1), (80, 2, 10), (10**6, 2, BUNDLE), (80, 40, 1)]
    )
    def test_few_units_are_shared_out(self, journal: Journal, total: int, parallel: int, size: int) -> None:
        """No worker waits while another has a bundle of what is left."""
        add(journal, *[10] * 200)
        assert len(units(Dispatcher(journal, parallel, total).next(Worker()))) == size

    def test_each_once_over_many_pages(self, journal: Journal) -> None:
        add(journal, *[10] * 2500)
        journal.set_state([3, 7], UnitState.DONE)
        dispatcher, worker, found = Dispatcher(journal, 4, 2500), Worker(), []
        while (work := dispatcher.next(worker)) is not None:
            found += units(work)
            dispatcher.done()
        assert found == [f"u{number}" for number in range(2500) if number not in (2, 6)]

    def test_nothing_to_do(self, journal: Journal) -> None:
        assert Dispatcher(journal, 2, 0).next(Worker()) is None


class TestSplits:
    @pytest.fixture
    def row(self, journal: Journal) -> UnitRow:
        add(journal, SMALL + 1, SMALL + 1)
        return journal.open_units(0, 1)[0]

    def test_open_units_come_first(self, journal: Journal, row: UnitRow) -> None:
        dispatcher, worker = Dispatcher(journal, 2, 2), Worker()
        dispatcher.next(worker)
        dispatcher.offer(task(row, 2))
        dispatcher.done()
        found = [split(dispatcher.next(worker))[1].index for _ in range(2)]
        assert found == [0, 1]
        assert units(dispatcher.next(worker)) == ["u1"]

    def test_no_more_than_the_sink_takes(self, journal: Journal, row: UnitRow) -> None:
        dispatcher, worker, mine = Dispatcher(journal, 4, 2), Worker(), task(row, 5, max_writers=2)
        dispatcher.next(worker)
        dispatcher.offer(mine)
        first, second = split(dispatcher.next(worker)), split(dispatcher.next(worker))
        assert units(dispatcher.next(worker)) == ["u1"], "the next unit meanwhile"
        dispatcher.finished(*first, (first[1], Receipt(b"", 0, 0), ""))
        assert split(dispatcher.next(worker))[1].index == 2
        assert second[1].index == 1

    def test_the_last_one_is_told(self, journal: Journal, row: UnitRow) -> None:
        dispatcher, worker, mine = Dispatcher(journal, 2, 2), Worker(), task(row, 3)
        dispatcher.offer(mine)
        taken = [split(dispatcher.next(worker))[1] for _ in range(3)]
        done = [(part, Receipt(b"%d" % part.index, 0, 0), "") for part in taken]
        assert not dispatcher.finished(mine, taken[2], done[2])
        assert not dispatcher.finished(mine, taken[0], done[0])
        assert dispatcher.finished(mine, taken[1], done[1])
        assert [receipt.token for _, receipt in mine.receipts()] == [b"0", b"1", b"2"], "in order"

    def test_a_broken_unit_is_handed_out_no_more(self, journal: Journal, row: UnitRow) -> None:
        dispatcher, worker, mine = Dispatcher(journal, 2, 2), Worker(), task(row, 3)
        dispatcher.offer(mine)
        first, second = split(dispatcher.next(worker))[1], split(dispatcher.next(worker))[1]
        error = InternalError("first")
        dispatcher.drop(mine, error)
        dispatcher.drop(mine, InternalError("second"))
        assert not dispatcher.finished(mine, first, None)
        assert dispatcher.finished(mine, second, (second, Receipt(b"", 0, 0), "")), (
            "one is the last all the same"
        )
        assert mine.broken is error
        assert units(dispatcher.next(worker)) == ["u0"], "no split of it is left"

    def test_equal_units_are_not_mixed_up(self, journal: Journal, row: UnitRow) -> None:
        dispatcher, worker = Dispatcher(journal, 2, 2), Worker()
        one, other = task(row, 1), task(row, 1)
        dispatcher.offer(one)
        dispatcher.offer(other)
        dispatcher.offer(one)
        assert split(dispatcher.next(worker))[0] is one
        assert split(dispatcher.next(worker))[0] is other
        assert dispatcher.finished(one, Split("u0", 0, b""), None)
        assert dispatcher.finished(other, Split("u0", 0, b""), None)


class TestWaiting:
    def test_a_worker_waits_for_what_another_may_open(self, journal: Journal) -> None:
        add(journal, SMALL + 1)
        dispatcher, worker, found = Dispatcher(journal, 2, 1), Worker(), []
        (row,) = dispatcher.next(worker)  # type: ignore[misc]
        waiting = Worker()
        thread = threading.Thread(target=lambda: found.append(dispatcher.next(waiting)))
        thread.start()
        time.sleep(0.1)
        assert thread.is_alive()
        assert waiting.state == "queue"
        dispatcher.offer(task(row, 1))
        thread.join(5)
        assert split(found[0])[1].index == 0
        assert waiting.seconds["queue"] > 0

    def test_all_end_when_the_last_is_done(self, journal: Journal) -> None:
        add(journal, SMALL + 1)
        dispatcher, found = Dispatcher(journal, 3, 1), []
        dispatcher.next(Worker())
        threads = [threading.Thread(target=lambda: found.append(dispatcher.next(Worker()))) for _ in range(2)]
        for thread in threads:
            thread.start()
        dispatcher.done()
        for thread in threads:
            thread.join(5)
        assert found == [None, None]

    def test_stopping_wakes_all(self, journal: Journal) -> None:
        add(journal, SMALL + 1, SMALL + 1)
        dispatcher, found = Dispatcher(journal, 3, 2), []
        dispatcher.next(Worker())
        dispatcher.next(Worker())
        thread = threading.Thread(target=lambda: found.append(dispatcher.next(Worker())))
        thread.start()
        dispatcher.stop()
        thread.join(5)
        assert found == [None]
        dispatcher.offer(task(UnitRow(1, Unit("u0"), UnitState.BEGUN, None), 1))
        assert dispatcher.next(Worker()) is None


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_many_workers_do_everything_once(journal: Journal, workers: int) -> None:
    """Units of any size, some of which are carried in splits by all."""
    add(journal, *[(SMALL + 1 if number % 5 == 0 else 10) for number in range(300)])
    dispatcher, mutex = Dispatcher(journal, workers, 300), threading.Lock()
    done: Counter[tuple[str, int]] = Counter()
    ended: Counter[str] = Counter()

    def work() -> None:
        worker = Worker()
        while (found := dispatcher.next(worker)) is not None:
            if isinstance(found, list):
                for row in found:
                    if (row.unit.size or 0) > SMALL:
                        dispatcher.offer(task(row, 4, max_writers=3))
                    else:
                        with mutex:
                            ended[row.unit.name] += 1
            else:
                mine, part = found
                with mutex:
                    done[part.unit, part.index] += 1
                if dispatcher.finished(mine, part, (part, Receipt(b"", 0, 0), "")):
                    with mutex:
                        ended[part.unit] += 1
            dispatcher.done()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert ended == {f"u{number}": 1 for number in range(300)}
    assert done == {(f"u{number}", index): 1 for number in range(0, 300, 5) for index in range(4)}
