"""Rows that a mapping does not take: found at once, and the same ones that halving finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.mapping import Apply, ColumnMapping, MappedColumn, compile_mapping
from crossdock.spi import RowSkips, fitted

TEXTS = ("1", "-7", "1.5", "x", "", "2024-01-31", "2024-02-30", "31/01/2024", "true", "maybe", "99999999999")
KINDS = ("int32", "float64", "date", "timestamp", "bool", "decimal(6,2)")


class Told(RowSkips):
    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    def rows(self, batch: pa.RecordBatch, reasons: Mapping[int, str]) -> pa.RecordBatch:
        self.reasons = dict(reasons)
        return batch.filter(pa.array([at not in reasons for at in range(batch.num_rows)]))

    def texts(self, lines: Sequence[str], reasons: Sequence[str]) -> None:
        raise NotImplementedError


def _applied(apply: Apply, batch: pa.RecordBatch) -> pa.RecordBatch:
    return apply(batch)


def both(apply: Apply, batch: pa.RecordBatch) -> tuple[Told, Told, list[pa.RecordBatch]]:
    """With what the mapping says of itself, and by halving."""
    quick, slow = Told(), Told()
    made = [fitted(batch, apply, quick)[1], fitted(batch, partial(_applied, apply), slow)[1]]
    return quick, slow, made


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.lists(st.sampled_from([*TEXTS, None]), min_size=6, max_size=6), max_size=12))
def test_each_row_has_the_reason_that_it_has_alone(rows: list[list[str | None]]) -> None:
    schema = pa.schema([(f"c{at}", pa.string()) for at in range(6)])
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(6)]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    mapped = [MappedColumn((f"c{at}",), source=f"c{at}", type=kind) for at, kind in enumerate(KINDS)]
    _, apply = compile_mapping(schema, ColumnMapping(tuple(mapped)), "the file")
    assert apply is not None
    quick, slow, made = both(apply, batch)
    assert list(quick.reasons.items()) == list(slow.reasons.items())
    assert made[0].equals(made[1])


def test_a_row_whose_list_has_an_item_that_does_not_fit() -> None:
    lists = pa.array([[{"v": "1"}, {"v": "x"}, {"v": "y"}], [{"v": "2"}], [], [{"v": "z"}]])
    batch = pa.RecordBatch.from_arrays([pa.array(["1", "b", "3", "c"]), lists], ["id", "items"])
    columns = (
        MappedColumn(("v",), path="['v']", type="int64"),
        MappedColumn(("id",), path="$['id']", type="int64"),
    )
    _, apply = compile_mapping(batch.schema, ColumnMapping(columns, unfold="$['items']"), "the file")
    assert apply is not None
    quick, slow, made = both(apply, batch)
    assert list(quick.reasons.items()) == list(slow.reasons.items())
    assert {row: text.split("'")[3] for row, text in quick.reasons.items()} == {0: "x", 1: "b", 3: "z"}
    assert made[0].equals(made[1])


@pytest.mark.parametrize("bad", [0, 1, 20_000])
def test_a_batch_is_converted_three_times_at_most(bad: int) -> None:
    texts = ["x" if at < bad else str(at) for at in range(30_000)]
    batch = pa.RecordBatch.from_arrays([pa.array(texts)], ["a"])
    _, apply = compile_mapping(
        batch.schema, ColumnMapping((MappedColumn(("a",), source="a", type="int64"),)), "the file"
    )
    assert apply is not None
    output = apply._outputs[0]  # type: ignore[attr-defined]
    calls: list[int] = []
    convert = output.convert

    def counted(values: pa.Array) -> pa.Array:
        calls.append(len(values))
        return convert(values)

    object.__setattr__(output, "convert", counted)
    told = Told()
    assert fitted(batch, apply, told)[1].num_rows == 30_000 - bad
    assert (len(told.reasons), len(calls)) == (bad, 3 if bad else 1)
