"""The path of one item: order, errors, retries, limits, digests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from crossdock import (
    Attempt,
    AuthError,
    Begun,
    CancelledError,
    Copier,
    CrossdockError,
    DataError,
    InternalError,
    PlanHint,
    Receipt,
    Sink,
    Source,
    Split,
    Target,
    ThrottledError,
    TransientError,
    Unit,
    UnitPage,
    Writer,
)
from crossdock import carry as carrying
from crossdock.carry import ATTEMPTS, Carrier, Job, Worker, classified, read_ahead
from crossdock.limits import MemoryBudget, NoThrottle, Throttle

SPLIT = Split("t", 3, b"token")
Fail = Callable[[str], None]


def calm(where: str) -> None:
    """Nothing fails."""


@dataclass
class Numbers(Source[pa.RecordBatch]):
    """Batches of one number each; ``fail`` is asked at every step."""

    count: int = 5
    fail: Fail = calm
    log: list[str] = field(default_factory=list)

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        yield UnitPage((Unit("t"),))

    def schema(self, unit: Unit) -> pa.Schema:
        return pa.schema([("n", pa.int64())])

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        yield SPLIT

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        self.log.append("open")
        self.fail("open")
        try:
            yield self._items()
        finally:
            self.log.append("close")
        self.fail("close")

    def _items(self) -> Iterator[pa.RecordBatch]:
        for number in range(self.count):
            self.fail(f"item {number}")
            self.log.append(f"item {number}")
            yield pa.record_batch([pa.array([number], pa.int64())], ["n"])


@dataclass
class Shelf(Sink[pa.RecordBatch]):
    """Keeps what finished attempts wrote."""

    fail: Fail = calm
    log: list[str] = field(default_factory=list)
    kept: dict[int, list[Any]] = field(default_factory=dict)
    consume: str = ""

    def check(self, unit: Unit, target: Target) -> None: ...

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        return Begun(b"handle")

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        self.log.append(f"writer {attempt.number}")
        self.fail("writer")
        return _ShelfWriter(self, attempt.number)

    def commit(self, handle: bytes, receipts: object) -> None: ...

    def cleanup(self, handle: bytes) -> None: ...


class _ShelfWriter(Writer[pa.RecordBatch]):
    def __init__(self, shelf: Shelf, attempt: int) -> None:
        self.shelf, self.attempt = shelf, attempt
        self.rows: list[Any] = []

    def write(self, item: pa.RecordBatch) -> None:
        self.shelf.log.append("write")
        self.shelf.fail("write")
        self.rows += item.column(0).to_pylist()

    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        match self.shelf.consume:
            case "stop":
                self.write(next(items))
            case "swallow":
                try:
                    super().consume(items)
                except Exception:  # noqa: BLE001 - the fault to be found
                    return
            case "wrap":
                try:
                    super().consume(items)
                except Exception as error:  # noqa: BLE001 - as C++ loaders do
                    raise OSError(f"stream: {error}") from None
            case _:
                super().consume(items)

    def finish(self) -> Receipt:
        self.shelf.fail("finish")
        self.shelf.kept[self.attempt] = self.rows
        return Receipt(b"r%d" % self.attempt, len(self.rows), 8 * len(self.rows), len(self.rows))

    def abort(self) -> None:
        self.shelf.log.append("abort")
        self.shelf.fail("abort")


def carrier(source: Numbers, sink: Shelf, **more: Any) -> Carrier:
    facts: dict[str, Any] = {
        "source_classify": lambda error: DataError("of the source") if isinstance(error, KeyError) else None,
        "sink_classify": lambda error: AuthError("of the sink") if isinstance(error, KeyError) else None,
        "budget": MemoryBudget(1 << 30),
        "throttle": NoThrottle(),
        "cancel": threading.Event(),
        "run_id": "r",
        "epoch": 1,
    }
    return Carrier(source, sink, **facts | more)


def failing(where: str, error: BaseException, times: int = 10**9) -> Fail:
    left = [times]

    def fail(here: str) -> None:
        if here == where and left[0]:
            left[0] -= 1
            raise error

    return fail


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "FIRST_WAIT", 0.001)


class TestItems:
    def test_each_is_written_before_the_next_is_read(self) -> None:
        """No queue in between: an item is valid until the next one is asked for."""
        log: list[str] = []
        receipt, digest = carrier(Numbers(3, log=log), Shelf(log=log)).carry(Job(SPLIT, b"h"), Worker())
        assert log == [
            "writer 1001",
            "open",
            "item 0",
            "write",
            "item 1",
            "write",
            "item 2",
            "write",
            "close",
        ]
        assert (receipt, digest) == (Receipt(b"r1001", 3, 24, 3), "")

    def test_no_items(self) -> None:
        shelf = Shelf()
        receipt, _ = carrier(Numbers(0), shelf).carry(Job(SPLIT, b"h"), Worker())
        assert (receipt.rows, shelf.kept) == (0, {1001: []})

    def test_mapping_comes_before_digest_and_sink(self) -> None:
        class Digest:
            seen: list[Any]

            def __init__(self) -> None:
                self.seen = []

            def update(self, item: Any) -> None:
                self.seen += item.column(0).to_pylist()

            def text(self) -> str:
                return str(self.seen)

        shelf = Shelf()

        def double(batch: pa.RecordBatch) -> pa.RecordBatch:
            return pa.record_batch([pa.array([2 * n for n in batch.column(0).to_pylist()])], ["n"])

        job = Job(SPLIT, b"h", double, digest=Digest)
        _, digest = carrier(Numbers(3), shelf).carry(job, Worker())
        assert (shelf.kept, digest) == ({1001: [0, 2, 4]}, "[0, 2, 4]")

    def test_the_worker_says_what_it_waits_for(self) -> None:
        worker, seen = Worker(), []
        carrier(
            Numbers(2, fail=lambda where: seen.append((where, worker.state))),
            Shelf(fail=lambda where: seen.append((where, worker.state))),
        ).carry(Job(SPLIT, b"h"), worker)
        states = dict(seen)
        assert states["item 0"] == states["item 1"] == "source"
        assert states["write"] == states["finish"] == "sink"
        assert worker.seconds["source"] > 0
        assert worker.seconds["sink"] > 0

    def test_what_is_in_flight(self) -> None:
        worker, seen = Worker(), []
        shelf = Shelf(fail=lambda where: seen.append((worker.in_flight, worker.rows_in_flight)))
        carrier(Numbers(3), shelf).carry(Job(SPLIT, b"h"), worker)
        assert seen[1:4] == [(8, 1), (16, 2), (24, 3)]
        assert (worker.in_flight, worker.rows_in_flight) == (0, 0)


class TestReadAhead:
    def test_the_same_rows_in_order(self) -> None:
        shelf = Shelf()
        carrier(Numbers(100), shelf).carry(Job(SPLIT, b"h", read_ahead=True), Worker())
        assert shelf.kept == {1001: list(range(100))}

    def test_not_far_ahead(self) -> None:
        read: list[int] = []

        def items() -> Iterator[int]:
            for number in range(100):
                read.append(number)
                yield number

        with read_ahead(items()) as ahead:
            for number in ahead:
                assert len(read) <= number + 5

    @pytest.mark.parametrize("where", ["item 0", "item 3", "open", "close"])
    def test_errors_of_the_source_are_its_own(self, where: str) -> None:
        source = Numbers(fail=failing(where, KeyError(1)))
        with pytest.raises(DataError) as caught:
            carrier(source, Shelf()).carry(Job(SPLIT, b"h", read_ahead=True), Worker())
        assert caught.value.side == "source"

    def test_a_sink_that_fails_ends_the_thread(self) -> None:
        source = Numbers(10_000)
        with pytest.raises(AuthError):
            carrier(source, Shelf(fail=failing("write", KeyError(1)))).carry(
                Job(SPLIT, b"h", read_ahead=True), Worker()
            )
        assert not [t for t in threading.enumerate() if t.name == "crossdock-read-ahead"]
        assert source.log[-1] == "close"
        assert len(source.log) < 20


class TestBlame:
    @pytest.mark.parametrize("where", ["open", "item 0", "item 4", "close"])
    @pytest.mark.parametrize("consume", ["", "wrap", "swallow"])
    def test_the_source(self, where: str, consume: str) -> None:
        """Also when a bulk loader wraps or swallows what its input raises."""
        shelf = Shelf(consume=consume)
        with pytest.raises(DataError, match="of the source") as caught:
            carrier(Numbers(fail=failing(where, KeyError(1))), shelf).carry(Job(SPLIT, b"h"), Worker())
        assert caught.value.side == "source"
        assert isinstance(caught.value.__cause__, KeyError), "its own exception is the cause"
        assert shelf.kept == {}
        assert shelf.log.count("abort") == 1

    @pytest.mark.parametrize("where", ["writer", "write", "finish"])
    def test_the_sink(self, where: str) -> None:
        shelf = Shelf(fail=failing(where, KeyError(1)))
        source = Numbers()
        with pytest.raises(AuthError, match="of the sink") as caught:
            carrier(source, shelf).carry(Job(SPLIT, b"h"), Worker())
        assert caught.value.side == "sink"
        assert shelf.log.count("abort") == (where != "writer")
        assert source.log[-1:] == ([] if where == "writer" else ["close"]), "the source is let go of"

    def test_a_loader_that_stops_early(self) -> None:
        shelf = Shelf(consume="stop")
        with pytest.raises(InternalError, match="stopped before the end of its input"):
            carrier(Numbers(), shelf).carry(Job(SPLIT, b"h"), Worker())
        assert shelf.kept == {}

    def test_unknown_errors_are_internal(self) -> None:
        error = classified(ZeroDivisionError("first line\nsecond"), lambda _: None, "source")
        assert isinstance(error, InternalError)
        assert error.message == "the source failed unexpectedly: ZeroDivisionError: first line"
        assert "second" in error.detail

    def test_errors_without_a_message(self) -> None:
        assert classified(ValueError(), lambda _: None, "sink").message.endswith("ValueError: no message")

    def test_known_errors_pass_and_keep_their_side(self) -> None:
        error = DataError("x")
        assert classified(error, lambda _: None, "source") is error
        assert classified(error, lambda _: None, "sink").side == "source"

    def test_an_abort_that_raises(self) -> None:
        def fail(where: str) -> None:
            if where in ("write", "abort"):
                raise KeyError(where)

        with pytest.raises(AuthError) as caught:
            carrier(Numbers(), Shelf(fail=fail)).carry(Job(SPLIT, b"h"), Worker())
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.__cause__.args == ("write",)


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

    def test_not_for_ever(self) -> None:
        source, worker = Numbers(fail=failing("open", ThrottledError("busy"))), Worker()
        with pytest.raises(ThrottledError):
            carrier(source, Shelf()).carry(Job(SPLIT, b"h"), worker)
        assert source.log.count("open") == ATTEMPTS
        assert (worker.retries, worker.throttled) == (ATTEMPTS - 1, ATTEMPTS - 1)

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

        monkeypatch.setattr(carrying, "FIRST_WAIT", 1.0)
        source = Numbers(fail=failing("open", TransientError("x")))
        with pytest.raises(TransientError):
            carrier(source, Shelf(), cancel=Cancel()).carry(Job(SPLIT, b"h"), Worker())
        for wait, longest in zip(waits, (1, 2, 4, 8), strict=True):
            assert longest / 2 <= wait <= longest

        waits.clear()
        source = Numbers(fail=failing("open", TransientError("x", retry_after=33.0), 1))
        carrier(source, Shelf(), cancel=Cancel()).carry(Job(SPLIT, b"h"), Worker())
        assert waits[0] == 33.0

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
