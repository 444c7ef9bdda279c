"""How much of this machine is used, by all and by a process with those that it has started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ..crew import idle_time


@dataclass(slots=True)
class Busy:
    """How much of all cores is used from now on, by whomever."""

    began: float
    idle: float

    @classmethod
    def now(cls) -> Busy:
        return cls(perf_counter(), idle_time())

    def share(self) -> float | None:
        """From 0 to 1; None where the system does not tell."""
        if not os.path.exists("/proc/stat"):
            return None
        total = (perf_counter() - self.began) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, 1 - (idle_time() - self.idle) / max(total, 0.001)))


def descendants(root: int) -> Iterator[int]:
    """The process and all below it; the process alone where the system does not tell."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text().split())
            except OSError:
                continue


def resident(process: int) -> int:
    """Bytes of memory that the process has; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
