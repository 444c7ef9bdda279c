"""What writing costs: a block of 8 MiB into a file, a batch into Parquet, a batch into a table. CPU time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossdock import Attempt, Block, Location, Sink, Split, Target, Unit, UploadRequest, WriteMode
from crossdock.files.binary import FileTarget
from crossdock.files.tabular import FormatSink
from crossdock_connectors.formats import parquet
from crossdock_connectors.stores.file_store import FileStore
from crossdock_connectors.tables import sqlite

ROWS, BLOCK = 65_536, 8 << 20
BATCH = pa.record_batch(
    {
        "n": pa.array(range(ROWS), pa.int64()),
        "f": pa.array([n / 3 for n in range(ROWS)]),
        "t": pa.array([f"row {n}" for n in range(ROWS)]),
    }
)


@pytest.mark.benchmark(timer=time.process_time)
def test_block_of_8_mib(benchmark: Any, tmp_path: Path) -> None:
    store, data = FileStore(str(tmp_path)), memoryview(os.urandom(BLOCK))
    upload = store.open_upload("a", UploadRequest("run", size=BLOCK))
    benchmark.pedantic(
        store.write_block, (upload, Block(0, 1, 0, 0, BLOCK, 0), data), rounds=15, warmup_rounds=2
    )
    store.commit(upload, [Block(0, 1, 0, 0, BLOCK, 0)])
    assert (tmp_path / "a").stat().st_size == BLOCK


def _parquet(folder: Path) -> Sink[Any]:
    assert parquet.SPEC.open_format is not None
    store = FileStore(str(folder))
    return FormatSink(
        store, parquet.SPEC.open_format(parquet.SPEC.config()), FileTarget(store, "here", "a.parquet")
    )


def _sqlite(folder: Path) -> Sink[Any]:
    assert sqlite.SPEC.open_sink is not None
    return sqlite.SPEC.open_sink(sqlite.SPEC.config(), Location.parse(f"sqlite:///{folder}/a.db#t"))


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("made", [_parquet, _sqlite], ids=["parquet", "sqlite"])
def test_batch_of_65536_rows(benchmark: Any, tmp_path: Path, made: Callable[[Path], Sink[Any]]) -> None:
    sink = made(tmp_path)
    begun = sink.begin(Unit("t"), Target(WriteMode.ERROR, BATCH.schema), "run")
    numbers = iter(range(1001, 10**6))

    def write() -> int | None:
        writer = sink.writer(begun.handle, Split("t", 0, b""), Attempt("run", next(numbers)))
        writer.write(BATCH)
        return writer.finish().rows

    assert benchmark.pedantic(write, rounds=10, warmup_rounds=1) == ROWS
    sink.cleanup(begun.handle)
    sink.close()
