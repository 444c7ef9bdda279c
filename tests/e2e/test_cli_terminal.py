"""``crossdock`` on a terminal: a pseudo-terminal of 90 columns, and Ctrl-C typed on it."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
import fcntl  # noqa: E402
import termios  # noqa: E402

ROWS = 60_000
# Makes the terminal the controlling one, so that Ctrl-C means something, and becomes the command.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.screen = b""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CROSSDOCK_", "NO_COLOR"))}
        kept |= {"CROSSDOCK_HOME": str(folder / "home"), "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "CI", "TTY_COMPATIBLE"):
            kept.pop(name, None)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _ON_TERMINAL, "-P", "-m", "crossdock", *arguments],
            cwd=folder,
            env=kept | environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def read_until(self, pattern: str) -> None:
        """Read until the pattern was on the screen; fails when the process ends before."""
        while not re.search(pattern.encode(), self.screen):
            assert self._read(), self.text

    def finish(self) -> int:
        while self._read():
            pass
        return self.process.wait(timeout=30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def _read(self) -> bool:
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.screen += piece
        return bool(piece)

    @property
    def text(self) -> str:
        """What was on the screen over time, without the control sequences."""
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", self.screen)
        return plain.decode().replace("\r", "")


class Start(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> Terminal: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ``crossdock`` on a terminal; leaves no process behind, also when a test has failed."""
    with ExitStack() as stack:

        def start(*arguments: str, **environment: str) -> Terminal:
            terminal = Terminal(tmp_path, *arguments, **environment)
            stack.callback(terminal.close)
            return terminal

        yield start


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "words.csv"
    path.write_text("id,word\n" + "".join(f"{n},word number {n} of many words\n" for n in range(ROWS)))
    return path


SLOW = ("--bandwidth", "1MB/s", "--block-size", "128KiB")


def test_progress_then_a_summary(start: Start, tmp_path: Path, source: Path) -> None:
    terminal = start("copy", source.name, "out.csv", *SLOW)
    assert terminal.finish() == 0
    text = terminal.text
    assert f"copying  {source.name} → out.csv" in text
    assert re.search(r"\d of \d+\.?\d* MB +.*MB/s", text)
    assert re.search(r"(1 copy|\d parallel copies): \d", text)
    assert re.search(r"ETA \d+:\d\d", text)
    *_, summary = text.partition("✓")
    assert f"{source.name} → out.csv" in summary
    assert re.search(r"copied +.*1 file", summary)
    assert (tmp_path / "out.csv").read_bytes() == source.read_bytes()


def test_an_example_can_be_copied(start: Start) -> None:
    """On a narrow terminal, too: only the terminal itself goes on in the next row."""
    terminal = start("connectors", "delimited", COLUMNS="40")
    assert terminal.finish() == 0
    line = "crossdock copy orders.csv orders.parquet -s 'types=id:int64,total:decimal(10,2)'"
    assert f"  {line}\n" in terminal.text


def test_a_missing_secret_is_asked_for_unseen(start: Start, tmp_path: Path) -> None:
    site = str(Path(__file__).parents[1] / "connectors" / "site")
    path = {"PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")]))}
    options = ("-s", "fail=batch:RuntimeError", "-s", f"record={tmp_path}")
    broken = start(
        "copy", "rows://me:pw@here", f"shelf://{tmp_path}/shelf", "--run-id", "r", *options, **path
    )
    assert broken.finish() == 1
    terminal = start("runs", "resume", "r", **path)
    terminal.read_until("the source's address with password: ")
    terminal.type(b"rows://me:pw@here\n")
    assert terminal.finish() == 0
    assert "rows://me@here" in terminal.text
    assert "pw@" not in terminal.text


def test_the_cursor_is_shown_again(start: Start, tmp_path: Path, source: Path) -> None:
    terminal = start("copy", source.name, "out.csv")
    assert terminal.finish() == 0
    assert terminal.screen.rfind(b"\x1b[?25h") > terminal.screen.rfind(b"\x1b[?25l")


def test_no_color_is_respected(start: Start, tmp_path: Path, source: Path) -> None:
    colour = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|38|9[0-7])\b[0-9;]*m")
    coloured = start("copy", source.name, "a.csv")
    assert coloured.finish() == 0
    assert colour.search(coloured.screen)
    plain = start("copy", source.name, "b.csv", NO_COLOR="1")
    assert plain.finish() == 0
    assert not colour.search(plain.screen)


def test_a_dumb_terminal_gets_no_animation(start: Start, tmp_path: Path, source: Path) -> None:
    terminal = start("copy", source.name, "out.csv", TERM="dumb")
    assert terminal.finish() == 0
    assert b"\x1b" not in terminal.screen
    assert "copying" not in terminal.text


def test_control_c_ends_the_display_and_names_the_resume_line(
    start: Start, tmp_path: Path, source: Path
) -> None:
    terminal = start("copy", source.name, "out.csv", "--run-id", "slow", *SLOW)
    terminal.read_until("ETA")
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert "Traceback" not in terminal.text
    assert terminal.text.rstrip().endswith("resume with: crossdock runs resume slow")
    assert not (tmp_path / "out.csv").exists()
    again = start("runs", "resume", "slow")
    assert again.finish() == 0
    assert (tmp_path / "out.csv").read_bytes() == source.read_bytes()


# -- pipelines -------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline that waits, within a loop, and then is done."""
    wait = {"name": "Pause", "type": "Wait", "typeProperties": {"waitTimeInSeconds": "@item()"}}
    loop = {
        "name": "Each",
        "type": "ForEach",
        "typeProperties": {"items": "@createArray(0, 2)", "activities": [wait]},
    }
    folder = tmp_path / "factory" / "pipeline"
    folder.mkdir(parents=True)
    (folder / "slow.json").write_text(json.dumps({"name": "slow", "properties": {"activities": [loop]}}))
    return tmp_path / "factory"


def test_a_pipeline_shows_what_has_ended_and_what_goes_on(start: Start, pipeline: Path) -> None:
    terminal = start("run", str(pipeline), "slow")
    terminal.read_until(r"✓.*Pause \[0\]")
    terminal.read_until("2 activities in progress")
    terminal.read_until(r"Pause \[1\]  Wait  1\.\d+ s")
    assert terminal.finish() == 0
    *_, table = terminal.text.partition("┏")
    assert re.search(r"Pause \[1\] .*Wait .*Succeeded", table)
    assert re.search(r"Succeeded pipeline slow in .*\(3 succeeded\)", table)


def test_ctrl_c_says_how_a_pipeline_is_resumed(start: Start, pipeline: Path) -> None:
    terminal = start("run", str(pipeline), "slow", "--run-id", "it")
    terminal.read_until(r"✓.*Pause \[0\]")
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert "resume with: crossdock pipeline-runs resume it\n" in terminal.text
    again = start("pipeline-runs", "resume", "it")
    assert again.finish() == 0
    assert "Pause [0]" not in again.text.partition("┏")[0]
