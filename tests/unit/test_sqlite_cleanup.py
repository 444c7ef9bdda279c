"""SQLite as a sink: what stays behind, and several that write at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_sqlite import dbapi
from sqlite_samples import (
    ERROR,
    Staged,
    begun,
    fill,
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
    NoSpaceError,
    PlanHint,
    Target,
    TransientError,
    Unit,
)
from crossdock_connectors.tables import sqlite_database
from crossdock_connectors.tables.sqlite_database import Connection, path_of


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a b#c?.db"


def test_a_database_that_we_made_goes_when_it_holds_nothing(db: Path) -> None:
    into = sink(db)
    first, second = (
        into.begin(Unit(name), Target(ERROR, numbers(0, 0).schema), "run").handle for name in ("t", "u")
    )
    stage(into, first, numbers(0, 10))
    into.cleanup(first)
    assert db.exists()
    stage(into, second, numbers(0, 10))
    into.cleanup(second)
    into.cleanup(second)
    assert list(db.parent.iterdir()) == []


@pytest.mark.parametrize("mode", ["wal", "truncate", "persist"])
def test_journal_modes_leave_nothing_either(db: Path, mode: str) -> None:
    into = sink(db, journal_mode=mode)
    handle = begun(into)
    stage(into, handle, numbers(0, 10))
    assert sql(db, "PRAGMA journal_mode") == [(mode if mode == "wal" else "delete",)]
    into.cleanup(handle)
    assert list(db.parent.iterdir()) == []


def test_a_database_that_was_there_stays(db: Path) -> None:
    sql(db, "CREATE TABLE x (a)", "DROP TABLE x")
    into = sink(db)
    handle = begun(into)
    into.cleanup(handle)
    assert db.exists()
    assert names(db) == []


def test_a_database_with_somebodys_table_stays(db: Path) -> None:
    into = sink(db)
    handle = begun(into)
    sql(db, "CREATE TABLE theirs (a)")
    into.cleanup(handle)
    assert names(db) == ["theirs"]


_ROUNDS = """
import sys
from pathlib import Path
from crossdock import Target, Unit
from sqlite_samples import ERROR, numbers, sink, stage

database, name = Path(sys.argv[1]), sys.argv[2]
for round_ in range(60):
    into = sink(database)
    handle = into.begin(Unit(name), Target(ERROR, numbers(0, 0).schema), f"run{round_}").handle
    receipt = stage(into, handle, numbers(0, 5))
    if round_ == 59:
        into.commit(handle, [receipt])
    into.cleanup(handle)
"""


def test_processes_that_make_and_remove_one_database(db: Path) -> None:
    """A process that had the file open before another one removed it does no harm to the next file."""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    running = [
        subprocess.Popen([sys.executable, "-c", _ROUNDS, str(db), name], env=here) for name in ("t", "u", "v")
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert names(db) == ["t", "u", "v"]
    assert sql(db, "PRAGMA integrity_check") == [("ok",)]


def test_begin_beside_a_cleanup_that_removes_the_database(db: Path) -> None:
    """Whoever begins while the file goes away ends up in a file that is there."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for round_ in range(30):
                into = sink(db)
                unit, target = Unit(name), Target(ERROR, numbers(0, 0).schema)
                handle = into.begin(unit, target, f"run{round_}").handle
                receipt = stage(into, handle, numbers(0, 5))
                if round_ == 29:
                    into.commit(handle, [receipt])
                into.cleanup(handle)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("t", "u", "v")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(db) == ["t", "u", "v"]


def test_writers_of_several_units_take_turns(db: Path) -> None:
    into = sink(db)
    tables = ("a", "b", "c")
    handles = {
        name: into.begin(Unit(name), Target(ERROR, numbers(0, 0).schema), "run").handle for name in tables
    }
    receipts: dict[str, list[Staged]] = {name: [] for name in tables}

    def work(name: str) -> None:
        for i in range(5):
            receipts[name].append(stage(into, handles[name], numbers(i * 2000, i * 2000 + 2000), i))

    threads = [threading.Thread(target=work, args=(name,)) for name in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in tables:
        into.commit(handles[name], receipts[name])
        into.cleanup(handles[name])
        assert sql(db, f"SELECT count(*), max(a), min(a) FROM {name}") == [(10_000, 9999, 0)]


def test_a_database_that_is_in_use_for_too_long(db: Path) -> None:
    into = sink(db, busy_timeout=0.05)
    handle = begun(into)
    with dbapi.connect(
        f"file:{path_of(url(db))}".replace("?", "%3f").replace("#", "%23"), autocommit=True
    ) as other:
        with other.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="in use by somebody else"):
            stage(into, handle, numbers(0, 1))
    held = into.database.write()
    with pytest.raises(TransientError, match="another split"):
        stage(into, handle, numbers(0, 1))
    held.rollback()
    into.commit(handle, [stage(into, handle, numbers(0, 1))])
    assert values(db) == [0]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_copy_within_one_database(db: Path, journal: str) -> None:
    """More rows than SQLite's cache holds: with a rollback journal the writer would wait for the reader."""
    total = fill(db, (1, 1, 200_000), table="s")
    sql(db, f"PRAGMA journal_mode = {journal}")
    reading, into = source(db, "s", busy_timeout=5), sink(db, busy_timeout=5)
    unit = Unit("s")
    schema = reading.schema(unit)
    handle = into.begin(Unit("t"), Target(ERROR, schema), "run").handle
    receipts = []
    for split in reading.plan(unit, PlanHint(parallel=4)):
        with reading.read(split) as items:
            writer = into.writer(handle, split, Attempt("run", 1))
            writer.consume(items)
            receipts.append((split, writer.finish()))
    into.commit(handle, receipts)
    into.cleanup(handle)
    reading.close()
    into.close()
    assert sql(db, "SELECT count(*) FROM (SELECT * FROM s EXCEPT SELECT * FROM t)") == [(0,)]
    assert sql(db, "SELECT count(*) FROM t") == [(total,)]
    assert sql(db, "PRAGMA journal_mode") == [(journal,)]


def test_no_space(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = sink(db)
    handle = begun(into)
    real = sqlite_database.Database.connect

    def small(self: sqlite_database.Database, mode: Any = "ro") -> Connection:
        connection = real(self, mode)
        if mode == "rw":
            connection.run("PRAGMA max_page_count = 20")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_database.Database, "connect", small)
        with pytest.raises(NoSpaceError, match="no space"):
            stage(into, handle, numbers(0, 100_000))
    into.cleanup(handle)
    assert list(db.parent.iterdir()) == []
