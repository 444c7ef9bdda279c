"""Ctrl-C and SIGTERM on the real command, piped and on a terminal: it ends soon, and resuming goes on."""

from __future__ import annotations

import os
import pty
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_bench import wait_for
from fault_payloads import leftovers

from crossdock import CrossdockError, api

SIZE = 3 << 19
SLOW = ("--bandwidth", "1MB/s", "--block-size", "64KiB", "--run-id", "slow")
# A process of a job of its own, so that Ctrl-C typed on the terminal is for it alone.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'crossdock', *sys.argv[1:]])"
)


class Command:
    """``crossdock copy`` of one slow file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "from.bin").write_bytes(random.Random(3).randbytes(SIZE))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
        self.environment |= {"CROSSDOCK_HOME": str(folder / "home"), "PYTHONWARNINGS": "error"}
        self.stack = ExitStack()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "crossdock", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()

    def start_slow(self) -> subprocess.Popen[str]:
        """Start, and wait until some of the data has been carried."""
        process = self.start("copy", "from.bin", "to.bin", *SLOW)
        wait_for(lambda: self.splits() >= 3)
        return process

    def splits(self) -> int:
        try:
            return api.show("slow", self.folder / "home").splits_done
        except CrossdockError:
            return 0

    def check_resume(self) -> None:
        """The journal is there, nothing is visible, and resuming goes on from there."""
        done = self.splits()
        assert done >= 3
        assert api.show("slow", self.folder / "home").state == "interrupted"
        assert not (self.folder / "to.bin").exists()
        ended = self.start("runs", "resume", "slow", "--output", "json")
        out, errors = ended.communicate(timeout=60)
        assert ended.returncode == 0, errors
        assert f'"splitsSkipped": {done}' in out
        assert (self.folder / "to.bin").read_bytes() == (self.folder / "from.bin").read_bytes()
        assert leftovers(self.folder) == []


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    with command.stack:
        yield command


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_gracefully(command: Command, number: signal.Signals, code: int) -> None:
    process = command.start_slow()
    process.send_signal(number)
    out, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert out == ""
    assert errors.splitlines() == [
        "crossdock: the run was interrupted",
        "resume with: crossdock runs resume slow",
    ]
    command.check_resume()


def test_control_c_typed_on_a_terminal(command: Command) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, "copy", "from.bin", "to.bin", *SLOW],
        cwd=command.folder,
        env=command.environment | {"TERM": "xterm", "COLUMNS": "100"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    command.stack.callback(os.close, master)
    command.stack.callback(process.wait)
    command.stack.callback(process.kill)
    wait_for(lambda: command.splits() >= 3)
    os.write(master, b"\x03")
    screen = _everything(master)
    assert process.wait(timeout=10) == 130
    assert "Traceback" not in screen
    assert screen.rstrip().endswith("resume with: crossdock runs resume slow")
    command.check_resume()


def _everything(master: int) -> str:
    screen = b""
    try:
        while piece := os.read(master, 65536):
            screen += piece
    except OSError:  # the other side is closed
        pass
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", screen).decode()


# A source whose reads cannot be interrupted, as those of many drivers.
STUCK = """
import sys, threading
from crossdock_connectors.stores.file_store import FileStore
from crossdock.__main__ import main
entered = 0
def stuck(*args):
    global entered
    entered += 1
    if entered > 3:
        print("stuck", flush=True)
        threading.Event().wait()
    return real(*args)
real, FileStore.copy_block = FileStore.copy_block, stuck
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_wait_for_a_driver_that_hangs(
    command: Command, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, "copy", "from.bin", "to.bin", *SLOW, "--parallel-copies", "1"],
        cwd=command.folder,
        env=command.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    command.stack.callback(command._end, process)
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == (130 if number is signal.SIGINT else 143)
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "resume with: crossdock runs resume slow"
    command.check_resume()
