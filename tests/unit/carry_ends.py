"""A source and a sink in memory that fail on request, and a carrier between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from crossdock import (
    Attempt,
    AuthError,
    Begun,
    DataError,
    PlanHint,
    Receipt,
    Sink,
    Source,
    Split,
    Target,
    Unit,
    UnitPage,
    Writer,
)
from crossdock.carry import Carrier
from crossdock.limits import MemoryBudget, NoThrottle

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
