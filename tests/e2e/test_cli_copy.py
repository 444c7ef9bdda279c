"""``crossdock copy`` and ``crossdock runs`` as processes, piped: answers, exit codes, resuming."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROWS = 120_000


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of about 5 MB: id, and a text in which every seventh value is NA."""
    path = tmp_path_factory.mktemp("source") / "numbers.csv"
    with path.open("w") as out:
        out.write("id,word\n")
        for n in range(ROWS):
            out.write(f"{n},{'NA' if n % 7 == 0 else f'word number {n} of many words':36}\n")
    return path


class Shell:
    """Runs ``crossdock`` in a folder of its own, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
        self.environment["CROSSDOCK_HOME"] = str(folder / "home")
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "crossdock", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Leave no process behind, also when a test has failed."""
        for process in self._started:
            process.kill()
            if process.stdout and not process.stdout.closed:
                process.communicate()

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        return out, err

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        answer = json.loads(self(*arguments, "--output", "json", code=code)[0])
        assert isinstance(answer, dict)
        return answer

    def wait_for_splits(self, process: subprocess.Popen[str], run_id: str, share: float) -> tuple[int, int]:
        """Wait until that share of the splits has a receipt; returns (done, total)."""
        from crossdock import CrossdockError, api

        while process.poll() is None:
            try:
                run = api.show(run_id, home=self.folder / "home")
            except CrossdockError:  # not there yet, or just being made
                continue
            if run.splits_total and run.splits_done >= share * run.splits_total:
                return run.splits_done, run.splits_total
            time.sleep(0.02)
        pytest.fail(f"the copy ended before it could be interrupted: {process.communicate()[1]}")


@pytest.fixture
def crossdock(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.end()


def ids(parquet: Path) -> list[int]:
    found: list[int] = pq.read_table(parquet, columns=["id"])["id"].to_pylist()
    return sorted(found)


def test_piped_it_says_one_line(crossdock: Shell, numbers: Path) -> None:
    out, err = crossdock("copy", str(numbers), "out.parquet", "--run-id", "mine")
    assert err == ""
    assert len(out.splitlines()) == 1
    assert out.startswith(f"Succeeded {numbers} -> out.parquet: {ROWS:,} rows")
    assert out.rstrip().endswith("run mine")
    assert ids(crossdock.folder / "out.parquet") == list(range(ROWS))


@pytest.mark.parametrize("how", [("--verify-full",), ("--verify-full", "--verify"), ("--verify",)])
def test_how_it_was_verified_is_said(crossdock: Shell, numbers: Path, how: tuple[str, ...]) -> None:
    out, _ = crossdock("copy", str(numbers), "out.parquet", *how)
    said = "every value, run" if "--verify-full" in how else "every byte and the values of "
    assert f"contents verified: {said}" in out


def test_json_is_one_object_with_data_factory_names(crossdock: Shell, numbers: Path) -> None:
    answer = crossdock.json(
        "copy", str(numbers), "sqlite:///numbers.db", "--parallel-copies", "2", "--verify"
    )
    assert answer["status"] == "Succeeded"
    assert answer["rowsCopied"] == answer["rowsRead"] == ROWS
    # The line with the names is read once, for the schema, and is no data.
    assert answer["dataRead"] == numbers.stat().st_size - len("id,word\n")
    assert answer["usedParallelCopies"] in (1, 2)
    assert answer["dataConsistencyVerification"]["VerificationResult"] == "Verified"
    with closing(sqlite3.connect(crossdock.folder / "numbers.db")) as database:
        assert database.execute("SELECT count(*), sum(id) FROM numbers").fetchone() == (
            ROWS,
            ROWS * (ROWS - 1) // 2,
        )


def test_an_option_from_the_environment(crossdock: Shell, numbers: Path) -> None:
    crossdock.environment["NOTHING"] = "NA".ljust(36)
    crossdock("copy", str(numbers), "out.parquet", "-s", "null_value=env:NOTHING")
    words = pq.read_table(crossdock.folder / "out.parquet", columns=["word"])["word"]
    assert words.null_count == len(range(0, ROWS, 7))


def test_a_sink_that_exists(crossdock: Shell, numbers: Path) -> None:
    there = crossdock.folder / "out.parquet"
    there.write_bytes(b"precious")
    answer = crossdock.json("copy", str(numbers), "out.parquet", code=2)
    assert answer["status"] == "Failed"
    assert answer["error"]["errorCode"] == "AlreadyExists"
    assert answer["error"]["failureType"] == "UserError"
    out, err = crossdock("copy", str(numbers), "out.parquet", code=2)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert there.read_bytes() == b"precious"
    crossdock("copy", str(numbers), "out.parquet", "--mode", "overwrite")
    assert ids(there) == list(range(ROWS))


def test_a_dry_run_writes_nothing(crossdock: Shell, numbers: Path) -> None:
    out, _ = crossdock("copy", str(numbers), "out.parquet", "--dry-run")
    assert out.startswith("Planned ")
    assert not (crossdock.folder / "out.parquet").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--memory", "much"), ("--bandwidth", "fast"), ("--block-size", "-1")]
)
def test_a_limit_that_is_no_size(crossdock: Shell, numbers: Path, option: str, value: str) -> None:
    _, err = crossdock("copy", str(numbers), "out.parquet", option, value, code=2)
    assert value in err
    assert len(err.splitlines()) == 1


def test_runs_list_show_and_forget(crossdock: Shell, numbers: Path) -> None:
    assert crossdock("runs") == ("", "crossdock: no runs yet\n")
    crossdock("copy", str(numbers), "out.parquet", "--run-id", "first")
    crossdock("copy", str(numbers), "copy.csv", "--run-id", "second")
    listed = crossdock.json("runs")["runs"]
    assert [run["runId"] for run in listed] == ["second", "first"]
    assert crossdock.json("runs", "list")["runs"] == listed
    assert [line.split()[:2] for line in crossdock("runs")[0].splitlines()[1:]] == [
        ["second", "succeeded"],
        ["first", "succeeded"],
    ]
    first = crossdock.json("runs", "show", "first")
    assert first["state"] == "succeeded"
    assert first["output"]["rowsCopied"] == ROWS
    assert f"{ROWS:,}" in crossdock("runs", "show", "first")[0]
    assert crossdock("runs", "forget", "first")[0] == "forgot first\n"
    assert [run["runId"] for run in crossdock.json("runs")["runs"]] == ["second"]
    _, err = crossdock("runs", "show", "first", code=2)
    assert "first" in err
    assert (crossdock.folder / "out.parquet").exists()


def interrupted(crossdock: Shell, numbers: Path, by: signal.Signals) -> tuple[int, int, str, str, int]:
    """Start a slow copy and end it half-way."""
    slow = ("--bandwidth", "2MB/s", "--block-size", "256KiB", "--parallel-copies", "1")
    process = crossdock.start("copy", str(numbers), "out.csv", "--run-id", "slow", *slow)
    done, total = crossdock.wait_for_splits(process, "slow", 0.4)
    process.send_signal(by)
    out, err = process.communicate(timeout=30)
    assert total > 3
    assert not (crossdock.folder / "out.csv").exists()
    return done, total, out, err, process.returncode


def test_a_killed_copy_resumes_without_redoing_what_was_done(crossdock: Shell, numbers: Path) -> None:
    done, total, *_ = interrupted(crossdock, numbers, signal.SIGKILL)
    assert crossdock.json("runs", "show", "slow")["state"] == "interrupted"
    assert "crossdock runs resume slow" in crossdock("runs", "show", "slow")[0]
    answer = crossdock.json("runs", "resume", "slow")
    assert answer["crossdock"]["splitsSkipped"] >= done
    assert answer["crossdock"]["splitsDone"] == total
    assert (crossdock.folder / "out.csv").read_bytes() == numbers.read_bytes()


def test_an_interrupted_copy_says_how_to_go_on(crossdock: Shell, numbers: Path) -> None:
    done, _, out, err, code = interrupted(crossdock, numbers, signal.SIGINT)
    assert (code, out) == (130, "")
    first, *_, last = err.splitlines()
    assert first.startswith("crossdock: ")
    assert last == "resume with: crossdock runs resume slow"
    assert "Traceback" not in err
    out, _ = crossdock(*last.removeprefix("resume with: crossdock ").split())
    assert "splits were already done" in out
    assert done > 0
    assert (crossdock.folder / "out.csv").read_bytes() == numbers.read_bytes()
