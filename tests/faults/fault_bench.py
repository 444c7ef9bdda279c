"""Processes that copy, and that are killed while they do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_payloads import Payload

from crossdock import NotFoundError, api
from crossdock.journal import Journal

SERVER = Path(__file__).with_name("fault_nursery.py")


@dataclass
class Outcome:
    """How a process ended: the signal that killed it (0: none) and its answer."""

    code: int
    answer: dict[str, Any]
    errors: str

    @property
    def killed(self) -> bool:
        return self.code == -9

    @property
    def carried(self) -> set[tuple[str, int]]:
        return {(unit, index) for unit, index in self.answer["carried"]}


class Nursery:
    """The process of which all others are forked (``fault_nursery.py``)."""

    def __init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SERVER)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._ended: dict[int, int] = {}

    def start(self, **order: str) -> int:
        """Start a process; returns its number."""
        self._send(order)
        while True:
            pid, status = self._answer()
            if status == "started":
                return pid

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal; a process that has ended is left in peace."""
        self._send({"pid": pid, "signal": number})

    def _answer(self) -> tuple[int, str]:
        assert self._process.stdout is not None
        pid, status = self._process.stdout.readline().split()
        if status != "started":
            self._ended[int(pid)] = int(status)
        return int(pid), status

    def wait(self, pid: int) -> int:
        """Wait for its end; returns its exit code, or minus the signal that killed it."""
        while pid not in self._ended:
            self._answer()
        return self._ended[pid]

    def end(self) -> None:
        """End all that still run, too."""
        self._process.communicate(timeout=10)


class Child:
    """A process that runs ``fault_child.main``."""

    def __init__(self, nursery: Nursery, home: Path, answers: Path, **given: Any) -> None:
        self._nursery = nursery
        self._out, self._errors = answers.with_suffix(".out"), answers.with_suffix(".err")
        self.pid = nursery.start(
            given=json.dumps(given), home=str(home), out=str(self._out), errors=str(self._errors)
        )

    def wait_until_ready(self) -> None:
        """Wait until the work begins."""
        wait_for(lambda: self._errors.exists() and "ready" in self._errors.read_text())

    def finish(self) -> Outcome:
        code = self._nursery.wait(self.pid)
        errors = self._errors.read_text()
        assert "Traceback" not in errors, errors
        if code == -signal.SIGKILL:
            return Outcome(code, {}, errors)
        return Outcome(code, json.loads(self._out.read_text()), errors)

    def send(self, number: signal.Signals) -> None:
        self._nursery.signal(self.pid, number)

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        status = Path(f"/proc/{self.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    def end(self) -> None:
        self.send(signal.SIGKILL)
        self._nursery.wait(self.pid)


@dataclass
class Bench:
    """One test's processes, all with the same journals."""

    folder: Path
    nursery: Nursery
    run: str = "run"
    started: list[Child] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self, do: str, payload: Payload | None = None, **given: Any) -> Child:
        """Start a copy of the payload, or the resume of the run."""
        if payload is not None:
            options = {"parallel_copies": 1} | payload.options | given.pop("options", {})
            given |= {"source": payload.source, "sink": payload.sink, "options": options}
            given = {"smallest_split": payload.smallest_split} | given
        answers = self.folder / f"answers{len(self.started)}"
        child = Child(self.nursery, self.home, answers, do=do, **({"run": self.run} | given))
        self.started.append(child)
        return child

    def copy(self, payload: Payload, **given: Any) -> Outcome:
        return self.start("copy", payload, **given).finish()

    def resume(self, **given: Any) -> Outcome:
        return self.start("resume", **given).finish()

    def info(self) -> api.RunInfo:
        return api.show(self.run, self.home)

    def _journal(self) -> closing[Journal]:
        return closing(Journal.open(self.home / "runs" / f"{self.run}.db", lock=False))

    def fact(self, key: str) -> Any:
        """What the journal holds under that key."""
        with self._journal() as journal:
            return journal.get(key)

    def receipts(self) -> set[tuple[str, int]]:
        """Splits that the journal says need not be carried again."""
        with self._journal() as journal:
            rows = journal._query(
                "SELECT CAST(name AS TEXT), idx FROM splits JOIN units USING (seq) WHERE receipt IS NOT NULL"
            )
        return set(rows)

    def state(self) -> str:
        """The run's state; empty where it has not begun."""
        try:
            return self.info().state
        except NotFoundError:
            return ""


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until ``condition()`` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
