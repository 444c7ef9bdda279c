"""Journals that were only half made, are damaged, or belong to another release."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fault_bench import Bench
from fault_payloads import OneBinary, leftovers

from crossdock import api


@pytest.mark.parametrize("nth", [1, 3, 5, *range(6, 18)])
def test_killed_while_the_journal_is_made(bench: Bench, nth: int) -> None:
    """Whatever is there of it, the same copy can be begun again under the same name."""
    payload = OneBinary(bench.folder)
    killed = bench.copy(payload, kill=f"making:before:{nth}")
    assert killed.killed
    if bench.state():
        ended = bench.resume()
    else:
        assert api.runs(bench.home) == []
        assert bench.resume().answer["error"] == "NotFound"
        ended = bench.copy(payload)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


def _journal(bench: Bench) -> Path:
    return bench.home / "runs" / f"{bench.run}.db"


def test_a_damaged_journal_is_said_to_be_so(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:5").killed
    for suffix in ("-wal", "-shm"):
        Path(f"{_journal(bench)}{suffix}").unlink()
    _journal(bench).write_bytes(b"no database" * 1000)
    ended = bench.resume()
    assert (ended.code, ended.answer.get("error")) == (2, "InvalidConfig"), ended
    assert "damaged" in ended.answer["message"]
    (listed,) = api.runs(bench.home)
    assert "damaged" in listed.error


def test_another_version_is_refused_and_left_alone(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:5").killed
    with closing(sqlite3.connect(_journal(bench))) as db:
        db.execute("PRAGMA user_version = 999")
    ended = bench.resume()
    assert (ended.code, ended.answer.get("error")) == (2, "InvalidConfig"), ended
    assert "version 999" in ended.answer["message"]
    with closing(sqlite3.connect(_journal(bench))) as db:
        db.execute(f"PRAGMA user_version = {_version()}")
    assert bench.resume().answer["skipped"] == 5
    payload.check()


def _version() -> int:
    from crossdock.journal import VERSION

    return VERSION


def test_forgetting_a_killed_run_leaves_nothing(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:5").killed
    api.forget(bench.run, bench.home)
    assert leftovers(bench.folder) == []
    assert list((bench.home / "runs").iterdir()) == []
    assert not Path(payload.sink).exists()
