"""The commands of the tutorial and of the recipes, each run for real and compared with the page.

In a ```console block ``$`` begins a command, what follows is its output, ``...`` stands for any lines
or any text, and ``^C`` is typed once part of the run is done. A ```python block is a program, and a
```text block behind it its output. Times, rates and run ids may differ from the page.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossdock import CrossdockError, api
from crossdock_connectors.demo import unpack_tables

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
import fcntl  # noqa: E402
import termios  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(console|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
VARYING = [
    (r"\b\d{8}-\d{6}-[0-9a-f]{6}\b", "ID"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "WHEN"),
    (r"\d+ of \d+ splits", "N of M splits"),
    (r"^( *in) .*/s\)$", r"\1 T"),
    (r"^(parallel|bytes|rows) .*", r"\1 X"),
]


@dataclass(frozen=True)
class Step:
    """A command, or a program, and what it prints."""

    command: str
    output: str = ""
    language: str = "console"

    @property
    def exit_code(self) -> int:
        last = self.output.strip().rpartition("\n")[2]
        if self.output.startswith("^C"):
            return 130
        return 2 if last.startswith(("crossdock: ", "ls: ")) else 0


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    for language, body in FENCE.findall(page.read_text()):
        if language == "text":
            found[-1] = Step(found[-1].command, body, found[-1].language)
        elif language == "python":
            found.append(Step(body, "", language))
        else:
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(Step(command, output))
    return found


class Shell:
    """A terminal of 110 columns for results, a file for complaints; ``cd`` is remembered."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
        self._environment |= {
            "CROSSDOCK_HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        self._environment.pop("COLUMNS", None)

    def run(self, step: Step) -> tuple[str, int]:
        """What the step printed, and its exit code."""
        if step.command.startswith("cd "):
            self.folder /= step.command.removeprefix("cd ")
            return "", 0
        # With exec the interrupt below meets crossdock and not a shell around it.
        command = ["sh", "-c", f"exec {step.command}" if step.output.startswith("^C") else step.command]
        if step.language == "python":
            command = [sys.executable, "-P", "-c", step.command]
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        # Not the terminal for stderr: the live display would be drawn over what is compared.
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=slave,
                stdout=slave,
                stderr=errors,
                start_new_session=True,
            )
            os.close(slave)
            try:
                if step.output.startswith("^C"):
                    self._interrupt(process, step.command.rpartition("--run-id ")[2])
                printed = b"".join(_read(master)).replace(b"\r\n", b"\n")
                code = process.wait(timeout=60)
            finally:
                process.kill()
                process.wait()
                os.close(master)
            errors.seek(0)
            return CONTROL.sub(b"", printed + errors.read()).decode(), code

    def _interrupt(self, process: subprocess.Popen[bytes], run_id: str) -> None:
        while process.poll() is None:
            try:
                run = api.show(run_id, home=self.home)
            except CrossdockError:  # not there yet, or just being made
                run = None
            if run and run.splits_done >= 2:
                os.killpg(process.pid, signal.SIGINT)
                return
            time.sleep(0.02)


def _read(master: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux: the other side is closed
            return
        if not piece:
            return
        yield piece


def comparable(text: str) -> str:
    """Without what differs from run to run."""
    lines = [line.rstrip() for line in text.removeprefix("^C\n").splitlines()]
    for pattern, replacement in VARYING:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    return "".join(f"{line}\n" for line in lines)


def as_pattern(output: str) -> str:
    """``...`` on a line of its own is any number of lines; within one, any text."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in comparable(output).splitlines()
    ]
    return "".join(lines)


def follow(page: Path, shell: Shell) -> str:
    """Run all steps of a page; returns everything that they printed."""
    transcript = ""
    for step in steps(page):
        printed, code = shell.run(step)
        transcript += printed
        about = f"{page.name}: {step.command}\nprints (exit code {code}):\n{printed}"
        assert code == step.exit_code, about
        assert re.fullmatch(as_pattern(step.output), comparable(printed)), about
    return transcript


@pytest.mark.timeout(300)
def test_tutorial(tmp_path: Path) -> None:
    transcript = follow(DOCS / "tutorial.md", Shell(tmp_path))
    out = tmp_path / "tour" / "out"
    whole, resumed = pq.read_table(out / "flights.parquet"), pq.read_table(out / "slow.parquet")
    assert whole.num_rows == 336_776
    assert resumed.equals(whole)
    assert whole.schema.field("dep_delay").type == pa.int64()
    kept = re.search(r"resumed +(\d+) of (\d+) splits were already done", transcript)
    assert kept
    assert 2 <= int(kept[1]) < int(kept[2])


RECIPES = [page for page in sorted((DOCS / "how-to").glob("*.md")) if "```console\n" in page.read_text()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_recipes(page: Path, tmp_path: Path) -> None:
    """Each page alone, in a folder that has the tutorial's data."""
    unpack_tables(tmp_path / "csv")
    assert follow(page, Shell(tmp_path))


def test_a_page_that_is_wrong_is_found() -> None:
    pattern = as_pattern("copied 5 rows\n...\nrun 20250102-030405-abcdef\n")
    assert re.fullmatch(pattern, comparable("copied 5 rows\nin 2 s\nrun 20260102-030405-123456\n"))
    assert not re.fullmatch(pattern, comparable("copied 6 rows\nin 2 s\nrun 20260102-030405-123456\n"))
    assert not re.fullmatch(pattern, comparable("copied 5 rows\n"))
