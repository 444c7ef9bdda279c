"""What is digested of a split while it is carried."""

from __future__ import annotations

import pyarrow as pa
import pytest

from crossdock.digest import TableDigest, TableValue
from crossdock.digest_split import Carried, Digesting
from crossdock.errors import InternalError

SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string())])
ROWS = 200_000


def rows(start: int, stop: int) -> pa.RecordBatch:
    words = pa.array([f"word {number % 97}" for number in range(start, stop)])
    return pa.record_batch([pa.array(range(start, stop), pa.int64()), words], schema=SCHEMA)


ALL = rows(0, ROWS)


def value(stop: int) -> TableValue:
    digest = TableDigest(SCHEMA)
    digest.update(ALL[:stop])
    return digest.value


def carried(digesting: Digesting, batch: int) -> Carried:
    digest = digesting()
    for start in range(0, ROWS, batch):
        digest.update(ALL[start : start + batch])
    return Carried.parse(digest.text())


def test_rows_are_counted_where_no_values_are_compared() -> None:
    found = carried(Digesting(SCHEMA, 0.0), 1000)
    assert (found.rows, found.first) == (ROWS, None)


@pytest.mark.parametrize("batch", [100, 7777, 65_536])
@pytest.mark.parametrize("share", [1 / 16, 0.3, 0.99, 1.0])
def test_the_first_rows_make_the_share(batch: int, share: float) -> None:
    found = carried(Digesting(SCHEMA, share), batch)
    assert found.rows == ROWS
    assert found.first is not None
    assert share * ROWS <= found.first.rows <= min(ROWS, share * ROWS + 2 * 65_536)
    assert found.first == value(found.first.rows)


def test_rows_far_behind_the_share_are_not_digested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the length of the split is known, the digest costs a part of what all rows would."""
    digested: list[int] = []
    update = TableDigest.update

    def counting(self: TableDigest, batch: pa.RecordBatch) -> None:
        digested.append(batch.num_rows)
        update(self, batch)

    monkeypatch.setattr(TableDigest, "update", counting)
    found = carried(Digesting(SCHEMA, 1 / 16, ALL.nbytes), 4096)
    assert found.first is not None
    assert found.first.rows >= ROWS / 16
    assert sum(digested) <= ROWS / 3
    digested.clear()
    carried(Digesting(SCHEMA, 1.0, 1), 4096)
    assert sum(digested) == ROWS, "a whole split is digested, however small it was in its file"


def test_data_much_larger_in_memory_than_in_the_file() -> None:
    """Then fewer rows are compared than the share, and never none."""
    found = carried(Digesting(SCHEMA, 1 / 16, 100), 1000)
    assert found.first == value(1000)


def test_a_split_of_no_rows() -> None:
    digest = Digesting(SCHEMA, 1.0)()
    assert Carried.parse(digest.text()) == Carried(0, TableValue())


@pytest.mark.parametrize("text", ["", "rows1:1:" + "0" * 32, "part2:1:x"])
def test_a_text_of_another_version(text: str) -> None:
    with pytest.raises(InternalError, match="is not the digest of a sampled split"):
        Carried.parse(text)
