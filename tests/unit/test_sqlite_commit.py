"""SQLite as a sink: every row once, whatever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlite_samples import (
    APPEND,
    ERROR,
    begun,
    names,
    numbers,
    sink,
    source,
    sql,
    stage,
    url,
    values,
)

from crossdock import (
    Attempt,
    ConfigError,
    InternalError,
    Split,
    StageLostError,
    WriteMode,
)
from crossdock_connectors.tables.sqlite_database import Connection
from crossdock_connectors.tables.sqlite_sink import SqliteWriter


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a b#c?.db"


def test_splits_keep_their_order_whenever_they_come(db: Path) -> None:
    into = sink(db)
    handle = begun(into)
    receipts = [stage(into, handle, numbers(i * 1000, i * 1000 + 1000), i) for i in (2, 0, 3, 1)]
    into.commit(handle, receipts)
    into.cleanup(handle)
    assert values(db) == list(range(4000))
    assert sql(db, "SELECT sql FROM sqlite_schema") == [('CREATE TABLE "t" ("a" INTEGER)',)]


@pytest.mark.parametrize("mode", list(WriteMode))
def test_only_what_receipts_stand_for_arrives(db: Path, mode: WriteMode) -> None:
    """First, middle and last attempt in the staging table were lost; one split was empty."""
    into = sink(db)
    handle = begun(into, mode)
    stage(into, handle, numbers(-500, 0), 0, 1)
    receipts = [stage(into, handle, numbers(0, 700), 0, 2)]
    stage(into, handle, numbers(-500, 0), 1, 1)
    stage(into, handle, numbers(-500, 0), 1, 2)
    receipts += [stage(into, handle, numbers(700, 900), 1, 3), stage(into, handle, numbers(0, 0), 2)]
    stage(into, handle, numbers(-500, 0), 3, 1)
    into.commit(handle, receipts)
    into.cleanup(handle)
    assert values(db) == list(range(900))
    assert names(db) == ["t"]


_KILLED = """
import os, signal, sys
import pyarrow as pa
from crossdock import Attempt, Location, Split
from crossdock_connectors.tables.sqlite import SPEC
from crossdock_connectors.tables.sqlite_config import SqliteConfig

address, handle, index, attempt, moment = sys.argv[1:]
sink = SPEC.open_sink(SqliteConfig(), Location.parse(address))
writer = sink.writer(bytes.fromhex(handle), Split("t", int(index), b""), Attempt("run", int(attempt)))

def items():
    for i in range(100):
        if moment == "middle" and i == 60:
            os.kill(os.getpid(), signal.SIGKILL)
        yield pa.record_batch([pa.array(range(i * 1000, i * 1000 + 1000), pa.int64())], ["a"])

writer.consume(items())
if moment == "finish":
    os.kill(os.getpid(), signal.SIGKILL)
writer.finish()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["middle", "finish", "journal"])
def test_a_killed_writer_leaves_no_row_twice(db: Path, moment: str) -> None:
    """SIGKILL while rows go in (the cache has spilled), before the commit, and before the journal knows."""
    into = sink(db)
    handle = begun(into)
    first = stage(into, handle, numbers(-10, 0), 0)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, url(db).url, handle.hex(), "1", "1", moment], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    second = stage(into, handle, numbers(0, 100_000), 1, attempt=2)
    into.commit(handle, [first, second])
    into.cleanup(handle)
    assert values(db) == list(range(-10, 100_000))
    assert sorted(p.name for p in db.parent.iterdir()) == [db.name]


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "out of order"])
@pytest.mark.parametrize("mode", list(WriteMode))
def test_a_commit_killed_anywhere_can_be_repeated(
    db: Path, mode: WriteMode, in_order: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement of the commit in turn is the last one that runs."""

    class Killed(BaseException):
        pass

    if mode is not ERROR:
        sql(db, "CREATE TABLE t (a INTEGER)", "INSERT INTO t VALUES (-1)")
    into = sink(db)
    handle = begun(into, mode)
    order = (0, 1) if in_order else (1, 0)
    receipts = [stage(into, handle, numbers(i * 5, i * 5 + 5), i) for i in order]
    before = names(db)
    real = Connection.run
    left = 0

    def run(self: Connection, statement: str) -> list[tuple[Any, ...]]:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return real(self, statement)

    for after in range(100):
        left = after
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "run", run)
            try:
                sink(db).commit(handle, receipts)
                break
            except Killed:
                pass
        assert names(db) == before
        assert mode is ERROR or values(db) == [-1]
    assert after > 8
    wanted = [*([-1] if mode is APPEND else []), *range(10)]
    assert values(db) == wanted
    sink(db).commit(handle, receipts)
    assert values(db) == wanted
    into.cleanup(handle)
    assert names(db) == ["t"]


def test_lost_stages_are_noticed(db: Path) -> None:
    into = sink(db)
    handle = begun(into)
    receipts = [stage(into, handle, numbers(0, 10))]
    [staged] = [name for name in names(db) if name not in ("_crossdock_ledger",) and "ledger" not in name]
    sql(db, f"DELETE FROM {staged} WHERE rowid > 5")
    with pytest.raises(StageLostError, match="rows are missing"):
        into.commit(handle, receipts)
    sql(db, f"DROP TABLE {staged}")
    for act in (lambda: into.commit(handle, receipts), lambda: stage(into, handle, numbers(0, 1), 1)):
        with pytest.raises(StageLostError, match="staging table does not exist"):
            act()
    db.unlink()
    for act in (lambda: into.commit(handle, receipts), lambda: stage(into, handle, numbers(0, 1), 1)):
        with pytest.raises(StageLostError):
            act()
    into.cleanup(handle)
    assert not db.exists()


def test_a_unit_that_is_begun_again_starts_anew(db: Path) -> None:
    """Killed between begin and journal."""
    into = sink(db)
    stage(into, begun(into), numbers(0, 10))
    handle = begun(into)
    into.commit(handle, [stage(into, handle, numbers(50, 60))])
    into.cleanup(handle)
    assert values(db) == list(range(50, 60))


def test_handles_of_another_version(db: Path) -> None:
    with pytest.raises(ConfigError, match="another version"):
        sink(db).writer(b'[9, "t"]', Split("t", 0, b""), Attempt("run", 1))
    with pytest.raises(ConfigError, match="another version"), source(db).read(Split("t", 0, b"[9]")):
        pass


def test_a_long_series_of_single_batches(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteWriter, "most_pending", 10_000)
    into = sink(db)
    handle = begun(into)
    split = Split("t", 0, b"")
    writer = into.writer(handle, split, Attempt("run", 1))
    for batch in numbers(0, 50_000).to_batches(max_chunksize=500):
        writer.write(batch)
    receipt = writer.finish()
    assert (receipt.rows, receipt.items, receipt.bytes) == (50_000, 100, 400_000)
    into.commit(handle, [(split, receipt)])
    into.cleanup(handle)
    assert values(db) == list(range(50_000))


def test_rows_that_somebody_else_adds_are_noticed(db: Path) -> None:
    into = sink(db)
    writer = into.writer(begun(into), Split("t", 0, b""), Attempt("run", 1))

    def items() -> Iterator[pa.RecordBatch]:
        yield from numbers(0, 5).to_batches()
        transaction = writer._transaction
        assert transaction is not None
        transaction.connection.run(f"INSERT INTO {writer._staging.staged} VALUES (99)")

    writer.consume(items())
    with pytest.raises(InternalError, match="5 rows were written"):
        writer.finish()
    writer.abort()
