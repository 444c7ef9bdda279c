"""Sizes and rates as texts; memory, bandwidth and buffers."""

from __future__ import annotations

import ctypes
import mmap
import threading
import time

import pytest

from crossdock import CancelledError, ConfigError
from crossdock.limits import BufferPool, MemoryBudget, NoThrottle, Throttle, parse_rate, parse_size


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("8MiB", 8 << 20),
            ("8 mib", 8 << 20),
            (" 100MB ", 100_000_000),
            ("1.5GiB", 3 << 29),
            ("64k", 64_000),
            ("64KiB", 65_536),
            ("2T", 2 * 10**12),
            ("17", 17),
            ("17B", 17),
            (17, 17),
            ("0.5KiB", 512),
        ],
    )
    def test_good(self, text: str | int, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "MiB", "8XiB", "-1", "1e6", "8 Mi B", "1,5GB", "8MiB/s", "∞"])
    def test_no_size(self, text: str) -> None:
        with pytest.raises(ConfigError, match="is not a size; write for example 8MiB"):
            parse_size(text)

    @pytest.mark.parametrize("text", ["0", "0MiB", "0.5", "0.0001KB", 0, -5])
    def test_too_small(self, text: str | int) -> None:
        with pytest.raises(ConfigError, match="at least one byte"):
            parse_size(text)

    @pytest.mark.parametrize("text", ["100MB/s", "100 MB/sec", "100MB", " 100MB/s ", 100_000_000])
    def test_rates(self, text: str | int) -> None:
        assert parse_rate(text) == 100_000_000

    def test_the_option_is_named(self) -> None:
        with pytest.raises(ConfigError, match=r"^--memory 'lots' is not a size"):
            parse_size("lots", "--memory")


class TestMemoryBudget:
    def test_what_fits_is_taken_at_once(self) -> None:
        budget, never = MemoryBudget(100), threading.Event()
        assert [budget.take(60, never), budget.take(40, never)] == [60, 40]

    def test_what_does_not_fit_waits(self) -> None:
        budget, never, taken = MemoryBudget(100), threading.Event(), threading.Event()
        budget.take(60, never)

        def second() -> None:
            budget.give(budget.take(50, never))
            taken.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert not taken.wait(0.1)
        budget.give(60)
        assert taken.wait(5)
        thread.join()

    def test_without_waiting_none_is_taken_that_does_not_fit(self) -> None:
        budget = MemoryBudget(100)
        assert [budget.try_take(amount) for amount in (60, 60, 40, 1)] == [60, None, 40, None]
        budget.give(100)
        assert budget.try_take(1_000) == 100

    def test_more_than_all_takes_all(self) -> None:
        """A split that is larger than the budget runs alone, instead of never."""
        budget, never = MemoryBudget(100), threading.Event()
        assert budget.take(1000, never) == 100
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(CancelledError):
            budget.take(1, cancelled)
        budget.give(100)
        assert budget.take(100, never) == 100

    def test_waiting_can_be_cancelled(self) -> None:
        budget, cancel = MemoryBudget(100), threading.Event()
        budget.take(100, cancel)
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(CancelledError):
            budget.take(1, cancel)

    def test_many_threads_never_hold_more(self) -> None:
        budget, never = MemoryBudget(10), threading.Event()
        held, most, mutex = 0, 0, threading.Lock()

        def work(amount: int) -> None:
            nonlocal held, most
            for _ in range(50):
                taken = budget.take(amount, never)
                with mutex:
                    held += taken
                    most = max(most, held)
                with mutex:
                    held -= taken
                budget.give(taken)

        threads = [threading.Thread(target=work, args=(amount,)) for amount in (1, 2, 3, 4, 5, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held == 0
        assert 1 < most <= 10


class TestThrottle:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        return now

    def test_delays_add_up_to_the_rate(self, clock: list[float]) -> None:
        throttle = Throttle(100)
        assert [throttle.delay(50) for _ in range(4)] == pytest.approx([0.4, 0.9, 1.4, 1.9])

    def test_a_burst_of_a_tenth_of_a_second_passes(self, clock: list[float]) -> None:
        throttle = Throttle(1000)
        assert throttle.delay(100) == 0
        assert throttle.delay(100) == pytest.approx(0.1)

    def test_time_that_passes_counts(self, clock: list[float]) -> None:
        throttle = Throttle(100)
        throttle.delay(100)
        clock[0] += 0.5
        assert throttle.delay(10) == pytest.approx(0.5)
        clock[0] += 100
        assert throttle.delay(10) == 0, "a long pause does not make a long burst"
        assert throttle.delay(100) == pytest.approx(1.0)

    def test_waiting_as_told_keeps_the_rate(self, clock: list[float]) -> None:
        throttle, sent = Throttle(1000), 0
        start = clock[0]
        while clock[0] < start + 10:
            clock[0] += throttle.delay(64)
            sent += 64
        assert sent == pytest.approx(10_000, rel=0.03)

    def test_all_threads_share_it(self) -> None:
        delays: list[float] = []
        throttle = Throttle(1_000_000)

        def work() -> None:
            delays.extend(throttle.delay(1000) for _ in range(100))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # 400 KB at 1 MB/s: the last has to wait for what is left of 0.4 s after the burst.
        assert 0.2 < max(delays) <= 0.4

    def test_none(self) -> None:
        throttle = NoThrottle()
        assert [throttle.delay(1 << 40) for _ in range(3)] == [0, 0, 0]


class TestBufferPool:
    def test_large_buffers_are_used_again(self) -> None:
        pool = BufferPool()
        with pool.borrow(1 << 20) as view:
            view[:4] = b"mine"
            first = view.obj
        with pool.borrow(1 << 20) as view:
            assert view.obj is first
            assert len(view) == 1 << 20

    def test_two_at_once_are_two(self) -> None:
        pool = BufferPool()
        with pool.borrow(1 << 20) as one, pool.borrow(1 << 20) as other:
            assert one.obj is not other.obj

    def test_large_buffers_begin_at_a_page(self) -> None:
        """Elsewhere the system copies a file into them three times as slowly."""
        with BufferPool().borrow((1 << 20) + 1) as view:
            assert ctypes.addressof(ctypes.c_char.from_buffer(view)) % mmap.PAGESIZE == 0

    def test_a_view_ends_with_its_block(self) -> None:
        with BufferPool().borrow(100) as view:
            pass
        with pytest.raises(ValueError, match="released"):
            view[0]

    def test_odd_sizes_do_not_pile_up(self) -> None:
        pool = BufferPool()
        for size in range(1 << 20, (1 << 20) + 200):
            with pool.borrow(size):
                pass
        assert len(pool._free) <= 8
        for size in range(1000):
            with pool.borrow(size):
                pass
        assert sum(len(kept) for kept in pool._free.values()) <= 8

    def test_it_is_given_back_after_an_error(self) -> None:
        pool, borrowed = BufferPool(), []

        def fail() -> None:
            with pool.borrow(1 << 20) as view:
                borrowed.append(view.obj)
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        with pool.borrow(1 << 20) as view:
            assert view.obj is borrowed[0]


def test_the_clock_is_the_real_one() -> None:
    """Delays are seconds of this machine's steady clock."""
    throttle = Throttle(1000)
    throttle.delay(300)
    time.sleep(0.05)
    assert 0.05 < throttle.delay(1) < 0.26
