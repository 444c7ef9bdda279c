"""The path of one item: retries, limits, sinks that pull."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pytest
from carry_ends import SPLIT, Numbers, Shelf, carrier, failing

from crossdock import (
    Attempt,
    AuthError,
    CancelledError,
    Copier,
    CrossdockError,
    DataError,
    InternalError,
    Receipt,
    Split,
    ThrottledError,
    TransientError,
    retry,
)
from crossdock.carry import Job
from crossdock.limits import MemoryBudget, Throttle
from crossdock.meter import Worker
from crossdock.retry import ATTEMPTS, THROTTLED_ATTEMPTS


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)


class TestRetries:
    def test_attempts_have_growing_numbers(self) -> None:
        source, shelf, worker = Numbers(fail=failing("item 3", TransientError("x"), 2)), Shelf(), Worker()
        receipt, _ = carrier(source, shelf, epoch=7).carry(Job(SPLIT, b"h"), worker)
        assert [line for line in shelf.log if "writer" in line] == [
            "writer 7001",
            "writer 7002",
            "writer 7003",
        ]
        assert (receipt.token, shelf.kept) == (b"r7003", {7003: [0, 1, 2, 3, 4]})
        assert (worker.retries, worker.throttled) == (2, 0)

    @pytest.mark.parametrize(
        ("error", "tries"), [(TransientError("x"), ATTEMPTS), (ThrottledError("busy"), THROTTLED_ATTEMPTS)]
    )
    def test_not_for_ever(self, error: TransientError, tries: int) -> None:
        """More often where the server only wants fewer requests."""
        source, worker = Numbers(fail=failing("open", error)), Worker()
        with pytest.raises(type(error)):
            carrier(source, Shelf()).carry(Job(SPLIT, b"h"), worker)
        assert source.log.count("open") == tries
        throttled = tries - 1 if isinstance(error, ThrottledError) else 0
        assert (worker.retries, worker.throttled) == (tries - 1, throttled)

    @pytest.mark.parametrize("error", [DataError("x"), InternalError("x"), AuthError("x"), RuntimeError("x")])
    def test_not_for_what_stays_wrong(self, error: Exception) -> None:
        source = Numbers(fail=failing("open", error))
        with pytest.raises(CrossdockError):
            carrier(source, Shelf()).carry(Job(SPLIT, b"h"), Worker())
        assert source.log.count("open") == 1

    def test_waits_grow_and_honour_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []

        class Cancel(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                waits.append(timeout or 0)
                return False

        monkeypatch.setattr(retry, "FIRST_WAIT", 1.0)
        source = Numbers(fail=failing("open", TransientError("x")))
        with pytest.raises(TransientError):
            carrier(source, Shelf(), cancel=Cancel()).carry(Job(SPLIT, b"h"), Worker())
        for wait, longest in zip(waits, (1, 2, 4, 8), strict=True):
            assert longest / 2 <= wait <= longest

        waits.clear()
        source = Numbers(fail=failing("open", TransientError("x", retry_after=33.0), 1))
        carrier(source, Shelf(), cancel=Cancel()).carry(Job(SPLIT, b"h"), Worker())
        assert waits[0] == 33.0

        waits.clear()
        source = Numbers(fail=failing("open", TransientError("x", first_wait=12)))
        with pytest.raises(TransientError):
            carrier(source, Shelf(), cancel=Cancel()).carry(Job(SPLIT, b"h"), Worker())
        for wait, (least, longest) in zip(waits, ((12, 18), (24, 36), (48, 60), (60, 60)), strict=True):
            assert least <= wait <= longest

    def test_a_wait_can_be_cancelled(self) -> None:
        cancel = threading.Event()
        cancel.set()
        source = Numbers(fail=failing("open", TransientError("x", retry_after=600)))
        with pytest.raises(CancelledError):
            carrier(source, Shelf(), cancel=cancel).carry(Job(SPLIT, b"h"), Worker())


class TestLimits:
    def test_cancelling_stops_between_items(self) -> None:
        cancel = threading.Event()

        def fail(where: str) -> None:
            if where == "item 2":
                cancel.set()

        source, shelf = Numbers(100, fail), Shelf()
        with pytest.raises(CancelledError):
            carrier(source, shelf, cancel=cancel).carry(Job(SPLIT, b"h"), Worker())
        assert shelf.log.count("write") == 2
        assert shelf.log[-1] == "abort"
        assert source.log[-1] == "close"

    def test_memory_is_taken_before_the_source_is_opened(self) -> None:
        budget, never = MemoryBudget(100 << 20), threading.Event()
        held: list[int] = []

        def look(where: str) -> None:
            if where in ("open", "finish"):
                held.append(budget.total - budget._free)

        split = Split("t", 0, b"", memory=10 << 20)
        source = Numbers(fail=look)
        carrier(source, Shelf(fail=look), budget=budget).carry(Job(split, b"h", memory=5 << 20), Worker())
        assert held == [15 << 20, 15 << 20]
        assert budget.take(100 << 20, never) == 100 << 20, "all of it is given back"

    def test_memory_is_given_back_after_errors(self) -> None:
        budget, never = MemoryBudget(100 << 20), threading.Event()
        for where in ("open", "item 1"):
            with pytest.raises(DataError):
                carrier(Numbers(fail=failing(where, KeyError(1))), Shelf(), budget=budget).carry(
                    Job(SPLIT, b"h"), Worker()
                )
        assert budget.take(100 << 20, never) == 100 << 20

    def test_every_byte_is_booked_once(self) -> None:
        class Book(Throttle):
            booked: list[int] = []  # noqa: RUF012

            def delay(self, amount: int) -> float:
                self.booked.append(amount)
                return 0.0

        carrier(Numbers(5), Shelf(), throttle=Book(1)).carry(Job(SPLIT, b"h"), Worker())
        assert Book.booked == [8] * 5

    def test_waiting_for_bandwidth_is_counted(self) -> None:
        class Slow(Throttle):
            def delay(self, amount: int) -> float:
                return 0.01

        worker = Worker()
        carrier(Numbers(5), Shelf(), throttle=Slow(1)).carry(Job(SPLIT, b"h"), worker)
        assert 0.05 <= worker.seconds["throttle"] < 1


class TestCopier:
    """A sink that pulls for itself."""

    class Puller(Shelf, Copier):
        def can_copy(self, source: object) -> bool:
            return True

        def copy(self, source: Any, handle: bytes, split: Split, attempt: Attempt) -> Receipt:
            self.log.append(f"copy {attempt.number}")
            self.fail("copy")
            return Receipt(b"pulled", 1, 5)

    def test_no_item_passes_through_here(self) -> None:
        source, puller = Numbers(), self.Puller()
        receipt, _ = carrier(source, puller, copier=puller).carry(Job(SPLIT, b"h"), Worker())
        assert receipt.token == b"pulled"
        assert (source.log, puller.log) == ([], ["copy 1001"])

    def test_for_a_digest_the_source_is_read_afterwards(self) -> None:
        """Without holding the memory of the copy: there may be no more of it."""

        class Count:
            def __init__(self) -> None:
                self.rows = 0

            def update(self, item: pa.RecordBatch) -> None:
                self.rows += item.num_rows

            def text(self) -> str:
                return str(self.rows)

        source, puller = Numbers(), self.Puller()
        moving = carrier(source, puller, copier=puller, budget=MemoryBudget(10))
        assert moving.carry(Job(SPLIT, b"h", digest=Count), Worker())[1] == "5"

    def test_errors_of_that_reading_are_the_sources(self) -> None:
        class Digest:
            def update(self, item: object) -> None: ...

            def text(self) -> str:
                return ""

        puller = self.Puller()
        source = Numbers(fail=failing("item 2", KeyError(1)))
        with pytest.raises(DataError) as caught:
            carrier(source, puller, copier=puller).carry(Job(SPLIT, b"h", digest=Digest), Worker())
        assert caught.value.side == "source"

    def test_errors_and_retries(self) -> None:
        puller = self.Puller(fail=failing("copy", TransientError("x"), 2))
        carrier(Numbers(), puller, copier=puller).carry(Job(SPLIT, b"h"), Worker())
        assert puller.log == ["copy 1001", "copy 1002", "copy 1003"]
        puller = self.Puller(fail=failing("copy", KeyError(1)))
        with pytest.raises(AuthError) as caught:
            carrier(Numbers(), puller, copier=puller).carry(Job(SPLIT, b"h"), Worker())
        assert caught.value.side == "sink"
