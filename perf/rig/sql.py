"""What the SQL scenarios need: a PostgreSQL of the tests' kind with half a million rows, and bare peers.

``python -m perf.rig.sql PEER read|write URL FILE`` is one peer's copy as a process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .data import DATA

ROWS = 500_000
_TESTS = Path(__file__).parents[2] / "tests"
_COLUMNS = "i integer, b bigint, f double precision, v varchar(50), t timestamp, d numeric(18,4)"
_MADE = (
    "SELECT n::int, n::bigint * 7919, n / 3.0, 'row ' || n || repeat('x', n % 30), "
    "timestamp '2020-01-01' + n * interval '1 s', (n / 16.0)::numeric(18,4) "
    f"FROM generate_series(1, {ROWS}) n"
)


@contextmanager
def served(values: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """The server with the table ``rows`` and ``rows.parquet`` of the same, for as long as the block lasts."""
    sys.path.insert(0, str(_TESTS))
    from servers.postgres import postgres

    with postgres() as server:
        server.run(f"CREATE TABLE rows ({_COLUMNS})")
        server.run(f"INSERT INTO rows {_MADE}")
        server.run("ANALYZE rows")
        # Nine tenths of the rows have keys in the first hundredth of their range.
        server.run(
            "CREATE TABLE skewed AS SELECT i, CASE WHEN i % 10 = 0 THEN i * 100::bigint ELSE i END AS b, "
            "f, v, t, d FROM rows"
        )
        server.run("ALTER TABLE skewed ADD PRIMARY KEY (b, i)")
        server.run("ANALYZE skewed")
        DATA.mkdir(exist_ok=True)
        bare_read(server.url(), str(DATA / "rows.parquet"))
        yield {**values, "url": server.url()}, {}


def bare_read(url: str, file: str, table: str = "rows") -> None:
    """One ADBC stream into one Parquet writer; numerics come as texts and are cast."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    schema = pa.schema(
        [("i", pa.int32()), ("b", pa.int64()), ("f", pa.float64()), ("v", pa.string()),
         ("t", pa.timestamp("us")), ("d", pa.decimal128(18, 4))]
    )  # fmt: skip
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        with cursor.fetch_record_batch() as reader, pq.ParquetWriter(file, schema) as writer:
            for batch in reader:
                arrays = [
                    _plain(column).cast(kind)
                    for column, kind in zip(batch.columns, schema.types, strict=True)
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _plain(column: Any) -> Any:
    """A numeric is an extension type around its text."""
    return getattr(column, "storage", column)


def bare_write(url: str, file: str) -> None:
    """One Parquet stream into one ADBC ingest, straight into a new table."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(f"CREATE TABLE bare ({_COLUMNS})")
        parquet = pq.ParquetFile(file)
        reader = pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(65_536))
        cursor.adbc_ingest("bare", reader, mode="append")
        connection.commit()


def connectorx_read(url: str, file: str) -> None:
    """ConnectorX with four partitions, then pyarrow's writer."""
    import connectorx
    import pyarrow.parquet as pq

    table = connectorx.read_sql(
        url, "SELECT * FROM rows", return_type="arrow", partition_on="i", partition_num=4
    )
    pq.write_table(table, file)


def connectorx_skewed(url: str, file: str) -> None:
    """ConnectorX with four equal ranges of a key whose rows are mostly in one of them."""
    import connectorx
    import pyarrow.parquet as pq

    table = connectorx.read_sql(
        url, "SELECT * FROM skewed", return_type="arrow", partition_on="b", partition_num=4
    )
    pq.write_table(table, file)


def connectorx_one(url: str, file: str) -> None:
    """ConnectorX with one connection."""
    import connectorx
    import pyarrow.parquet as pq

    pq.write_table(connectorx.read_sql(url, "SELECT * FROM rows", return_type="arrow"), file)


def pandas_rows(url: str, file: str) -> None:
    """pandas with pyodbc, as most notebooks do it."""
    import warnings

    import pandas as pd
    import pyodbc

    warnings.simplefilter("ignore")  # pandas would rather have SQLAlchemy
    with pyodbc.connect(_odbc(url)) as connection:
        pd.read_sql("SELECT * FROM rows", connection).to_parquet(file)


def arrow_odbc_read(url: str, file: str) -> None:
    """arrow-odbc's reader into one Parquet writer."""
    import pyarrow.parquet as pq
    from arrow_odbc import read_arrow_batches_from_odbc

    reader = read_arrow_batches_from_odbc("SELECT * FROM rows", _odbc(url), batch_size=65_536)
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _odbc(url: str) -> str:
    """The connection string for Debian's psqlODBC."""
    from urllib.parse import parse_qs, unquote, urlsplit

    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["localhost"])[0]
    port = parts.port or query.get("port", ["5432"])[0]
    return (
        f"Driver={{PostgreSQL Unicode}};Server={host};Port={port};Database={parts.path.strip('/')};"
        f"UID={unquote(parts.username or '')};PWD={unquote(parts.password or '')}"
    )


def dlt_read(url: str, file: str) -> None:
    """dlt's own source for databases with its fastest backend, into Parquet files."""
    from dlt.sources.sql_database import sql_table

    from ..peers import dlt_pipeline

    pipeline = dlt_pipeline(file)
    address = url.replace("postgresql://", "postgresql+psycopg://")
    table = sql_table(credentials=address, table="rows", backend="connectorx", chunk_size=65_536)
    pipeline.run(table, loader_file_format="parquet")


PEERS: dict[str, Callable[[str, str], None]] = {
    "bare-read": bare_read,
    "bare-skewed": lambda url, file: bare_read(url, file, "skewed"),
    "bare-write": bare_write,
    "connectorx": connectorx_read,
    "connectorx-one": connectorx_one,
    "pandas": pandas_rows,
    "arrow-odbc": arrow_odbc_read,
    "dlt": dlt_read,
    "connectorx-skewed": connectorx_skewed,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], sys.argv[3])
