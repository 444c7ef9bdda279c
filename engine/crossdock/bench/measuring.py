"""Runs one or more copies at once, each in a process of its own, and measures them together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..error_wire import unpack_error
from ..errors import InternalError, NotFoundError
from ..history import forget
from ..machine import cores, memory_room
from .scratch import Copy, Scratch
from .settings import Setting
from .usage import Busy, descendants, resident

_EVERY = 0.05
_PATIENCE = 15.0
"""Seconds in which a copy that is told to stop takes back what it has staged."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One or more copies at once. ``seconds``: from the first one's begin to the last one's end.

    ``amount`` is in bytes and ``rows``, of all copies. ``cpu`` and ``machine`` are shares of all cores, that
    of the copies and that of all that runs on the machine (None where the system does not tell). ``memory``:
    the largest sum of all processes in bytes, ``free`` the share of the machine's memory that was left at
    least. ``waiting``: shares of the workers' time by what they waited for. ``parallel`` is how many splits
    were carried at the same time in one copy, ``throttled`` how often servers asked for less.
    """

    seconds: float
    amount: int
    rows: int | None
    cpu: float
    machine: float | None
    memory: int
    free: float
    waiting: Mapping[str, float]
    parallel: int
    throttled: int
    files: bool

    @property
    def rate(self) -> float:
        """Bytes a second; rows where neither side says how many bytes there are."""
        return (self.amount or self.rows or 1) / max(self.seconds, 0.001)


@contextmanager
def home() -> Iterator[Path]:
    """A folder for the journals of the copies that are measured."""
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def measure(copy: Copy, setting: Setting, scratch: Scratch, folder: Path) -> Sample:
    """Run the copy under a setting, into targets of their own, which are removed whatever happens.

    Raises what the first copy that failed has raised; the others are stopped then.
    """
    running: list[_Running] = []
    # Goes on to the next one whatever happens to one, a second Ctrl-C for example.
    with ExitStack() as ends:
        busy = Busy.now()
        for _ in range(setting.jobs):
            target = scratch.target()
            ends.callback(scratch.remove, target)
            one = _Running(copy, setting, target, folder)
            running.append(one)
            ends.callback(one.forget, copy)
            ends.callback(one.stop)
        ends.callback(_stop_all, running)
        peak, free = _watch(running)
        share = busy.share()
        return _sample([each.answer() for each in running], peak, free, share)


class _Running:
    """A copy in a process of its own, which no Ctrl-C reaches but through us."""

    def __init__(self, copy: Copy, setting: Setting, target: str, folder: Path) -> None:
        # Databases have one place for what all runs stage.
        self.target, self._run_id = target, f"bench-{os.urandom(4).hex()}"
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        asked = {
            "source": copy.source,
            "sink": target,
            "options": {**copy.options, "parallel_copies": setting.parallel or "auto"}
            | ({} if setting.block is None else {"block_size": setting.block}),
            "run_id": self._run_id,
            "home": str(self._folder),
            "parent": os.getpid(),
        }
        with (self._folder / "answer").open("w") as out, (self._folder / "errors").open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crossdock.bench.job"],
                stdin=subprocess.PIPE, stdout=out, stderr=err, text=True, start_new_session=True,
            )  # fmt: skip
        with suppress(BrokenPipeError):  # it has died; its answer says so
            stdin = self.process.stdin
            assert stdin is not None  # noqa: S101 - a pipe was asked for
            with stdin:
                json.dump(asked, stdin)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def answer(self) -> dict[str, Any]:
        """What the copy said; raises its error."""
        try:
            found: dict[str, Any] = json.loads((self._folder / "answer").read_text())
        except ValueError:
            said = (self._folder / "errors").read_text().strip().splitlines() or ["it said nothing"]
            raise InternalError(
                f"a copy ended with {self.process.returncode} and without an answer: {said[-1]}"
            ) from None
        if "error" in found:
            raise unpack_error(found["error"])
        return found

    def tell_to_stop(self) -> None:
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Have it ended when this returns."""
        self.tell_to_stop()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def forget(self, copy: Copy) -> None:
        """Remove what a copy that did not succeed has left staged."""
        with suppress(NotFoundError):  # it left nothing
            forget(
                self._run_id, self._folder, sink=self.target, sink_options=copy.options.get("sink_options"),
                stage=copy.options.get("stage"), stage_options=copy.options.get("stage_options"),
            )  # fmt: skip


def _stop_all(running: list[_Running]) -> None:
    """At once, before each is waited for."""
    for each in running:
        each.tell_to_stop()


def _watch(running: list[_Running]) -> tuple[int, float]:
    """Wait for all, or for the first that fails: the most memory of all together, the least that was free."""
    peak, free = 0, memory_room()
    going = list(running)
    while going:
        peak = max(peak, sum(resident(one) for each in going for one in descendants(each.process.pid)))
        free = min(free, memory_room())
        for each in [each for each in going if each.ended]:
            each.answer()
            going.remove(each)
        time.sleep(_EVERY)
    return peak, free


def _sample(answers: list[dict[str, Any]], peak: int, free: float, share: float | None) -> Sample:
    ends = [(each["started"], each["started"] + each["seconds"]) for each in answers]
    seconds = max(end for _, end in ends) - min(start for start, _ in ends)
    reports = [each["report"] for each in answers]
    rows = [report["rowsCopied"] for report in reports if "rowsCopied" in report]
    waited: dict[str, float] = {}
    for report in reports:
        for reason, spent in report["crossdock"]["seconds"].items():
            waited[reason] = waited.get(reason, 0.0) + spent
    all_waits = sum(waited.values()) or 1.0
    return Sample(
        seconds=seconds,
        amount=sum(report["dataRead"] or report["dataWritten"] for report in reports),
        rows=sum(rows) if rows else None,
        cpu=min(1.0, sum(each["cpu"] for each in answers) / max(seconds, 0.001) / cores()),
        machine=share,
        memory=peak,
        free=free,
        waiting={reason: spent / all_waits for reason, spent in waited.items()},
        parallel=max(report["usedParallelCopies"] for report in reports),
        throttled=sum(report["crossdock"]["throttled"] for report in reports),
        files="filesWritten" in reports[0],
    )
