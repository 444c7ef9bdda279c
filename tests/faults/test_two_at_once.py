"""Two processes at once: on one run, on one target, and one that wakes up when all is over."""

from __future__ import annotations

import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fault_bench import Bench, Child, Outcome, wait_for
from fault_payloads import SPLIT, CsvToParquet, CsvToSqlite, OneBinary, Payload, leftovers, numbers

from crossdock_connectors.stores.file_upload import make_folder

PAUSE = 0.02


def under_way(bench: Bench, payload: Payload, pause: float = PAUSE) -> Child:
    """A slow copy that has carried something."""
    child = bench.start("copy", payload, pause=pause)
    wait_for(lambda: bench.state() != "" and bench.info().splits_done >= 3)
    return child


def refused(outcome: Outcome) -> bool:
    answer = outcome.answer
    return (
        answer.get("error") == "InvalidConfig" and "being worked on by another process" in answer["message"]
    )


def test_a_run_has_one_process(bench: Bench) -> None:
    """Also while that process is stopped: it may go on at any time."""
    payload = OneBinary(bench.folder)
    first = under_way(bench, payload)
    first.send(signal.SIGSTOP)
    assert refused(bench.resume())
    assert refused(bench.copy(payload))
    payload.visible()
    first.send(signal.SIGCONT)
    assert first.finish().answer["status"] == "Succeeded"
    payload.check()


def test_of_many_that_resume_one_does_the_work(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:10").killed
    done = bench.receipts()
    racing = [bench.start("resume", pause=PAUSE) for _ in range(4)]
    outcomes = [child.finish() for child in racing]
    winners = [each for each in outcomes if each.answer.get("status") == "Succeeded"]
    assert len(winners) == 1
    assert len(winners[0].carried) == 64 - len(done)
    assert {each.answer["error"] for each in outcomes if each not in winners} == {"InvalidConfig"}
    payload.check()


def test_of_many_that_take_a_run_id_one_gets_it(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    outcomes = [child.finish() for child in [bench.start("copy", payload, pause=PAUSE) for _ in range(4)]]
    winners = [each for each in outcomes if each.answer.get("status") == "Succeeded"]
    assert len(winners) == 1
    assert {each.answer["error"] for each in outcomes if each not in winners} == {"InvalidConfig"}
    payload.check()


class Rivals:
    """Two sources of the same shape, of which each run copies one to the same target."""

    def __init__(self, bench: Bench, kind: str) -> None:
        self.bench, self.kind = bench, kind
        folder = bench.folder
        (folder / "to").mkdir()
        self.sources = [folder / f"source{n}" for n in range(2)]
        if kind == "binary":
            self.target = folder / "to" / "data"
            for n, path in enumerate(self.sources):
                path.write_bytes(random.Random(n).randbytes(2_000_000))
        else:
            self.target = folder / "to" / "data.parquet"
            for n, path in enumerate(self.sources):
                pq.write_table(numbers(8000).slice(n * 4000, 4000), path, row_group_size=400)

    def start(self, n: int, mode: str) -> Child:
        options = {"mode": mode, "block_size": SPLIT, "parallel_copies": 1}
        if self.kind == "parquet":
            options["source_format"] = "parquet"
            # As bytes they would be copied whole; a mapping makes rows of them.
            options["map"] = "id=id,word=word,part=part"
        return self.bench.start(
            "copy",
            run=f"run{n}",
            source=str(self.sources[n]),
            sink=str(self.target),
            options=options,
            pause=PAUSE,
            smallest_split=10_000,
        )

    def winner(self) -> int:
        """Which of the sources lies at the target, whole."""
        if self.kind == "binary":
            return [path.read_bytes() for path in self.sources].index(self.target.read_bytes())
        found = pq.read_table(self.target)
        return [pq.read_table(path).equals(found) for path in self.sources].index(True)


@pytest.mark.parametrize("kind", ["binary", "parquet"])
def test_mode_error_lets_exactly_one_win(bench: Bench, kind: str) -> None:
    rivals = Rivals(bench, kind)
    outcomes = [child.finish() for child in [rivals.start(n, "error") for n in range(2)]]
    assert sorted(each.code for each in outcomes) == [0, 2]
    assert outcomes[rivals.winner()].answer["status"] == "Succeeded"
    loser = outcomes[1 - rivals.winner()].answer
    assert loser["error"] == "AlreadyExists"
    assert loser["resumable"] is False
    assert leftovers(bench.folder) == []


@pytest.mark.parametrize("kind", ["binary", "parquet"])
def test_mode_overwrite_leaves_one_of_the_two_whole(bench: Bench, kind: str) -> None:
    rivals = Rivals(bench, kind)
    outcomes = [child.finish() for child in [rivals.start(n, "overwrite") for n in range(2)]]
    assert [each.answer["status"] for each in outcomes] == ["Succeeded", "Succeeded"]
    assert rivals.winner() in (0, 1)
    assert leftovers(bench.folder) == []


def test_two_tables_of_one_name(bench: Bench) -> None:
    payload = CsvToSqlite(bench.folder)
    children = [bench.start("copy", payload, run=f"run{n}", pause=PAUSE) for n in range(2)]
    outcomes = [child.finish() for child in children]
    assert sorted(each.code for each in outcomes) == [0, 2], outcomes
    assert [each.answer["error"] for each in outcomes if each.code] == ["AlreadyExists"]
    payload.check()


def fenced(outcome: Outcome) -> bool:
    answer = outcome.answer
    return answer.get("error") == "Cancelled" and "another process has taken over" in answer["message"]


def _forget_lock(bench: Bench) -> None:
    for path in (bench.home / "runs").glob("*.lock*"):
        path.unlink()


@pytest.mark.parametrize("kind", [OneBinary, CsvToSqlite])
@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_a_process_that_wakes_up_when_all_is_over(bench: Bench, kind: type[Payload], mode: str) -> None:
    """The lock is lost (a network file system that forgets locks): the older process does no harm."""
    payload = kind(bench.folder)
    zombie = bench.start("copy", payload, pause=0.1, options={"mode": mode})
    wait_for(lambda: bench.state() != "" and bench.info().splits_done >= 3)
    zombie.send(signal.SIGSTOP)
    done = bench.receipts()
    _forget_lock(bench)
    ended = bench.resume()
    assert ended.answer["status"] == "Succeeded"
    assert ended.carried.isdisjoint(done)
    assert payload.visible()
    zombie.send(signal.SIGCONT)
    assert fenced(zombie.finish())
    payload.check()


@pytest.mark.parametrize("kind", [OneBinary, CsvToSqlite])
def test_an_older_attempt_that_ends_late(bench: Bench, kind: type[Payload]) -> None:
    """As above, but the older process goes on while the newer one is at work: both write the same unit."""
    payload = kind(bench.folder)
    older = under_way(bench, payload, pause=0.06)
    older.send(signal.SIGSTOP)
    _forget_lock(bench)
    newer = bench.start("resume", pause=0.06)
    wait_for(lambda: bench.fact("epoch") == 2)
    older.send(signal.SIGCONT)
    assert fenced(older.finish())
    assert newer.finish().answer.get("status") == "Succeeded"
    payload.check()


def test_two_attempts_at_one_split_do_not_mix(bench: Bench) -> None:
    """The older process is in the middle of a split that the newer one carries again, as other bytes."""
    payload = CsvToParquet(bench.folder)
    options = {"block_size": 4096, "source_options": {"multiline": "false"}}
    older = bench.start("copy", payload, options=options, stop="store.write_block:before:16")
    wait_for(lambda: bench.state() != "" and older.is_stopped())
    done = bench.receipts()
    assert done
    _forget_lock(bench)
    newer = bench.start("resume", rows_per_group=100, stop="sink.commit:before:1")
    wait_for(newer.is_stopped)
    assert len(bench.receipts()) > len(done)
    older.send(signal.SIGCONT)
    assert fenced(older.finish())
    newer.send(signal.SIGCONT)
    assert newer.finish().answer.get("status") == "Succeeded"
    payload.check()


def test_two_runs_into_one_folder(bench: Bench) -> None:
    """Each has its own staged files: what one cleans up is not what the other needs."""
    for n in range(2):
        source = bench.folder / f"source{n}"
        source.mkdir()
        for k in range(40):
            (source / f"{n}-{k}.bin").write_bytes(random.Random(k).randbytes(5000 + n))
    children = [
        bench.start(
            "copy",
            run=f"run{n}",
            source=f"{bench.folder}/source{n}/",
            sink=f"{bench.folder}/to/",
            options={},
            pause=0.005,
        )
        for n in range(2)
    ]
    assert [child.finish().code for child in children] == [0, 0]
    for n in range(2):
        for path in (bench.folder / f"source{n}").iterdir():
            assert Path(bench.folder, "to", path.name).read_bytes() == path.read_bytes()
    assert len(list((bench.folder / "to").iterdir())) == 80


def test_folders_that_others_remove_meanwhile(tmp_path: Path) -> None:
    """Who gives up removes the folders that it made, where they are empty; others may be making the same."""
    folder = tmp_path / "a" / "b" / "c"
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            for path in (folder, folder.parent, folder.parent.parent):
                with suppress(OSError):
                    path.rmdir()

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for _ in range(300):
            make_folder(str(folder))
    finally:
        ended.set()
        thread.join()
