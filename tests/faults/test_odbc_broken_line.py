"""A connection that breaks in mid-result: psqlODBC then ends the process, and the copy is complete."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from servers.cutting import cutting
from servers.psqlodbc import odbc_url

import crossdock

ROWS = 60_000


@pytest.fixture
def filled(database: str) -> str:
    with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t AS SELECT i, 'w' || i AS w FROM generate_series(1, {ROWS}) i")
    return database


def test_the_split_is_read_again(filled: str, tmp_path: Path) -> None:
    port = int(filled.rpartition(":")[2].split("/")[0])
    with cutting(port, after=500_000) as proxy:
        url = odbc_url(filled, "t").replace(f"port={port}", f"port={proxy.port}")
        done = crossdock.copy(url, str(tmp_path / "out.parquet"))
    found = pq.read_table(tmp_path / "out.parquet")["i"].to_pylist()
    assert (proxy.cut, done.rows_copied, sorted(found)) == (1, ROWS, list(range(1, ROWS + 1)))
    assert done.retries >= 1


def test_rows_are_inserted_again(database: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("i\n" + "".join(f"{i}\n" for i in range(20_000)))
    port = int(database.rpartition(":")[2].split("/")[0])
    with cutting(port, after=30_000) as proxy:
        url = odbc_url(database, "t").replace(f"port={port}", f"port={proxy.port}")
        crossdock.copy(str(tmp_path / "in.csv"), url)
    with dbapi.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT i), sum(i)::bigint FROM t")
        assert cursor.fetchall() == [(20_000, 20_000, sum(range(20_000)))]
    assert proxy.cut == 1
