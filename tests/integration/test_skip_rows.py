"""Rows that do not fit are left out (``skip_rows``): counted, and told."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import CopyResult, DataError

TYPES = {"types": "id:int64,n:double,day:date"}


def numbers(start: int, end: int) -> str:
    return "".join(f"{i},{i / 2},2024-01-01,t{i}\n" for i in range(start, end))


def lines(bad: str = "", rows: int = 4_000) -> str:
    """A header and that many good rows, with ``bad`` in their middle."""
    return "id,n,day,text\n" + numbers(0, rows // 2) + bad + numbers(rows // 2, rows)


BAD = {
    "a text that is no number": "x,1,2024-01-01,bad\n",
    "a number that is none in another column": "1,1.2.3,2024-01-01,bad\n",
    "a day that never was": "1,1,2024-02-30,bad\n",
    "too large a number": "99999999999999999999,1,2024-01-01,bad\n",
    "too few columns": "1,1,2024-01-01\n",
    "too many columns": "1,1,2024-01-01,bad,more\n",
    "no text in its encoding": "1,1,2024-01-01,\udcff\n",
    "a line within a value": 'x,1,2024-01-01,"two\nlines"\n',
}


def skipping(source: Path, sink: Path | str, **more: object) -> CopyResult:
    options: dict[str, object] = {"source_options": TYPES, "skip_rows": True}
    return crossdock.copy(source, sink, **options | more)  # type: ignore[arg-type]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("sink", ["out.parquet", "out.db"])
def test_a_row_that_does_not_fit_is_left_out(tmp_path: Path, bad: str, sink: str) -> None:
    source = write(tmp_path / "a.csv", lines(bad))
    url = f"sqlite:///{tmp_path / sink}#t" if sink.endswith(".db") else str(tmp_path / sink)
    with pytest.raises(DataError):
        crossdock.copy(source, url, source_options=TYPES)
    result = skipping(source, url, verify=True)
    assert (result.rows_read, result.rows_copied, result.rows_skipped) == (4_001, 4_000, 1)
    assert result.exit_code == 3
    assert result.verified
    assert [note for note in result.notes if note.startswith("left out: a.csv")] != []
    if sink.endswith(".db"):
        with sqlite3.connect(tmp_path / sink) as db:
            found = db.execute("SELECT count(*), sum(id), sum(n) FROM t").fetchone()
    else:
        table = pq.read_table(tmp_path / sink)
        found = (table.num_rows, pa.compute.sum(table["id"]).as_py(), pa.compute.sum(table["n"]).as_py())
    assert found == (4_000, sum(range(4_000)), sum(range(4_000)) / 2)


def test_many_bad_rows_of_every_kind(tmp_path: Path) -> None:
    kinds, good, text = list(BAD.values()), 0, ["id,n,day,text\n"]
    for number in range(3_000):
        if number % 3:
            text.append(f"{number},1,2024-01-01,x\n")
            good += number
        else:
            text.append(kinds[number // 3 % len(kinds)])
    result = skipping(write(tmp_path / "a.csv", "".join(text)), tmp_path / "a.parquet", parallel_copies=3)
    assert (result.rows_copied, result.rows_skipped) == (2_000, 1_000)
    assert pa.compute.sum(pq.read_table(tmp_path / "a.parquet")["id"]).as_py() == good


def test_nothing_is_left_out_of_good_rows(tmp_path: Path) -> None:
    result = skipping(write(tmp_path / "a.csv", lines()), tmp_path / "a.parquet")
    assert (result.rows_copied, result.rows_skipped, result.exit_code) == (4_000, 0, 0)


def test_a_ragged_row_where_types_are_inferred(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n")
    result = crossdock.copy(source, tmp_path / "a.parquet", skip_rows=True)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {"a": [1, 7], "b": [2, 8]}
    assert result.rows_skipped == 2


def test_a_quote_that_is_never_closed_is_no_row_to_leave_out(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    with pytest.raises(DataError, match="goes on to the end of the file"):
        crossdock.copy(source, tmp_path / "a.parquet", skip_rows=True, source_options={"infer": "false"})


def test_a_value_that_the_sink_cannot_hold(tmp_path: Path) -> None:
    """Refused by the sink's own conversion, in batches that the source has read well."""
    values = pa.array([*range(5_000), float("nan"), *range(5_000), float("nan")], pa.float64())
    pq.write_table(pa.table({"x": values}), tmp_path / "a.parquet", row_group_size=1_000)
    url = f"sqlite:///{tmp_path}/a.db#t"
    with pytest.raises(DataError, match="NaN"):
        crossdock.copy(tmp_path / "a.parquet", url)
    result = crossdock.copy(tmp_path / "a.parquet", url, skip_rows=True, verify=True)
    assert (result.rows_copied, result.rows_skipped) == (10_000, 2)
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT count(*), sum(x) FROM t").fetchone() == (10_000, 2 * sum(range(5_000)))


def table(path: Path, *statements: str) -> str:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    return f"sqlite:///{path}#t"


def test_keys_that_are_taken(tmp_path: Path) -> None:
    """Of rows with one key the first is kept; so is what was there before. Nothing is left behind."""
    url = table(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT NOT NULL)",
        "INSERT INTO t VALUES (7, 'before'), (8, 'before')",
    )
    words = "".join(f"{number % 1_000},w{number}\n" for number in range(1_500)) + "5000,\n"
    source = write(tmp_path / "a.csv", "id,word\n" + words)
    with pytest.raises(DataError, match="UNIQUE"):
        crossdock.copy(source, url, mode="append")
    result = crossdock.copy(source, url, mode="append", skip_rows=True, verify=True, log=tmp_path / "log")
    assert (result.rows_read, result.rows_copied, result.rows_skipped) == (1_501, 998, 503)
    with sqlite3.connect(tmp_path / "a.db") as db:
        found = dict(db.execute("SELECT id, word FROM t").fetchall())
        assert db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("t",)]
    assert found == {number: f"w{number}" for number in range(1_000)} | {7: "before", 8: "before"}
    told = log_of(tmp_path / "log")
    assert len(told) == 503
    assert told[-1][3] == "5000,"
    assert "NOT NULL" in told[-1][4]


def log_of(folder: Path) -> list[list[str]]:
    """The lines of all files of a log but their headers, in their order."""
    found = []
    for file in sorted(folder.rglob("*.csv"), key=lambda each: each.stat().st_mtime_ns):
        with file.open(newline="", encoding="utf-8") as lines:
            header, *rows = csv.reader(lines)
        assert header == ["Timestamp", "Level", "OperationName", "OperationItem", "Message"]
        found += rows
    return found
