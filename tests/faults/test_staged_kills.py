"""SIGKILL in a staged copy: in a hop, between the hops, while the stage is removed; then resume or forget."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_bench import Bench, Outcome, wait_for
from fault_payloads import Payload, SqliteToParquet, leftovers

from crossdock import NotFoundError, api
from crossdock.journal import Journal

SEEDS = int(os.environ.get("CROSSDOCK_FAULT_SEEDS", "12"))
EVENTS = 500
"""About how many calls of failpoints an undisturbed staged copy makes."""


class ByStage(SqliteToParquet):
    """One table of a database, by a stage, into another database."""

    options: dict[str, Any] = {}  # noqa: RUF012 - of the instance

    def make(self) -> None:
        super().make()
        self.sink = self.sink.replace(".parquet", ".db")
        self.stage = self.folder / "stage"
        Path(self.sink).parent.mkdir()
        self.options = {"stage": str(self.stage)}
        self.address, self.sink = self.sink, f"sqlite:///{self.sink}#copied"

    def visible(self) -> bool:
        if not Path(self.address).exists():
            return False
        with closing(sqlite3.connect(self.address)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "copied" not in tables:
                return False
            rows = db.execute("SELECT id, word, part FROM copied ORDER BY id").fetchall()
        assert rows == list(zip(*(column.to_pylist() for column in self.table.columns), strict=True))
        return True

    def check(self) -> None:
        super().check()
        assert list(self.stage.iterdir()) == []
        with closing(sqlite3.connect(self.address)) as db:
            left = db.execute("SELECT name FROM sqlite_master WHERE name LIKE '_crossdock%'").fetchall()
        assert left in ([], [("_crossdock_ledger",)])


def receipts(bench: Bench) -> set[tuple[str, int]] | None:
    """Splits of both hops that need not be carried again; None for all of the first and more that is done."""
    found: set[tuple[str, int]] = set()
    for name, prefix in (("out", ""), ("into", "staged ")):
        path = bench.home / "runs" / f"{bench.run}.hops" / name / f"{bench.run}.db"
        if not path.is_file():
            continue
        try:
            with closing(Journal.open(path, lock=False)) as journal:
                rows = journal._query(
                    "SELECT CAST(name AS TEXT), idx FROM splits JOIN units USING (seq)"
                    " WHERE receipt IS NOT NULL"
                )
                if journal.get("state") == "succeeded":
                    count = journal.totals().splits
                    unit = "numbers"
                    rows = [(unit, index) for index in range(count)]
        except NotFoundError:
            continue
        found |= {(prefix + unit, index) for unit, index in rows}
    return found


def go_on(bench: Bench, payload: Payload, **given: Any) -> Outcome:
    if bench.state():
        return bench.resume(smallest_split=payload.smallest_split, **given)
    return bench.copy(payload, **given)


def hops_of(carried: set[tuple[str, int]]) -> set[str]:
    return {"into" if unit.startswith("staged ") else "out" for unit, _ in carried}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("point", "again"),
    [
        ("sink.begin:after:1", {"out", "into"}),
        ("journal.add_receipts:after:3", {"out", "into"}),
        ("sink.commit:after:1", {"into"}),
        ("journal.finish:before:1", {"into"}),
        ("journal.finish:after:1", {"into"}),
        ("sink.begin:before:2", {"into"}),
        ("sink.begin:after:2", {"into"}),
        ("sink.commit:before:2", set()),
        ("sink.commit:after:2", set()),
        ("journal.finish:before:2", set()),
        ("journal.finish:after:2", set()),
        ("os.rmdir:before:2", {"out", "into"}),
        ("journal.finish:before:3", set()),
    ],
)
def test_killed_at(bench: Bench, point: str, again: set[str], verify: bool) -> None:
    payload = ByStage(bench.folder)
    killed = bench.copy(payload, kill=point, options={"verify": verify})
    assert killed.killed, f"{point} was not reached: {killed}"
    payload.visible()
    done = receipts(bench)
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()
    assert hops_of(ended.carried) == again
    assert ended.carried.isdisjoint(done or set())
    assert len(ended.answer["carried"]) == ended.answer["done"] - len(done or ())
    assert ended.answer["skipped"] == len(done or ())
    assert ended.answer["verified"] is (True if verify else None)
    assert bench.state() == "succeeded"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    payload = ByStage(bench.folder)
    options = {
        "verify": chance.random() < 0.5,
        "keep_staging": False,
        "parallel_copies": chance.choice([1, 2]),
    }
    for left in range(3, -1, -1):
        done = receipts(bench) or set()
        point = f"any:{chance.choice(['before', 'after'])}:{chance.randrange(1, EVENTS)}"
        trouble = {"kill": point} if left else {}
        given = trouble if bench.state() else trouble | {"options": options}
        ended = go_on(bench, payload, **given)
        payload.visible()
        if not ended.killed:
            assert ended.answer.get("status") == "Succeeded", ended
            assert ended.carried.isdisjoint(done)
            break
    payload.check()
    assert bench.state() == "succeeded"


@pytest.mark.parametrize(
    "point",
    ["journal.add_receipts:after:3", "journal.finish:after:1", "sink.commit:before:2", "sink.begin:after:2"],
)
def test_forgotten(bench: Bench, point: str) -> None:
    payload = ByStage(bench.folder)
    assert bench.copy(payload, kill=point).killed
    assert list(payload.stage.iterdir())
    assert api.forget(bench.run, bench.home) == 0
    assert list(payload.stage.iterdir()) == []
    assert leftovers(bench.folder) == []
    assert not payload.visible()
    assert list((bench.home / "runs").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("keep", [False, True])
def test_interrupted(tmp_path: Path, number: signal.Signals, keep: bool) -> None:
    """Ctrl-C in the second hop: all is removed at once, or all is kept and resumed."""
    rows = "".join(f"{i},word {i}\n" for i in range(200_000))
    (tmp_path / "a.csv").write_text("id,word\n" + rows)
    environment = os.environ | {"CROSSDOCK_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "crossdock", "copy", "a.csv", "sqlite:///b.db#t", "--stage", "stage"]
    command += ["--bandwidth", "2MB/s", "--run-id", "r", *(["--keep-staging"] if keep else [])]
    child = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        second = tmp_path / "home" / "runs" / "r.hops" / "into" / "r.db"
        wait_for(second.exists, 60)
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == (130 if number is signal.SIGINT else 143), errors
    assert "Traceback" not in errors
    staged = sorted(path.name for path in (tmp_path / "stage").iterdir())
    if keep:
        assert staged == ["crossdock-stage-r"]
        result = api.resume("r", home=tmp_path / "home")
        assert result.hops[0].splits_skipped == result.hops[0].splits_done
        with closing(sqlite3.connect(tmp_path / "b.db")) as db:
            assert db.execute("SELECT count(*), sum(id) FROM t").fetchone() == (200_000, sum(range(200_000)))
    else:
        assert staged == []
        assert "resume" not in errors
        assert not list((tmp_path / "home" / "runs").iterdir())
        with closing(sqlite3.connect(tmp_path / "b.db")) as db:
            names = db.execute("SELECT name FROM sqlite_master").fetchall()
        assert [name for (name,) in names if not name.startswith("_crossdock_ledger")] in ([], names)
