"""What the scenarios of SQL Server need: the tests' server with half a million rows, and bare peers.

``python -m perf.rig.mssql PEER URL FILE`` is one peer's copy as a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from .data import DATA
from .far import far

ROWS = int(os.environ.get("PERF_ROWS", "500000"))
KEPT = 20_000
COLUMNS = 6
TABLE = "half_a_million"
_ROOT = Path(__file__).parents[2]
_COLUMNS = "i int, b bigint, f float, v varchar(50), t datetime2(6), d decimal(18,4)"
_SELECT = f"SELECT i, b, f, v, t, d FROM dbo.{TABLE}"
_BATCH = 65_536


def _row(n: int) -> tuple[Any, ...]:
    moment = datetime(2020, 1, 1) + timedelta(seconds=n)
    text = f"row {n}" + "x" * (n % 30)
    return n, n * 7919, n / 3, text, moment.isoformat(" ", "microseconds"), f"{Decimal(n) / 16:.4f}"


@contextmanager
def served(values: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """The server with the table and ``rows.parquet`` of the same, for as long as the block lasts."""
    sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]
    from tests.servers.tds import PASSWORD, tds_server

    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tds_server(Path(folder), "perf.rig.mssql_server") as server:
        environment = {"SSL_CERT_FILE": str(server.ca), "MSSQL_PASSWORD": PASSWORD}
        os.environ |= environment
        with _connected(server.url()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE dbo.{TABLE} ({_COLUMNS})")
        direct = server.database.open()
        direct.execute("BEGIN")
        direct.executemany(
            f'INSERT INTO "dbo.{TABLE}" VALUES (?, ?, ?, ?, ?, ?)', map(_row, range(1, KEPT + 1))
        )
        direct.execute("COMMIT")
        direct.close()
        # In a process of its own: what this one needs at most would be what each child seems to need.
        made = [
            sys.executable,
            "-m",
            "perf.rig.mssql",
            "bare-read",
            server.url(),
            str(DATA / "mssql.parquet"),
        ]
        subprocess.run(made, check=True, cwd=_ROOT)
        with far(server.port, 20) as port:
            away = server.url().replace(f":{server.port}/", f":{port}/")
            yield {**values, "url": server.url(), "far": away, "table": TABLE}, environment


def _settings(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "Server": f"tcp:{parts.hostname},{parts.port}", "Database": parts.path[1:],
        "UID": parts.username or "",
        "PWD": "{" + os.environ["MSSQL_PASSWORD"].replace("}", "}}") + "}", "Encrypt": "yes",
    }  # fmt: skip


def _text(url: str) -> str:
    return ";".join(f"{key}={value}" for key, value in _settings(url).items())


def _connected(url: str) -> Any:
    import mssql_python

    mssql_python.pooling(enabled=False)
    return mssql_python.connect(_text(url), autocommit=True)


def _driver() -> str:
    from crossdock_connectors.sql.mssql_arrays import _library

    return _library()


def bare_read(url: str, file: str) -> None:
    """mssql-python's Arrow reader into one Parquet writer."""
    import pyarrow.parquet as pq

    with _connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(_SELECT)
        reader = cursor.arrow_reader(_BATCH)
        with pq.ParquetWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def arrow_odbc_read(url: str, file: str) -> None:
    """arrow-odbc with the same driver into one Parquet writer."""
    import arrow_odbc
    import pyarrow.parquet as pq

    text = f"Driver={_driver()};{_text(url)}"
    reader = arrow_odbc.read_arrow_batches_from_odbc(
        _SELECT, connection_string=text, batch_size=_BATCH, max_text_size=4096, fetch_concurrently=True
    )
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def pyodbc_read(url: str, file: str) -> None:
    """pyodbc's rows, made columns, into one Parquet writer."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyodbc

    schema = pq.read_schema(DATA / "mssql.parquet")
    cursor = pyodbc.connect(f"Driver={_driver()};{_text(url)}", autocommit=True).execute(_SELECT)
    with pq.ParquetWriter(file, schema) as writer:
        while rows := cursor.fetchmany(_BATCH):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(each, kind) for each, kind in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def connectorx_read(url: str, file: str) -> None:
    """ConnectorX with one connection, then pyarrow's writer."""
    import connectorx
    import pyarrow.parquet as pq

    parts = urlsplit(url)
    login = f"{parts.username}:{quote(os.environ['MSSQL_PASSWORD'], safe='')}"
    given = f"mssql://{login}@{parts.hostname}:{parts.port}{parts.path}?trust_server_certificate=true&encrypt=true"
    pq.write_table(connectorx.read_sql(given, _SELECT, return_type="arrow"), file)


def bare_write(url: str, file: str) -> None:
    """One Parquet stream into one Arrow bulk copy, straight into a new table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    reader = pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(_BATCH))
    with _connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS dbo.bare")
        cursor.execute(f"CREATE TABLE dbo.bare ({_COLUMNS})")
        cursor.bulkcopy_arrow("dbo.bare", reader, timeout=0, column_mappings=list("ibfvtd"), table_lock=True)


PEERS: dict[str, Callable[[str, str], None]] = {
    "bare-read": bare_read,
    "arrow-odbc": arrow_odbc_read,
    "pyodbc": pyodbc_read,
    "connectorx": connectorx_read,
    "bare-write": bare_write,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], sys.argv[3])
