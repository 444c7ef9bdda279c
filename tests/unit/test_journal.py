"""The journal: what it stores is what it gives back, in this process and the next."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crossdock import Begun, ConfigError, NotFoundError, Receipt, Split, Unit
from crossdock.errors import CancelledError
from crossdock.journal import VERSION, Journal
from crossdock.journal_lock import is_running, remove
from crossdock.journal_rows import UnitState

UNITS = [Unit("a.csv", 10, b"v1"), Unit("sub/b.csv", None), Unit("nicht-utf8-\udce9", 3)]
SPLITS = [
    Split("a.csv", 0, b"\x00\xff", 7, 0, 5, 1 << 20),
    Split("a.csv", 1, b"", 1, None, None),
    Split("a.csv", 2, b"t", offset=1 << 40, length=1),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r.1.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal.create(path, state="running")) as journal:
        journal.add_units(UNITS, "cursor")
        yield journal


def begin(journal: Journal, seq: int = 1) -> None:
    journal.begin([(seq, Begun(b"\x00handle", 3, 2, 1 << 23, 4, 5), SPLITS)])


class TestStored:
    def test_facts(self, journal: Journal) -> None:
        journal.set(a=1, b=None, c={"d": ["ż"]})
        journal.set(a=2)
        assert [journal.get(key) for key in "abc"] == [2, None, {"d": ["ż"]}]
        assert journal.get("nothing") is None
        assert journal.get("nothing", 5) == 5
        assert journal.get("state") == "running"

    def test_states_of_scattered_units(self, journal: Journal) -> None:
        journal.add_units([Unit(str(number)) for number in range(4, 21)], None)
        journal.set_state([9, 3, 4, 20, 5, 10, 9], UnitState.COMMITTED)
        rows = journal.open_units(0, 30)
        assert len(rows) == 20
        assert [row.seq for row in rows if row.state is UnitState.COMMITTED] == [3, 4, 5, 9, 10, 20]
        journal.set_state([], UnitState.DONE)
        assert len(journal.open_units(0, 30)) == 20

    def test_only_what_is_visible_is_committed_with_its_receipt(self, journal: Journal) -> None:
        rows = [(seq, Begun(b"h"), [Split("u", 0, b"")]) for seq in (1, 2, 3)]
        journal.begin(rows)
        journal.add_receipts(
            [(seq, Split("u", 0, b""), Receipt(b"r", 1, 1, visible=seq != 2), "") for seq in (3, 2, 1)]
        )
        states = [row.state for row in journal.open_units(0, 9)]
        assert states == [UnitState.COMMITTED, UnitState.BEGUN, UnitState.COMMITTED]

    def test_units_in_order(self, journal: Journal) -> None:
        journal.add_units([Unit("last")], None)
        rows = journal.open_units(0, 10)
        assert [row.unit for row in rows] == [*UNITS, Unit("last")]
        assert [row.seq for row in rows] == [1, 2, 3, 4]
        assert {row.state for row in rows} == {UnitState.PLANNED}
        assert {row.begun for row in rows} == {None}
        assert journal.get("cursor") is None

    def test_units_in_pages(self, journal: Journal) -> None:
        assert [row.seq for row in journal.open_units(0, 2)] == [1, 2]
        assert [row.seq for row in journal.open_units(2, 2)] == [3]
        assert journal.open_units(3, 2) == []

    def test_a_unit_that_has_begun(self, journal: Journal) -> None:
        begin(journal)
        row = journal.open_units(0, 1)[0]
        assert (row.state, row.begun) == (UnitState.BEGUN, Begun(b"\x00handle", 3, 2, 1 << 23, 4, 5))
        assert [stored.split for stored in journal.splits(row)] == SPLITS
        assert [stored.receipt for stored in journal.splits(row)] == [None] * 3

    def test_receipts(self, journal: Journal) -> None:
        begin(journal)
        receipts = [Receipt(b"\xff\x00", 2, 50, 7), Receipt(b"", 0, 0, None)]
        journal.add_receipts([(1, SPLITS[2], receipts[0], "digest"), (1, SPLITS[0], receipts[1], "")])
        stored = journal.splits(journal.open_units(0, 1)[0])
        assert [s.receipt for s in stored] == [receipts[1], None, receipts[0]]
        assert [s.digest for s in stored] == ["", "", "digest"]

    def test_states(self, journal: Journal) -> None:
        begin(journal)
        journal.set_state([1], UnitState.COMMITTED)
        journal.set_state([2], UnitState.DONE)
        journal.set_state([3], UnitState.SKIPPED)
        assert [(row.seq, row.state) for row in journal.open_units(0, 9)] == [(1, UnitState.COMMITTED)]
        assert journal.skipped() == ["nicht-utf8-\udce9"]

    def test_totals(self, journal: Journal) -> None:
        begin(journal)
        journal.add_receipts([(1, SPLITS[0], Receipt(b"r", 1, 30, 4), "")])
        journal.add_receipts([(1, SPLITS[2], Receipt(b"r", 1, 50, 6), "")])
        journal.set_state([2], UnitState.DONE)
        journal.set_state([3], UnitState.SKIPPED)
        totals = journal.totals()
        assert (totals.units, totals.units_done, totals.units_skipped, totals.size) == (3, 2, 1, 13)
        assert (totals.splits, totals.splits_done) == (3, 2)
        assert (totals.bytes_read, totals.bytes, totals.rows) == (6, 80, 10)

    def test_totals_outlive_the_plan(self, journal: Journal) -> None:
        begin(journal)
        journal.add_receipts([(1, split, Receipt(b"r", 1, 30, 4), "") for split in SPLITS])
        before = journal.totals()
        journal.finish(state="succeeded", output={"x": 1})
        assert journal.totals() == before
        assert journal.open_units(0, 10) == []
        assert journal.get("output") == {"x": 1}

    def test_the_next_process_finds_it(self, journal: Journal, path: Path) -> None:
        begin(journal)
        rows = journal.open_units(0, 10)
        journal.close()
        with closing(Journal.open(path)) as again:
            assert again.open_units(0, 10) == rows
            assert [stored.split for stored in again.splits(rows[0])] == SPLITS


class TestForgetting:
    def test_a_unit_starts_over(self, journal: Journal) -> None:
        begin(journal)
        journal.add_receipts([(1, SPLITS[0], Receipt(b"r", 1, 30), "")])
        journal.forget_splits(1)
        row = journal.open_units(0, 1)[0]
        assert (row.state, row.begun, journal.splits(row)) == (UnitState.PLANNED, None, [])
        begin(journal)
        assert len(journal.splits(journal.open_units(0, 1)[0])) == 3

    def test_what_is_visible_is_not_forgotten(self, journal: Journal) -> None:
        begin(journal)
        journal.set_state([1], UnitState.COMMITTED)
        journal.forget_splits(1)
        row = journal.open_units(0, 1)[0]
        assert (row.state, len(journal.splits(row))) == (UnitState.COMMITTED, 3)

    def test_what_is_left_to_clean_up(self, journal: Journal) -> None:
        for seq in (1, 2, 3):
            journal.begin([(seq, Begun(b"h%d" % seq), [])])
        journal.set_state([2], UnitState.COMMITTED)
        journal.set_state([3], UnitState.DONE)
        assert journal.begun_handles() == [(1, b"h1"), (2, b"h2")]

    def test_traces(self, journal: Journal) -> None:
        assert not journal.has_traces()
        journal.set_state([1], UnitState.SKIPPED)
        assert not journal.has_traces()
        journal.set_state([2], UnitState.DONE)
        assert journal.has_traces()

    def test_a_name_at_the_sink_is_given_once(self, journal: Journal, path: Path) -> None:
        """Also by a process that goes on with the listing of another; and a page is added whole or not."""
        journal.add_units([Unit("b.csv"), Unit("c")], "1", lambda unit: unit.name.removesuffix(".csv"))
        journal.close()
        with closing(Journal.open(path)) as again:
            with pytest.raises(ConfigError, match=r"b\.csv and b would both become b; copy them apart"):
                again.add_units([Unit("d"), Unit("b")], "2", lambda unit: unit.name)
            assert (again.totals().units, again.get("cursor")) == (5, "1")
            again.unlist()
            again.add_units([Unit("b")], None, lambda unit: unit.name)

    def test_beginnings(self, journal: Journal) -> None:
        journal.set_state([1, 2], UnitState.BEGINNING)
        assert journal.has_traces()
        assert journal.beginnings() == [(1, UNITS[0]), (2, UNITS[1])]
        journal.begin([(1, Begun(b"h"), [])])
        assert journal.beginnings() == [(2, UNITS[1])]

    def test_what_a_writer_made_visible_is_never_forgotten(self, journal: Journal) -> None:
        split = Split(UNITS[0].name, 0, b"")
        journal.begin([(1, Begun(b"h"), [split])])
        journal.add_receipts([(1, split, Receipt(b"r", 1, 1, visible=True), "")])
        journal.forget_splits(1)
        assert journal.open_units(0, 1)[0].state is UnitState.COMMITTED
        assert journal.totals().units_visible == 1

    def test_listing_again(self, journal: Journal) -> None:
        journal.unlist()
        assert journal.totals().units == 0
        journal.add_units(UNITS[:1], None)
        assert [row.unit for row in journal.open_units(0, 9)] == UNITS[:1]

    def test_files_go(self, journal: Journal, path: Path) -> None:
        journal.close()
        remove(path)
        assert list(path.parent.iterdir()) == []
        remove(path)


class TestOpening:
    def test_no_such_run(self, path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"there is no run 'r\.1'"):
            Journal.open(path)

    def test_a_run_id_that_is_taken(self, journal: Journal, path: Path) -> None:
        journal.close()
        with pytest.raises(ConfigError, match=r"the run id 'r\.1' is taken; resume it with"):
            Journal.create(path)
        with closing(Journal.open(path)) as again:
            assert len(again.open_units(0, 9)) == 3, "and it is what it was"

    def test_another_version(self, journal: Journal, path: Path) -> None:
        journal.close()
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {VERSION + 1}")
        for lock in (True, False):
            with pytest.raises(
                ConfigError, match=f"has version {VERSION + 1}, this crossdock reads {VERSION}"
            ):
                Journal.open(path, lock=lock)
        assert not is_running(path), "a refusal holds no lock"

    @pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(500)])
    def test_what_is_no_journal(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="damaged"):
            Journal.open(path)
        assert not is_running(path)

    def test_one_whose_maker_was_killed(self, path: Path) -> None:
        """Before it was a journal: there is no such run, and its id can be had again."""
        path.parent.mkdir()
        path.touch()
        with pytest.raises(NotFoundError):
            Journal.open(path)
        with closing(Journal.create(path)) as journal:
            assert journal.totals().units == 0

    def test_the_folder_is_private(self, journal: Journal, path: Path) -> None:
        assert path.parent.stat().st_mode & 0o077 == 0


class TestLock:
    def test_one_at_a_time(self, journal: Journal, path: Path) -> None:
        assert is_running(path)
        with pytest.raises(ConfigError, match="is being worked on by another process"):
            Journal.open(path)
        with closing(Journal.open(path, lock=False)) as looking:
            assert looking.get("state") == "running"
        journal.close()
        assert not is_running(path)

    def test_it_ends_with_the_process(self, path: Path) -> None:
        code = (
            "import os, pathlib; from crossdock.journal import Journal;"
            f"journal = Journal.create(pathlib.Path({str(path)!r}), state='running');"
            "print('made', flush=True); input()"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "made\n"
            assert is_running(path)
            holder.kill()
        assert not is_running(path)
        with closing(Journal.open(path)) as journal:
            assert journal.get("state") == "running"

    def test_whoever_looks_is_in_nobodys_way(self, journal: Journal, path: Path) -> None:
        """A resumed run begins although somebody lists the runs all the time."""
        journal.close()
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                is_running(path)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            for _ in range(20):
                Journal.open(path).close()
        finally:
            stop.set()
            thread.join()


class TestEpochs:
    def test_they_grow(self, journal: Journal, path: Path) -> None:
        assert [journal.next_epoch(), journal.next_epoch()] == [1, 2]
        journal.close()
        with closing(Journal.open(path)) as again:
            assert again.next_epoch() == 3

    def test_a_process_that_was_left_behind_writes_no_more(self, journal: Journal, path: Path) -> None:
        journal.next_epoch()
        with closing(Journal.open(path, lock=False)) as rival:
            rival.next_epoch()
            rival.set(state="mine")
        with pytest.raises(CancelledError, match="another process has taken over"):
            journal.set(state="late")
        assert journal.get("state") == "mine"

    def test_other_threads_write_on(self, journal: Journal) -> None:
        """While one of them starts a unit over, which takes a new epoch."""
        journal.next_epoch()
        errors: list[BaseException] = []

        def write() -> None:
            try:
                for number in range(200):
                    journal.set(number=number)
            except BaseException as error:  # noqa: BLE001 - reported below
                errors.append(error)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            journal.next_epoch()
        for thread in threads:
            thread.join()
        assert errors == []


def test_many_threads(journal: Journal) -> None:
    """All methods are safe from several threads."""
    journal.begin([(2, Begun(b"h"), [Split("u", index, b"") for index in range(400)])])

    def add(start: int) -> None:
        for index in range(start, 400, 4):
            journal.add_receipts([(2, Split("u", index, b""), Receipt(b"%d" % index, 1, 1, 1), "")])
            journal.totals()

    threads = [threading.Thread(target=add, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = journal.splits(journal.open_units(1, 1)[0])
    assert [s.receipt and s.receipt.token for s in stored] == [b"%d" % index for index in range(400)]
    assert journal.totals().splits_done == 400
