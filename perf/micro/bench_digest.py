"""What the digests of ``--verify`` cost, per column type and per row (``--benchmark-only``).

The table resembles TPC-H lineitem: 4 integers, 4 decimals, 3 dates, 4 strings of few values, 1 comment.
One round is ``ROWS`` rows in batches of 65,536, as the Parquet reader gives them.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossdock.digest import TableDigest
from crossdock.digest_range import ByteDigest

ROWS, BATCH = 4 * 65_536, 65_536
_RNG = np.random.default_rng(1)
_WORDS = np.array(["furiously", "ironic", "deposits", "the", "sleep", "carefully", "about", "pinto"])


def _integers(low: int, high: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(_RNG.integers(low, high, ROWS), kind)


def _pick(*values: str) -> pa.Array:
    return pa.array(values).take(_integers(0, len(values)))


def _decimals(high: int) -> pa.Array:
    words = np.zeros(2 * ROWS, np.int64)
    words[::2] = _RNG.integers(0, high, ROWS)
    return pa.Array.from_buffers(pa.decimal128(15, 2), ROWS, [None, pa.py_buffer(words)])


def _text(words: int) -> pa.Array:
    picks = _WORDS[_RNG.integers(0, len(_WORDS), (ROWS, words))]
    return pa.array([" ".join(row[: 1 + i % words]) for i, row in enumerate(picks)])


def _lists() -> pa.Array:
    lengths = _RNG.integers(0, 5, ROWS)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(bounds, pa.array(_RNG.integers(0, 9, bounds[-1])))


COLUMNS = {
    "int64": _integers(0, 2**40),
    "int32": _integers(0, 2**30, pa.int32()),
    "int64 with nulls": pa.array(_RNG.integers(0, 9, ROWS), mask=_RNG.random(ROWS) < 0.2),
    "bool": pa.array(_RNG.random(ROWS) < 0.5),
    "double": pa.array(_RNG.random(ROWS)),
    "decimal128": _decimals(10**7),
    "date32": _integers(8000, 10000, pa.int32()).cast(pa.date32()),
    "timestamp us": _integers(0, 2**50).cast(pa.timestamp("us")),
    "string 1": _pick("A", "N", "R"),
    "string 3-7": _pick("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"),
    "string 4-17": _pick("COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"),
    "string 3-40": _text(5),
    "string 3-150": _text(20),
    "string 1000": _pick("a" * 1000, "b" * 1000),
    "dictionary": _pick("AIR", "FOB", "MAIL").dictionary_encode(),
    "list of int64": _lists(),
}


def _lineitem() -> pa.Table:
    names = ["int64"] * 4 + ["decimal128"] * 4 + ["date32"] * 3
    names += ["string 1", "string 1", "string 3-7", "string 4-17", "string 3-40"]
    return pa.table([COLUMNS[name] for name in names], names=[f"c{i}" for i in range(len(names))])


def _digest(batches: list[pa.RecordBatch]) -> str:
    digest = TableDigest(batches[0].schema)
    for batch in batches:
        digest.update(batch)
    return str(digest.value)


def _bench(benchmark: Any, table: pa.Table) -> str:
    batches = table.to_batches(BATCH)
    found: str = benchmark(_digest, batches)
    benchmark.extra_info["ns_per_row"] = round(benchmark.stats["min"] / ROWS * 1e9, 1)
    assert found.startswith(f"rows1:{ROWS}:")
    return found


@pytest.mark.parametrize("name", COLUMNS)
def test_one_column(benchmark: Any, name: str) -> None:
    _bench(benchmark, pa.table([COLUMNS[name]], names=["c"]))


@pytest.mark.parametrize("layout", ["plain", "dictionary"])
def test_lineitem(benchmark: Any, layout: str) -> None:
    table = _lineitem()
    if layout == "dictionary":
        for place in range(11, 15):
            table = table.set_column(place, f"c{place}", table.column(place).dictionary_encode())
    assert _bench(benchmark, table) == _digest(_lineitem().to_batches(BATCH))


@pytest.fixture(params=["snappy", "lz4"])
def parquet(request: pytest.FixtureRequest) -> bytes:
    out = io.BytesIO()
    pq.write_table(
        _lineitem(), out, row_group_size=122_880, compression=request.param, store_decimal_as_integer=True
    )
    return out.getvalue()


@pytest.mark.parametrize("digest", [False, True], ids=["decode", "decode and digest"])
@pytest.mark.parametrize("dictionaries", [False, True], ids=["plain", "dictionaries"])
def test_read_back(benchmark: Any, parquet: bytes, dictionaries: bool, digest: bool) -> None:
    columns = [f"c{place}" for place in range(11, 15)] if dictionaries else None

    def read() -> int:
        file = pq.ParquetFile(pa.BufferReader(parquet), read_dictionary=columns)
        table, rows = TableDigest(file.schema_arrow), 0
        for batch in file.iter_batches(BATCH, use_threads=False):
            rows += batch.num_rows
            if digest:
                table.update(batch)
        return rows

    assert benchmark(read) == ROWS
    benchmark.extra_info["ns_per_row"] = round(benchmark.stats["min"] / ROWS * 1e9, 1)


def test_bytes(benchmark: Any) -> None:
    block = memoryview(_RNG.bytes(8 << 20))

    def digest() -> int:
        state = ByteDigest()
        state.update(block)
        return state.value

    assert benchmark(digest)
