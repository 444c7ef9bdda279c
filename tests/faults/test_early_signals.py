"""Ctrl-C and SIGTERM before any data moves: the run that was asked for can be resumed all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossdock import api

UNITS = 6
# The command itself, and a signal that arrives as a certain call of its main thread begins or ends.
INTERRUPTED = """
import os, signal, sys, threading
from importlib import import_module
from crossdock.__main__ import main
where, when, nth = sys.argv[1], sys.argv[2], int(sys.argv[3])
module, _, path = where.partition(":")
owner, names = import_module(module), path.split(".")
for name in names[:-1]:
    owner = getattr(owner, name)
real, calls = getattr(owner, names[-1]), 0
def call(*args, **kwargs):
    global calls
    calls += threading.current_thread() is threading.main_thread()
    mine = calls == nth and threading.current_thread() is threading.main_thread()
    if mine and when == "before":
        os.kill(os.getpid(), signal.SIGINT)
    result = real(*args, **kwargs)
    if mine and when == "after":
        os.kill(os.getpid(), signal.SIGINT)
    return result
setattr(owner, names[-1], call)
del sys.argv[1:4]
main()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    site = Path(__file__).parents[1] / "connectors" / "site"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return environment | {
        "CROSSDOCK_HOME": str(tmp_path / "home"), "PYTHONPATH": path, "PYTHONWARNINGS": "error",
    }  # fmt: skip


def _copy(tmp_path: Path, **options: str) -> list[str]:
    given = {"units": str(UNITS), "rows": "20", "splits": "2", "record": str(tmp_path), **options}
    return [
        "copy", "rows://here", f"shelf://{tmp_path}/shelf", "--run-id", "r", "--parallel-copies", "2",
        *(text for key, value in given.items() for text in ("-s", f"{key}={value}")),
    ]  # fmt: skip


def _events(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    path = tmp_path / "record.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [event for event in events if event["event"] == kind]


def _check(tmp_path: Path, environment: dict[str, str], errors: str) -> None:
    """The run says how to go on, and does; nothing was visible before that was not whole."""
    assert errors.splitlines() == [
        "crossdock: the run was interrupted",
        "resume with: crossdock runs resume r",
    ]
    assert api.show("r", Path(environment["CROSSDOCK_HOME"])).state == "interrupted"
    (tmp_path / "record.jsonl").unlink(missing_ok=True)
    resume = [sys.executable, "-m", "crossdock", "runs", "resume", "r"]
    ended = subprocess.run(resume, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    manifests = sorted((tmp_path / "shelf").glob("*.json"))
    assert [path.stem for path in manifests] == [f"t{number}" for number in range(UNITS)]
    files = sorted(name for path in manifests for name in json.loads(path.read_text())["files"])
    assert len(files) == len(set(files)) == 2 * UNITS


@pytest.mark.parametrize(
    "where",
    [
        "crossdock.prepare:open_source before 1",
        "crossdock.prepare:open_sink after 1",
        "crossdock.journal:Journal.next_epoch after 1",
        "crossdock.journal:Journal.add_units after 2",
        "crossdock.run:Dispatcher before 1",
        "threading:Thread.start before 1",
        "threading:Thread.start after 1",
        "threading:Thread.start after 2",
        "crossdock.run:Run._result before 1",
        "crossdock.run:Run.close before 1",
    ],
)
def test_at_a_certain_call(tmp_path: Path, environment: dict[str, str], where: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, *where.split(), *_copy(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 130, ended.stderr
    _check(tmp_path, environment, ended.stderr)


@pytest.mark.parametrize(
    ("page", "number", "code"), [(0, signal.SIGINT, 130), (1, signal.SIGTERM, 143), (2, signal.SIGINT, 130)]
)
def test_while_a_store_lists_slowly(
    tmp_path: Path, environment: dict[str, str], page: int, number: signal.Signals, code: int
) -> None:
    """Listing goes on behind the last page that arrived."""
    options = _copy(tmp_path, fail="units:wait", **({"fail_skip": str(page)} if page else {}))
    command = [sys.executable, "-m", "crossdock", *options]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while not _events(tmp_path, "failed"):
                assert process.poll() is None, process.stderr.read()
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == code
    assert not (tmp_path / "shelf").exists()
    _check(tmp_path, environment, errors)
    assert [event["start"] for event in _events(tmp_path, "listed")] == list(range(2 * page + 2, UNITS, 2))


def test_while_modules_are_imported(tmp_path: Path, environment: dict[str, str]) -> None:
    """Nothing has begun: one line, no traceback."""
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pydantic': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from crossdock.__main__ import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *_copy(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "crossdock: interrupted\n")
    assert not Path(environment["CROSSDOCK_HOME"]).exists()
