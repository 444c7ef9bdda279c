"""What the engine itself costs: an item carried, memory reserved, a small unit journaled. CPU time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossdock import (
    Attempt,
    Begun,
    InternalError,
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
from crossdock.carry import Carrier, Job
from crossdock.journal import Journal
from crossdock.journal_rows import UnitState
from crossdock.limits import MemoryBudget, NoThrottle
from crossdock.meter import Worker

ITEMS, UNITS = 10_000, 1_000
BATCH = pa.record_batch({"n": pa.array([1], pa.int64())})
SPLIT = Split("t", 0, b"token")


class Ready(Source[pa.RecordBatch]):
    """The same batch again and again."""

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        yield UnitPage((Unit("t"),))

    def schema(self, unit: Unit) -> pa.Schema:
        return BATCH.schema

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        yield SPLIT

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        yield (BATCH for _ in range(ITEMS))


class Nowhere(Sink[pa.RecordBatch], Writer[pa.RecordBatch]):
    """Counts and keeps nothing."""

    rows = 0

    def check(self, unit: Unit, target: Target) -> None: ...

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        return Begun(b"")

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        self.rows = 0
        return self

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None: ...

    def cleanup(self, handle: bytes) -> None: ...

    def write(self, item: pa.RecordBatch) -> None:
        self.rows += item.num_rows

    def finish(self) -> Receipt:
        return Receipt(b"", self.rows, 0, self.rows)

    def abort(self) -> None: ...


def _classify(error: BaseException) -> InternalError | None:
    return None


@pytest.mark.benchmark(timer=time.process_time)
def test_carry_10000_items(benchmark: Any) -> None:
    carrier = Carrier(
        Ready(), Nowhere(), source_classify=_classify, sink_classify=_classify, budget=MemoryBudget(1 << 30),
        throttle=NoThrottle(), cancel=threading.Event(), run_id="r", epoch=1,
    )  # fmt: skip
    receipt, _ = benchmark.pedantic(carrier.carry, (Job(SPLIT, b""), Worker()), rounds=15, warmup_rounds=2)
    assert receipt.rows == ITEMS


@pytest.mark.benchmark(timer=time.process_time)
def test_budget_10000_times(benchmark: Any) -> None:
    budget, cancel = MemoryBudget(1 << 30), threading.Event()

    def reserve() -> None:
        for _ in range(ITEMS):
            budget.give(budget.take(8 << 20, cancel))

    benchmark.pedantic(reserve, rounds=15, warmup_rounds=2)
    assert budget.try_take(1 << 30) == 1 << 30


@pytest.mark.benchmark(timer=time.process_time)
def test_journal_1000_units_of_one_split(benchmark: Any, tmp_path: Path) -> None:
    """Listed, begun, done: in groups of 32, as small files are."""
    units = [Unit(f"{n:06d}", 10) for n in range(UNITS)]
    splits = [Split(unit.name, 0, b"") for unit in units]
    files = iter(range(10**6))

    def record() -> int:
        with closing(Journal.create(tmp_path / f"{next(files)}.db", state="running")) as journal:
            journal.add_units(units, None)
            for at in range(0, UNITS, 32):
                group = range(at, min(at + 32, UNITS))
                journal.begin([(n + 1, Begun(b"handle"), [splits[n]]) for n in group])
                journal.add_receipts([(n + 1, splits[n], Receipt(b"r", 1, 10, 1), "") for n in group])
                journal.set_state([n + 1 for n in group], UnitState.DONE)
            return journal.totals().splits_done

    assert benchmark.pedantic(record, rounds=7, warmup_rounds=1) == UNITS
