"""What a run may use: memory and bandwidth; a limit that is not set has a Null twin."""

from __future__ import annotations

import mmap
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import CancelledError, ConfigError

_UNITS = {"": 1, "B": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {f"{k}B": v for k, v in _UNITS.items() if k not in ("", "B")}
_UNITS |= {"KIB": 1024, "MIB": 1024**2, "GIB": 1024**3, "TIB": 1024**4}


def parse_size(text: str | int, option: str = "") -> int:
    """``"8MiB"`` -> 8388608; ``"100MB"`` -> 100000000; a bare number is bytes. Raises ConfigError."""
    if isinstance(text, int):
        value: float = text
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
        if not match or match[2].upper() not in _UNITS:
            raise ConfigError(
                f"{option} {text!r} is not a size; write for example 8MiB, 100MB or 1.5GiB".strip()
            )
        value = float(match[1]) * _UNITS[match[2].upper()]
    if value < 1:
        raise ConfigError(f"{option} {text!r} is too small; it must be at least one byte".strip())
    return int(value)


def parse_rate(text: str | int, option: str = "") -> int:
    """``"100MB/s"`` -> bytes per second; the ``/s`` may be left out. Raises ConfigError."""
    return parse_size(text if isinstance(text, int) else re.sub(r"/s(ec)?$", "", text.strip()), option)


_POOLED = 1 << 20  # bytes; smaller buffers are made faster than they are shared


def aligned(size: int) -> mmap.mmap:
    """Memory of its own that begins at a page.

    Python's buffers begin 16 bytes behind one, and there the system copies a file into them three times as
    slowly (0.5 instead of 0.15 CPU seconds per GiB on an AMD EPYC of the first generation).
    """
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)


class MemoryBudget:
    """Bytes that all workers together may hold; reserved before the source is opened."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    def take(self, amount: int, cancel: threading.Event) -> int:
        """Wait until ``amount`` is free and take it; returns what to give back.

        More than the whole budget waits for all of it: such splits run one at a time.
        """
        amount = min(amount, self.total)
        with self._changed:
            while self._free < amount:
                if cancel.is_set():
                    raise CancelledError()
                self._changed.wait(0.2)
            self._free -= amount
        return amount

    def try_take(self, amount: int) -> int | None:
        """As ``take``, without waiting: None where that would be needed."""
        amount = min(amount, self.total)
        with self._changed:
            if self._free < amount:
                return None
            self._free -= amount
        return amount

    def give(self, amount: int) -> None:
        with self._changed:
            self._free += amount
            self._changed.notify_all()


class Throttle:
    """At most ``rate`` bytes a second over all workers; short bursts of a tenth of a second pass."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._due = 0.0

    def delay(self, amount: int) -> float:
        """Book ``amount`` bytes; returns the seconds to wait before they may be used."""
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now - 0.1) + amount / self.rate
            return max(0.0, self._due - now)


class NoThrottle(Throttle):
    """Never waits."""

    def __init__(self) -> None:
        super().__init__(1)

    def delay(self, amount: int) -> float:
        return 0.0


class BufferPool:
    """Reused buffers of one size: a new 8 MiB buffer costs 2,000 page faults each time."""

    def __init__(self) -> None:
        self._free: dict[int, list[mmap.mmap]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, size: int) -> Iterator[memoryview]:
        """A buffer of exactly ``size`` bytes with undefined content, until the block ends."""
        if size < _POOLED:
            with memoryview(bytearray(size)) as view:
                yield view
            return
        with self._lock:
            free = self._free.get(size)
            buffer = free.pop() if free else None
        if buffer is None:
            buffer = aligned(size)
        view = memoryview(buffer)
        try:
            yield view
        finally:
            view.release()
            with self._lock:
                kept = self._free.setdefault(size, [])
                # Odd sizes (last blocks) come once each: keep only what comes again.
                if len(kept) < 64 and (kept or len(self._free) < 8):
                    kept.append(buffer)
                elif not kept:
                    del self._free[size]


BUFFERS = BufferPool()
