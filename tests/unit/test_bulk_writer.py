"""The writer around a loader that pulls batches, and the name that a unit gives a table."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from crossdock import BulkWriter, Receipt, Unit


class Loads(BulkWriter):
    """Keeps what each load brought, as lists of values."""

    most_pending = 1_000

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[list[int]] = []

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        self.loads.append([])
        for item in self.converted(items, lambda batch: batch):
            self.loads[-1] += item.column(0).to_pylist()

    def finish(self) -> Receipt:
        self.flush()
        return self.receipt(b"token")

    def abort(self) -> None:
        self.forget()


def batch(*values: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(values, pa.int64())})


def test_pushed_batches_wait_until_they_are_worth_a_load() -> None:
    writer = Loads()
    for start in range(0, 300, 50):
        writer.write(batch(*range(start, start + 50)))
    assert [len(load) for load in writer.loads] == [150, 150]
    writer.write(batch(300))
    receipt = writer.finish()
    assert [value for load in writer.loads for value in load] == list(range(301))
    assert receipt == Receipt(b"token", 7, 301 * 8, 301)


def test_what_waits_is_loaded_before_what_is_pulled() -> None:
    writer = Loads()
    writer.write(batch(1))
    writer.consume(iter([batch(2), batch(3)]))
    assert writer.loads == [[1], [2, 3]]


def test_an_abort_lets_go_of_what_waits() -> None:
    writer = Loads()
    writer.write(batch(1))
    writer.abort()
    assert writer.finish().rows == 0
    assert writer.loads == []


def test_the_failure_of_the_input_is_kept() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(1)
        raise OSError("the source is gone")

    writer = Loads()
    with pytest.raises(OSError, match="the source is gone"):
        writer.consume(broken())
    assert isinstance(writer.failure, OSError)
    writer.consume(iter([batch(2)]))
    assert writer.failure is None


@pytest.mark.parametrize(
    ("unit", "table"),
    [
        ("flights", "flights"),
        ("data/2024/flights.csv", "flights"),
        ("flights.CSV.gz", "flights"),
        ("sales.q1", "sales.q1"),
        ("a/b", "a/b"),
    ],
)
def test_the_name_of_a_table(unit: str, table: str) -> None:
    assert Unit(unit).table_name == table
