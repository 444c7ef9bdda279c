"""The path of one item: order, reading ahead, who is blamed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from carry_ends import SPLIT, Numbers, Shelf, carrier, failing

from crossdock import (
    AuthError,
    DataError,
    InternalError,
    Receipt,
    retry,
)
from crossdock.carry import Job
from crossdock.classify import classified
from crossdock.meter import Worker
from crossdock.read_ahead import read_ahead


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)


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
        assert states["open"] == states["item 0"] == states["item 1"] == "source"
        assert states["writer"] == states["write"] == states["finish"] == "sink"
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
