"""SIGKILL at chosen points, then resume: nothing lost, nothing twice, nothing half visible, no work again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_bench import Bench, Outcome
from fault_payloads import (
    CsvToParquet,
    CsvToSqlite,
    ManyBinary,
    ManyCsvToParquet,
    OneBinary,
    ParquetToCsv,
    Payload,
    SqliteToParquet,
)

from crossdock.grouping import MOST

ALL = -1
"""Every split has its receipt already."""

# The point and how many receipts the journal then has.
PLANNING = [
    ("journal.set:after:1", 0),
    ("journal.add_units:before:1", 0),
    ("journal.add_units:after:1", 0),
    ("sink.begin:before:1", 0),
    ("sink.begin:after:1", 0),
    ("journal.begin:before:1", 0),
    ("journal.begin:after:1", 0),
]
CARRYING = [
    ("journal.add_receipts:before:1", 0),
    ("journal.add_receipts:after:1", 1),
    ("journal.add_receipts:before:5", 4),
    ("journal.add_receipts:after:5", 5),
]
STREAMING = [
    ("store.write_block:before:4", 3),
    ("store.write_block:after:4", 3),
    ("torn.write_at:before:4", 3),
    ("writer.finish:before:3", 2),
    ("writer.finish:after:3", 2),
]
COMMITTING = [
    ("sink.commit:before:1", ALL),
    ("store.commit:before:1", ALL),
    ("os.link:before:1", ALL),
    ("os.link:after:1", ALL),
    ("os.replace:before:1", ALL),
    ("os.replace:after:1", ALL),
    ("sink.commit:after:1", ALL),
    ("journal.set_state:before:1", ALL),
    ("journal.set_state:after:1", ALL),
    ("sink.cleanup:before:1", ALL),
    ("os.unlink:after:1", ALL),
    ("sink.cleanup:after:1", ALL),
    ("journal.set_state:before:2", ALL),
    ("journal.set_state:after:2", ALL),
    ("journal.finish:before:1", ALL),
]
SQLITE_COMMITTING = [
    ("sink.commit:before:1", ALL),
    ("sink.commit:after:1", ALL),
    ("journal.set_state:after:1", ALL),
    ("sink.cleanup:before:1", ALL),
    ("sink.cleanup:after:1", ALL),
]
JOINING = [("os.ftruncate:before:1", ALL), ("os.ftruncate:after:1", ALL)]


def kill_and_resume(
    bench: Bench, payload: Payload, point: str, receipts: int | range, **given: Any
) -> Outcome:
    """The copy is killed at ``point`` and ends rightly when resumed, carrying only what has no receipt."""
    killed = bench.copy(payload, kill=point, **given)
    assert killed.killed, f"{point} was not reached: {killed}"
    payload.visible()
    done, total = bench.receipts(), bench.info().splits_total
    if isinstance(receipts, range):
        assert len(done) in receipts
    else:
        assert len(done) == (total if receipts == ALL else receipts)
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()
    assert ended.answer["done"] >= payload.minimum
    assert ended.answer["skipped"] == len(done)
    assert ended.carried.isdisjoint(done)
    assert len(ended.answer["carried"]) == len(ended.carried) == ended.answer["done"] - len(done)
    return ended


@pytest.mark.parametrize(
    ("point", "receipts"),
    [
        *PLANNING,
        *CARRYING,
        ("store.copy_block:before:10", 9),
        ("store.copy_block:after:10", 9),
        ("torn.copy_range:before:10", 9),
        *COMMITTING,
    ],
)
def test_one_file_copied_in_the_kernel(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, OneBinary(bench.folder), point, receipts)


@pytest.mark.parametrize(("point", "receipts"), STREAMING)
def test_one_file_through_memory(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, OneBinary(bench.folder), point, receipts, stream=True)


@pytest.mark.parametrize("point", ["os.link:before:1", "os.link:after:1", "os.replace:after:1"])
def test_one_file_that_replaces_another(bench: Bench, point: str) -> None:
    payload = OneBinary(bench.folder)
    old = Path(payload.sink)
    old.parent.mkdir()
    old.write_bytes(b"the old content")
    killed = bench.copy(payload, kill=point, options={"mode": "overwrite"})
    assert killed.killed
    if point != "os.replace:after:1":
        assert old.read_bytes() == b"the old content"
    assert bench.resume().answer["carried"] == []
    payload.check()


@pytest.mark.parametrize(
    ("point", "receipts"),
    [
        ("journal.begin:before:2", 125),
        ("journal.begin:after:2", 125),
        # Receipts of small files wait for each other, but not long: a group less one may be missing.
        ("attempt:after:160", range(161 - MOST, 160)),
        ("attempt:before:240", range(240 - MOST, 240)),
        ("attempt:before:5", range(5)),
        ("journal.add_receipts:before:2", range(1, MOST + 1)),
        ("os.replace:after:200", 250),
        ("os.unlink:after:230", 250),
    ],
)
def test_many_small_files(bench: Bench, point: str, receipts: int | range) -> None:
    kill_and_resume(bench, ManyBinary(bench.folder), point, receipts)


@pytest.mark.parametrize(
    ("point", "receipts"), [*PLANNING[-2:], *CARRYING[2:], *STREAMING, *COMMITTING[2:10:2], *JOINING]
)
def test_csv_to_parquet(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, CsvToParquet(bench.folder), point, receipts)


@pytest.mark.parametrize(
    ("point", "receipts"), [CARRYING[-1], STREAMING[2], COMMITTING[2], COMMITTING[4], *JOINING]
)
def test_parquet_to_csv(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, ParquetToCsv(bench.folder), point, receipts)


@pytest.mark.parametrize(
    ("point", "receipts"),
    [
        ("journal.begin:after:1", 0),
        ("torn.write_at:before:9", range(5)),
        ("journal.add_receipts:before:1", 0),
        ("os.link:after:5", ALL),
        ("os.replace:after:5", ALL),
        ("journal.set_state:after:1", ALL),
        ("os.unlink:after:3", ALL),
    ],
)
def test_many_csv_to_parquet(bench: Bench, point: str, receipts: int | range) -> None:
    kill_and_resume(bench, ManyCsvToParquet(bench.folder), point, receipts)


@pytest.mark.parametrize(
    ("point", "receipts"),
    [
        ("sink.begin:after:1", 0),
        ("journal.begin:after:1", 0),
        ("sqlite.commit:before:4", 2),
        ("sqlite.commit:after:4", 2),
        ("journal.add_receipts:before:5", 4),
        ("journal.add_receipts:after:5", 5),
        *SQLITE_COMMITTING,
    ],
)
def test_csv_to_sqlite(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, CsvToSqlite(bench.folder), point, receipts)


@pytest.mark.parametrize(("point", "receipts"), SQLITE_COMMITTING[:3])
def test_a_table_that_replaces_another(bench: Bench, point: str, receipts: int) -> None:
    payload = CsvToSqlite(bench.folder)
    with closing(sqlite3.connect(payload.path)) as db, db:
        db.execute("CREATE TABLE numbers (id INTEGER, word TEXT, part REAL)")
        db.executemany("INSERT INTO numbers VALUES (?, ?, ?)", payload.rows)
    kill_and_resume(bench, payload, point, receipts, options={"mode": "overwrite"})


@pytest.mark.parametrize("point", ["sink.commit:before:1", "sink.commit:after:1", "sink.cleanup:after:1"])
def test_rows_are_appended_once(bench: Bench, point: str) -> None:
    payload = CsvToSqlite(bench.folder)
    first = bench.copy(payload)
    assert first.answer["status"] == "Succeeded"
    bench.run = "second"
    killed = bench.copy(payload, kill=point, options={"mode": "append"})
    assert killed.killed
    assert bench.resume().answer["carried"] == []
    with closing(sqlite3.connect(payload.path)) as db:
        rows = db.execute("SELECT id, word, part FROM numbers ORDER BY rowid").fetchall()
    assert rows == payload.rows * 2


@pytest.mark.parametrize(("point", "receipts"), [CARRYING[-2], CARRYING[-1], STREAMING[2], COMMITTING[3]])
def test_sqlite_to_parquet(bench: Bench, point: str, receipts: int) -> None:
    kill_and_resume(bench, SqliteToParquet(bench.folder), point, receipts)


VERIFIED: list[tuple[type[Payload], str, int]] = [
    (OneBinary, "journal.add_receipts:after:5", 5),
    (OneBinary, "journal.set_state:before:1", ALL),
    (OneBinary, "journal.set_state:before:2", ALL),
    (ManyBinary, "os.replace:after:200", 250),
    (ManyCsvToParquet, "journal.set_state:after:1", ALL),
    (CsvToParquet, "journal.set_state:before:2", ALL),
    (CsvToSqlite, "journal.add_receipts:after:5", 5),
    (CsvToSqlite, "sink.commit:before:1", ALL),
    (CsvToSqlite, "sink.commit:after:1", ALL),
]


@pytest.mark.parametrize(("kind", "point", "receipts"), VERIFIED)
def test_with_verification(bench: Bench, kind: type[Payload], point: str, receipts: int) -> None:
    payload = kind(bench.folder)
    ended = kill_and_resume(bench, payload, point, receipts, options={"verify": True})
    assert ended.answer["verified"] is True
