"""One command as a process of its own: its wall time, CPU time and peak memory, children included."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossdock.bench.usage import descendants, resident

from .rig.data import DATA

ROOT = Path(__file__).resolve().parent.parent
_EVERY = 0.02


@dataclass(frozen=True)
class Sample:
    """One finished command: seconds of wall and CPU time, peak memory in MiB; of all its processes."""

    wall: float
    cpu: float
    peak: float


def once(template: str, values: Mapping[str, str], environment: Mapping[str, str]) -> Sample:
    """Run one command of a scenario, in a folder of its own below the data, which is removed after it."""
    folder = Path(tempfile.mkdtemp(dir=DATA, prefix="out-"))
    try:
        command = shlex.split(
            template.format(data=DATA, out=folder, python=shlex.quote(sys.executable), **values)
        )
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        program = shutil.which(command[0], path=path)
        if program is None:
            raise RuntimeError(f"there is no program {command[0]}")
        return measure([program, *command[1:]], folder, environment)
    finally:
        shutil.rmtree(folder)


def measure(command: list[str], folder: Path, environment: Mapping[str, str]) -> Sample:
    """Run one command in an empty folder of its own. Raises RuntimeError when it fails."""
    given = os.environ | {"CROSSDOCK_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)} | environment
    # With it every run compiles crossdock anew, which no installed crossdock does.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    with (folder / "stderr").open("wb+") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.DEVNULL, stderr=errors)
        together = _Together(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        peak = together.ended()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise RuntimeError(f"{Path(command[0]).name} exited with {child.returncode}: {lines[-1]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss / 1024)


class _Together:
    """The memory of all processes together as they run.

    What the system tells of one that has ended is no less than its parent had when it began it.
    """

    def __init__(self, root: int) -> None:
        self._root, self._peak, self._ended = root, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            processes = list(descendants(self._root))
            alone = len(processes) == 1
            now = _most(self._root) if alone else sum(map(resident, processes))
            self._peak = max(self._peak, now / (1 << 20))
            if self._ended.wait(_EVERY):
                return

    def ended(self) -> float:
        """The peak in MiB; 0 where the system does not tell."""
        self._ended.set()
        self._thread.join()
        return self._peak


def _most(process: int) -> int:
    """The most bytes that the process has had in memory; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)
