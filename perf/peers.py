"""The peers as commands: ``python -m perf.peers NAME SOURCE SINK`` does one copy and exits."""

from __future__ import annotations

import sys
from collections.abc import Callable


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


PEERS: dict[str, Callable[[str, str], None]] = {
    "duckdb": duckdb_copy,
    "duckdb-bounded": duckdb_bounded,
    "pyarrow": pyarrow_loop,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], sys.argv[3])
