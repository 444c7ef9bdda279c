"""A mapping with conversions against the casts of Arrow that come nearest: CPU time of a million rows."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crossdock import ColumnMapping, MappedColumn
from crossdock.mapping import compile_mapping

ROWS, BATCH = 1_000_000, 65_536
DAYS = pa.array(range(ROWS), pa.int64())


def _texts() -> dict[str, pa.Array]:
    moments = pc.cast(pc.multiply(pc.add(DAYS, 1_500_000), 997_000_000), pa.timestamp("us"))
    return {
        "int64": pc.cast(pc.multiply(DAYS, 7919), pa.string()),
        "float64": pc.cast(pc.divide(pc.cast(DAYS, pa.float64()), 8), pa.string()),
        "decimal(18,3)": pc.cast(pc.cast(DAYS, pa.decimal128(22, 3)), pa.string()),
        "timestamp": pc.strftime(pc.cast(moments, pa.timestamp("s")), "%Y-%m-%d %H:%M:%S"),
    }


TEXTS = _texts()
MOMENTS = pc.cast(TEXTS["timestamp"], pa.timestamp("us"))
CASTS = {
    "int64": pa.int64(), "float64": pa.float64(), "decimal(18,3)": pa.decimal128(18, 3),
    "timestamp": pa.timestamp("us"),
}  # fmt: skip
BY_FORMAT = pc.strftime(pc.cast(MOMENTS, pa.timestamp("s")), "%d/%m/%Y %H:%M:%S")
NAMED = pc.strftime(pc.cast(MOMENTS, pa.timestamp("s")), "%d %b %Y %H:%M:%S")
CASES: dict[str, tuple[pa.Array, MappedColumn, Any]] = {
    **{kind: (TEXTS[kind], MappedColumn(("b",), "a", type=kind), CASTS[kind]) for kind in TEXTS},
    "dd/MM/yyyy HH:mm:ss": (
        BY_FORMAT, MappedColumn(("b",), "a", type="timestamp", format="dd/MM/yyyy HH:mm:ss"),
        lambda column: pc.strptime(column, "%d/%m/%Y %H:%M:%S", "us"),
    ),
    "dd MMM yyyy HH:mm:ss": (
        NAMED, MappedColumn(("b",), "a", type="timestamp", format="dd MMM yyyy HH:mm:ss"),
        lambda column: pc.strptime(column, "%d %b %Y %H:%M:%S", "us"),
    ),
    "to dd/MM/yyyy HH:mm": (
        MOMENTS, MappedColumn(("b",), "a", type="string", format="dd/MM/yyyy HH:mm"),
        lambda column: pc.strftime(column, "%d/%m/%Y %H:%M"),
    ),
    "renamed": (TEXTS["int64"], MappedColumn(("b",), "a"), lambda column: column),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("how", ["mapping", "arrow"])
def test_mapping(benchmark: Any, case: str, how: str) -> None:
    column, mapped, cast = CASES[case]
    batches = pa.table({"a": column}).to_batches(BATCH)
    _, apply = compile_mapping(batches[0].schema, ColumnMapping((mapped,)), "t")
    assert apply is not None

    def bare(batch: pa.RecordBatch) -> None:
        cast(batch.column(0)) if callable(cast) else pc.cast(batch.column(0), cast)

    work = apply if how == "mapping" else bare

    def carry() -> None:
        for batch in batches:
            work(batch)

    benchmark._timer = time.process_time
    benchmark.pedantic(carry, rounds=5, warmup_rounds=1)
