"""``crossdock bench sweep`` with real copies: what it answers, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crossdock
from crossdock import ConfigError
from crossdock.bench.advice import advise
from crossdock.bench.answer import read
from crossdock.bench.scratch import Copy, scratch
from crossdock.bench.settings import Setting, Tried
from crossdock.bench.sweep import Findings, sweep
from crossdock.bench.usage import descendants, resident
from crossdock.cli.main import run

SMALL = ["--parallel-copies", "2", "--block-size", "none", "--concurrent-jobs", "none", "--runs", "3"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("n,t\n" + "".join(f"{n},row {n}\n" for n in range(2000)))
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def measured(source: str, sink: str, tried: Tried, *, in_place: bool = False, **options: Any) -> Findings:
    return sweep(
        Copy(source, sink, options), tried, runs=1, grid=False, in_place=in_place, tell=lambda step: None
    )


def test_it_recommends_and_leaves_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "out.parquet").write_text("mine")
    command = ["bench", "sweep", "in.csv", "out.parquet", *SMALL, "--html", "a.html", "--png", "a.png"]
    assert run([*command, "--output", "json"]) == 0
    out, err = capfd.readouterr()
    answer = json.loads(out)
    assert answer["recommendation"]["parallelCopies"] == 2
    assert answer["recommendation"]["next"] in ("scale up", "scale out", "neither")
    points = answer["series"][0]["points"]
    assert [point["parallelCopies"] for point in points] == ["auto", 2]
    assert all(len(point["rates"]) == 3 and point["bytesPerSecond"] > 0 for point in points)
    assert "run 7 of 7: parallelCopies 2" in err
    assert (folder / "out.parquet").read_text() == "mine"
    assert left(folder) == ["a.html", "a.png", "in.csv", "out.parquet"]
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "a.html").read_text()
    assert "<svg" in page
    assert "parallelCopies" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")
    (folder / "first.json").write_text(out)
    assert read(folder / "first.json") == answer


def test_all_three_settings_and_what_a_copy_says_of_itself(folder: Path) -> None:
    found = measured("in.csv", "new/out.parquet", Tried((1,), (4 << 20,), (1, 2)))
    assert [series.dimensions for series in found.series] == [("parallel",), ("block",), ("jobs",)]
    both = found.series[-1].points[-1]
    assert both.setting.jobs == 2
    assert all(each.rows == 4000 and each.memory > 10**7 for each in both.samples)
    assert all(sum(each.waiting.values()) == pytest.approx(1) for each in both.samples)
    assert advise(found).setting.block == 4 << 20
    assert left(folder) == ["in.csv"]


def test_options_of_the_copy_count(folder: Path) -> None:
    """A mapping that does not fit is the copy's own error, before anything is measured."""
    with pytest.raises(crossdock.SchemaMismatchError, match="no column"):
        measured("in.csv", "out.parquet", Tried((1,)), map="nothing=n")
    assert left(folder) == ["in.csv"]


def test_tables_go_into_tables_of_their_own(folder: Path) -> None:
    crossdock.copy("in.csv", "sqlite:///a.db#mine")
    found = measured("in.csv", "sqlite:///a.db#mine", Tried((1,), (4 << 20,)))
    assert [series.dimensions for series in found.series] == [("parallel",)]
    assert [entry.entry.name for entry in crossdock.browse("sqlite:///a.db").found] == ["mine"]
    assert crossdock.preview("sqlite:///a.db#mine", rows=0).more


def test_tables_of_a_server_in_a_schema(folder: Path, database: str) -> None:
    found = measured("in.csv", f"{database}#public.mine", Tried((1,)))
    assert found.chosen.samples[0].rows == 2000
    assert not crossdock.browse(f"{database}#public.").found


@pytest.mark.parametrize(
    ("schema", "quotes"), [("", True), ("Own.", True), ('"a.b".', True), ("own.", False)]
)
def test_the_very_table_that_was_created_is_dropped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, schema: str, quotes: bool
) -> None:
    """No database that folds names to upper case, or quotes them otherwise, can be had here."""
    said: list[str] = []

    def run_script(where: str, text: str, *, options: dict[str, str]) -> None:
        if '"' in text and not quotes:
            raise ConfigError("a syntax error")
        said.append(text)

    monkeypatch.setattr("crossdock.bench.scratch.run_script", run_script)
    places = scratch(Copy("in.csv", f"sqlite:///a.db#{schema}mine", {}), in_place=False)
    target = places.target()
    places.remove(target)
    name = target.rpartition(".")[2].rpartition("#")[2]
    written = {"": f'"{name}"', "Own.": f'"Own"."{name}"', '"a.b".': f'"a.b"."{name}"', "own.": f"own.{name}"}
    assert said[1:] == [f"DROP TABLE IF EXISTS {written[schema]}"]


def test_a_sink_that_is_a_folder(folder: Path) -> None:
    (folder / "many").mkdir()
    (folder / "out").mkdir()
    for number in range(3):
        (folder / "many" / f"{number}.bin").write_bytes(os.urandom(1000))
    (folder / "out" / "0.bin").write_text("mine")
    found = measured("many/", "out", Tried((), (4 << 20,)))
    assert found.chosen.samples[0].amount == 3000
    assert left(folder / "out") == ["0.bin"]
    assert (folder / "out" / "0.bin").read_text() == "mine"


def test_in_place_has_to_be_asked_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "out.parquet").write_text("mine")
    assert run(["bench", "sweep", "in.csv", "out.parquet", "--in-place"]) == 2
    assert "--mode overwrite" in capfd.readouterr().err
    with pytest.raises(ConfigError, match="--concurrent-jobs none"):
        measured("in.csv", "out.parquet", Tried((1,), (), (1, 2)), in_place=True, mode="overwrite")
    assert (folder / "out.parquet").read_text() == "mine"
    measured("in.csv", "out.parquet", Tried((1,)), in_place=True, mode="overwrite")
    assert crossdock.preview("out.parquet", rows=0).more


@pytest.mark.parametrize(
    ("sink", "options", "sentence"),
    [
        ("sqlite:///a.db", {}, "names no table"),
        ("out.csv", {"source_options": {"deleteFilesAfterCompletion": "true"}}, "moves the source"),
        ("out.csv", {"source_options": {"storedProcedure": "next_number"}}, "reads many times"),
        ("sqlite:///a.db#t", {"sink_options": {"preCopyScript": "DELETE FROM mine"}}, "runs your own SQL"),
    ],
)
def test_what_would_change_something_of_the_users_is_refused(
    folder: Path, sink: str, options: dict[str, Any], sentence: str
) -> None:
    crossdock.copy("in.csv", "sqlite:///a.db#mine")
    with pytest.raises(ConfigError, match=sentence):
        measured("in.csv", sink, Tried((1,)), **options)
    assert crossdock.preview("sqlite:///a.db#mine", rows=0).more


@pytest.mark.parametrize(
    "arguments",
    [
        ["--parallel-copies", "1,x"],
        ["--block-size", "4;8"],
        ["--parallel-copies", "none", "--block-size", "none", "--concurrent-jobs", "none"],
        ["--confirm", "in.csv"],
        ["--confirm", "missing.json"],
        ["--png", "missing/a.png"],
    ],
)
def test_a_wrong_request_is_refused_at_once(
    folder: Path, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "sweep", "in.csv", "out.csv", *arguments]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert left(folder) == ["in.csv"]


def test_a_setting_that_fails_is_left_out_with_its_reason(folder: Path) -> None:
    found = measured(
        "in.csv", "out.csv", Tried((), (4 << 20, 8 << 20)), sink_options={"block_size_in_mb": "8"}
    )
    assert found.chosen.setting.block == 8 << 20
    assert [setting.block for setting in found.left_out] == [4 << 20]
    assert "are two sizes" in str(found.left_out[Setting(None, 4 << 20)])
    assert left(folder) == ["in.csv"]


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, kill: signal.Signals
) -> None:
    (folder / "big").write_bytes(os.urandom(8 << 20))
    scratch = tmp_path_factory.mktemp("scratch")
    command = ["bench", "sweep", "big", "out/big", "--bandwidth", "2MB/s", "--concurrent-jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "crossdock", *command],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    try:
        assert until(lambda: any(path.startswith("crossdock_bench") for path in left(folder)))
        process.send_signal(kill)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (130 if kill is signal.SIGINT else 143)
    assert "interrupted" in said
    assert left(folder) == ["big", "in.csv"]
    assert left(scratch) == []


def test_a_sweep_that_is_killed_takes_its_copies_along(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "big").write_bytes(os.urandom(8 << 20))
    scratch = tmp_path_factory.mktemp("scratch")
    process = subprocess.Popen(
        [sys.executable, "-m", "crossdock", "bench", "sweep", "big", "out/big", "--bandwidth", "10kB/s"],
        stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    try:
        assert until(lambda: any(path.startswith("crossdock_bench") for path in left(folder)))
        (copy,) = [pid for pid in descendants(process.pid) if pid != process.pid]
    finally:
        process.kill()
        process.wait()
    assert until(lambda: not resident(copy))


def test_what_a_driver_prints_does_not_disturb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "noisy").mkdir()
    (folder / "noisy" / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.orig_argv[-1] == 'crossdock.bench.job':\n"
        "    import crossdock_connectors.formats.delimited as d\n"
        "    old = d.SPEC.open_format\n"
        "    def loud(config):\n"
        "        print('a line on standard output')\n"
        "        return old(config)\n"
        "    object.__setattr__(d.SPEC, 'open_format', loud)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{folder / 'noisy'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert measured("in.csv", "out.parquet", Tried((1,))).chosen.samples[0].rows == 2000


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_what_holds_a_copy_back_is_found(folder: Path) -> None:
    (folder / "big").write_bytes(os.urandom(2 << 20))
    found = measured("big", "out", Tried((1,)), bandwidth="4MB/s")
    advice = advise(found)
    assert (advice.limit, advice.next) == ("throttled", "neither")
    assert found.chosen.rate < 5e6


def test_secrets_are_on_no_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    begin = subprocess.Popen

    def watched(command: list[str], **options: Any) -> Any:
        seen.append(command)
        return begin(command, **options)

    monkeypatch.setattr(subprocess, "Popen", watched)
    measured("in.csv", "out.csv", Tried((1,)), source_options={"null_value": "hunter2"})
    assert len(seen) == 3
    assert not any("hunter2" in word or "in.csv" in word for command in seen for word in command)
