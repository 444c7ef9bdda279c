"""Processes that copy, and that are killed while they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_payloads import Payload

from crossdock import NotFoundError, api
from crossdock.journal import Journal

CHILD = Path(__file__).with_name("fault_child.py")


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


class Child:
    """A running ``fault_child.py``."""

    def __init__(self, home: Path, **given: Any) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CROSSDOCK_")}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(CHILD), json.dumps(given)],
            env=environment | {"CROSSDOCK_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> None:
        """Wait until everything is imported and the work begins."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line == "ready\n", line + self.process.stderr.read()

    def finish(self, timeout: float = 60) -> Outcome:
        out, errors = self.process.communicate(timeout=timeout)
        code = self.process.returncode
        assert "Traceback" not in errors, errors
        if code == -9:
            return Outcome(code, {}, errors)
        assert out, errors
        return Outcome(code, json.loads(out), errors)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.process.wait()


@dataclass
class Bench:
    """One test's processes, all with the same journals."""

    folder: Path
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
        child = Child(self.home, do=do, **({"run": self.run} | given))
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
