"""A copy from or to SQL Server ends soon when it is told to, while its statements wait for locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import stops
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock_connectors.sql import mssql_bulk


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


@contextmanager
def locked(server: SqlServer, table: str, part: str) -> Iterator[None]:
    """Somebody else holds the table's strongest lock; statements with ``part`` in them wait for it."""
    if server.fake:
        server.fake.database.wait(part)
        try:
            yield
        finally:
            server.fake.database.release()
        return
    with server.connect() as other:
        other.run("BEGIN TRANSACTION")
        other.run(f"SELECT COUNT(*) AS n FROM [{server.schema}].[{table}] WITH (TABLOCKX, HOLDLOCK)")
        yield
        other.run("ROLLBACK TRANSACTION")


@pytest.fixture
def table(server: SqlServer) -> SqlServer:
    server.run("CREATE TABLE {s}.t (id int)", "INSERT INTO {s}.t (id) VALUES (1)")
    return server


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"id": pa.array(range(1000), pa.int32())}), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_while_reading_waits_for_a_lock(table: SqlServer, tmp_path: Path) -> None:
    # A database may let readers of a lower level pass by locks.
    given = {**table.options, "isolation_level": "Serializable"}
    with locked(table, "t", "SELECT [id] FROM"):
        took = stops(
            3,
            lambda cancel: crossdock.copy(
                table.url("t"), tmp_path / "t.parquet", cancel=cancel, source_options=given
            ),
        )
    assert took < 3


def test_while_the_commit_waits_for_a_lock(table: SqlServer, rows: Path) -> None:
    """What was staged is used by a resumed run; what the cancelled statement had not done is not noted."""

    def copy(cancel: threading.Event) -> Any:
        return crossdock.copy(rows, table.url("t"), mode="append", cancel=cancel, run_id="r",
                              sink_options=table.options)  # fmt: skip

    with locked(table, "t", "INSERT INTO"):
        assert stops(3, copy) < 3
    assert table.run("SELECT COUNT(*) AS n FROM {s}.t") == [(1,)]
    crossdock.resume("r")
    assert table.run("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS m FROM {s}.t") == [(1001, 1000)]


def test_while_a_bulk_copy_waits_for_a_lock(table: SqlServer, rows: Path) -> None:
    """Its connection is the driver's own, which nothing of the driver ends: it is cut."""
    options = {**table.options, "delivery": "at-least-once"}
    with locked(table, "t", "INSERT BULK"):
        took = stops(
            3,
            lambda cancel: crossdock.copy(
                rows, table.url("t"), mode="append", cancel=cancel, sink_options=options
            ),
        )
    assert took < 3
    assert table.run("SELECT COUNT(*) AS n FROM {s}.t") == [(1,)]


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_a_failed_split_ends_one_that_waits(
    table: SqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """One table is refused while the other waits for a lock. Its connection is cut, which takes no right;
    where the system does not tell which that is, the session is killed."""
    if table.fake is None:
        pytest.skip("needs statements that wait by their text")
    database = table.fake.database
    if how == "cut":
        database.deny("KILL")
    else:
        monkeypatch.setattr(mssql_bulk, "_FILES", str(tmp_path / "none"))
    source = tmp_path / "files"
    source.mkdir()
    for name in ("waits", "fails"):
        pq.write_table(pa.table({"id": pa.array([None], pa.int32())}), source / f"{name}.parquet")
        table.run(f"CREATE TABLE {{s}}.{name} (id int NOT NULL)")
        database.wait(f"INSERT BULK [{table.schema}].[{name}]")
    failed: list[float] = []

    def fail() -> None:
        until = time.monotonic() + 30
        while _loads(table) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        failed.append(time.monotonic())
        database.release("[fails]")

    failing, late = threading.Thread(target=fail), threading.Timer(20, database.release)
    failing.start()
    late.start()
    try:
        with pytest.raises(crossdock.DataError, match="may not be null"):
            crossdock.copy(
                source, table.address, mode="append", parallel_copies=2, memory=4 << 30,
                sink_options={**table.options, "delivery": "at-least-once", "table_schema": table.schema},
            )  # fmt: skip
        took = time.monotonic() - failed[0]
    finally:
        late.cancel()
        failing.join()
    assert took < 3
    assert database.waiting() == [f"INSERT BULK [{table.schema}].[waits]"]
    assert _loads(table) == 0


def test_ctrl_c(table: SqlServer, rows: Path, tmp_path: Path) -> None:
    given = [f"-k{name}={value}" for name, value in table.options.items()]
    command = [sys.executable, "-P", "-m", "crossdock", "copy", str(rows), table.url("t"), "--mode", "append",
               "-kdelivery=at-least-once", *given]  # fmt: skip
    with locked(table, "t", "INSERT BULK"):
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "CROSSDOCK_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + 60
            while not _loads(table) and process.poll() is None and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(1)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            took = time.monotonic() - began
        finally:
            process.kill()
    assert process.returncode == 130, out + err
    assert took < 3
    assert "Traceback" not in err
    assert table.run("SELECT COUNT(*) AS n FROM {s}.t") == [(1,)]


def _loads(server: SqlServer) -> int:
    """How many bulk copies are connected."""
    rows = server.run(
        "SELECT COUNT(*) AS n FROM sys.dm_exec_sessions WHERE SUBSTRING(host_name, 1, 10) = N'crossdock-'"
    )
    return int(rows[0][0])
