"""The peers as commands: ``python -m perf.peers NAME SOURCE SINK`` does one copy and exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def duckdb_copy(source: str, sink: str) -> None:
    """DuckDB on all cores, its defaults."""
    import duckdb

    kind = "PARQUET" if sink.endswith(".parquet") else "CSV"
    duckdb.execute(f"COPY (FROM '{source}') TO '{sink}' (FORMAT {kind})")


def duckdb_bounded(source: str, sink: str) -> None:
    """DuckDB with the memory that crossdock gets."""
    import duckdb

    duckdb.execute("SET memory_limit = '512MiB'; SET preserve_insertion_order = false")
    duckdb_copy(source, sink)


def pyarrow_loop(source: str, sink: str) -> None:
    """The bare loop: one pyarrow stream into one pyarrow writer."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    if source.endswith(".csv"):
        reader = csv.open_csv(source)
        schema, batches = reader.schema, iter(reader)
    else:
        file = pq.ParquetFile(source)
        schema, batches = file.schema_arrow, file.iter_batches(batch_size=122_880)
    with pq.ParquetWriter(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def pandas_whole(source: str, sink: str) -> None:
    """All rows as one pandas table."""
    import pandas as pd

    pd.read_csv(source).to_parquet(sink)


def dlt_files(source: str, sink: str) -> None:
    """dlt from a CSV file to Parquet files, by its own reader that gives Arrow tables."""
    from pathlib import Path

    from dlt.sources.filesystem import filesystem, read_csv_duckdb

    path = Path(source)
    files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
    dlt_pipeline(sink).run(
        (files | read_csv_duckdb(use_pyarrow=True)).with_name("t"), loader_file_format="parquet"
    )


def dlt_pipeline(sink: str) -> Any:
    """A pipeline with its state beside the sink."""
    import os
    from pathlib import Path

    folder = Path(sink).parent
    os.environ |= {"DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt

    return dlt.pipeline(
        "perf", destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
        dataset_name="perf", pipelines_dir=str(folder / "dlt"),
    )  # fmt: skip


def file_loop(source: str, sink: str) -> None:
    """The bare loop over many files: open, let the system copy, close."""
    import os
    import shutil

    for folder, _, names in os.walk(source):
        there = os.path.join(sink, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(folder, name), os.path.join(there, name))


def byte_loop(source: str, sink: str) -> None:
    """The bare loop over one file: eight MiB at a time, into the same buffer."""
    buffer = memoryview(bytearray(8 << 20))
    with open(source, "rb", buffering=0) as read, open(sink, "wb", buffering=0) as write:
        while size := read.readinto(buffer):
            write.write(buffer[:size])


PEERS: dict[str, Callable[[str, str], None]] = {
    "duckdb": duckdb_copy,
    "duckdb-bounded": duckdb_bounded,
    "pyarrow": pyarrow_loop,
    "pandas": pandas_whole,
    "dlt": dlt_files,
    "files": file_loop,
    "bytes": byte_loop,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], sys.argv[3])
