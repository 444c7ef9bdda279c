"""SIGKILL while rows are left out, then a resume: each is counted and told once, and no good one is lost."""

from __future__ import annotations

import csv
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import api

CODE = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from fault_child import Failpoints
Failpoints({point!r}, lambda: os.kill(os.getpid(), signal.SIGKILL)).install()
import crossdock
crossdock.copy({source!r}, {sink!r}, run_id="r", skip_rows=True, parallel_copies=2, **{more!r})
"""
FILES, ROWS = 12, 50


def told(folder: Path) -> list[tuple[str, str]]:
    """Operation and item of every line, sorted: what is told twice is there twice."""
    found = []
    for file in folder.glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as text:
            found += [(line[2], line[3]) for line in list(csv.reader(text))[1:]]
    return sorted(found)


def killed_and_resumed(point: str, source: Path, sink: str, more: dict[str, Any]) -> crossdock.CopyResult:
    folder = str(Path(__file__).parent)
    code = CODE.format(folder=folder, point=point, source=str(source), sink=sink, more=more)
    killed = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    return api.resume("r")


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize(
    "point",
    [
        "journal.add_lines:after:1",
        "journal.add_lines:before:7",
        "journal.add_receipts:before:1",
        "journal.add_receipts:after:1",
        "sink.commit:after:5",
        "journal.end_units:before:1",
        "journal.end_units:after:1",
        "store.open_upload:after:1",
        "store.commit:before:4",
        "store.commit:after:7",
        "journal.finish:before:1",
    ],
)
def test_files(tmp_path: Path, point: str, reliable: bool) -> None:
    source, out, log = tmp_path / "in", tmp_path / "out", tmp_path / "log"
    source.mkdir()
    for number in range(FILES):
        rows = "".join(f"{number * ROWS + row},x\n" for row in range(ROWS))
        (source / f"{number:02}.csv").write_text(f"id,text\n{rows}bad{number},y\nragged{number}\n")
    more = {
        "sink_format": "parquet", "source_options": {"types": "id:int64"}, "log": str(log),
        "log_level": "info", "log_reliable": reliable,
    }  # fmt: skip
    result = killed_and_resumed(point, source, f"{out}/", more)
    assert (result.rows_copied, result.rows_skipped) == (FILES * ROWS, 2 * FILES)
    ids = [value for file in sorted(out.iterdir()) for value in pq.read_table(file)["id"].to_pylist()]
    assert ids == list(range(FILES * ROWS))
    expected = [("TabularRowSkip", f"bad{number},y") for number in range(FILES)]
    expected += [("TabularRowSkip", f"ragged{number}") for number in range(FILES)]
    expected += [("FileRead", f"{number:02}.csv") for number in range(FILES)] * 2
    expected += [("FileWrite", f"{number:02}.parquet") for number in range(FILES)] * 2
    assert told(log) == sorted(expected)


@pytest.mark.parametrize(
    "point",
    [
        "journal.add_receipts:before:1",
        "journal.add_receipts:after:1",
        "sink.commit:before:1",
        "sink.commit:after:1",
        "journal.leave_out:before:1",
        "journal.add_lines:after:2",
        "journal.leave_out:after:1",
        "sink.cleanup:before:1",
        "sink.cleanup:after:1",
        "journal.end_units:after:1",
    ],
)
def test_a_table_that_refuses_rows(tmp_path: Path, point: str) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    source, log = tmp_path / "a.csv", tmp_path / "log"
    rows = "".join(f"{row},x\n" for row in range(1_000))
    source.write_text(f"id,text\n{rows}5,again\n6,again\nbad,y\n")
    more = {"mode": "append", "log": str(log)}
    result = killed_and_resumed(point, source, f"sqlite:///{tmp_path}/a.db#t", more)
    assert (result.rows_read, result.rows_copied, result.rows_skipped) == (1_003, 1_000, 3)
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        assert db.execute("SELECT count(*), sum(id) FROM t").fetchone() == (1_000, sum(range(1_000)))
        assert db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("t",)]
    expected = ["5,again", "6,again", "bad,y"]
    assert told(log) == [("TabularRowSkip", each) for each in expected]
