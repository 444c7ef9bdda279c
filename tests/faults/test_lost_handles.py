"""Killed when a sink has begun units and the journal does not know their handles: nothing stays behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from fault_bench import Bench
from fault_payloads import CsvToParquet, CsvToSqlite, ManyBinary, OneBinary, Payload, leftovers

from crossdock import api

POINTS = ["sink.begin:after:1", "journal.begin:before:1"]


def nothing_is_left(bench: Bench, payload: Payload) -> None:
    assert leftovers(bench.folder) == []
    assert list((bench.home / "runs").iterdir()) == []
    if isinstance(payload, CsvToSqlite):
        with closing(sqlite3.connect(payload.path)) as db:
            assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]


@pytest.mark.parametrize("kind", [OneBinary, ManyBinary, CsvToParquet, CsvToSqlite])
@pytest.mark.parametrize("point", POINTS)
def test_forgetting_the_run(bench: Bench, kind: type[Payload], point: str) -> None:
    payload = kind(bench.folder)
    assert bench.copy(payload, kill=point).killed
    if not isinstance(payload, CsvToSqlite):
        assert leftovers(bench.folder)
    api.forget(bench.run, bench.home)
    assert not payload.visible()
    nothing_is_left(bench, payload)


@pytest.mark.parametrize("kind", [ManyBinary, CsvToSqlite])
def test_forgetting_a_run_that_went_on_and_was_killed_there_again(bench: Bench, kind: type[Payload]) -> None:
    payload = kind(bench.folder)
    assert bench.copy(payload, kill=POINTS[0]).killed
    assert bench.resume(kill=POINTS[1]).killed
    api.forget(bench.run, bench.home)
    nothing_is_left(bench, payload)


@pytest.mark.parametrize("kind", [ManyBinary, CsvToSqlite])
def test_a_full_journal(bench: Bench, kind: type[Payload]) -> None:
    """The handles cannot be stored; resumed, the units are begun again and end well."""
    payload = kind(bench.folder)
    ended = bench.copy(payload, fail=POINTS[1])
    assert ended.answer["resumable"], ended
    assert bench.resume().answer["status"] == "Succeeded"
    payload.check()
