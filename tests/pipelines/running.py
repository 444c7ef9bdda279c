"""Pipelines made by tests, run by the interpreter over a real record, with an activity that leaves traces."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from crossdock import AdfProperties, ConfigError
from crossdock_scheduler.pipeline import activity_types as types
from crossdock_scheduler.pipeline.activity_types import ActivityType, Attempt, register
from crossdock_scheduler.pipeline.definitions import Definition, Factory, Place
from crossdock_scheduler.pipeline.expressions import evaluate
from crossdock_scheduler.pipeline.run import ActivityRun, Interpreter, PipelineRun, Threads
from crossdock_scheduler.pipeline.run.local_store import LocalStore

_writing = threading.Lock()


def note(attempt: Attempt) -> Mapping[str, Any]:
    """Writes a line to a file when it begins. ``fails``: so many attempts fail; ``seconds``: it takes long;
    ``output``: what it returns."""
    given = AdfProperties(evaluate(dict(attempt.activity.read().inner("typeProperties")), attempt.scope))
    path = Path(given.text("file"))
    with _writing:
        with path.open("a") as file:
            file.write(f"{given.text('line')}\n")
        count = path.read_text().splitlines().count(given.text("line"))
    deadline = time.monotonic() + float(given.get("seconds") or 0)
    while time.monotonic() < deadline and not (given.flag("heeds", True) and attempt.cancel.is_set()):
        time.sleep(0.01)
    if count <= int(given.get("fails") or 0):
        raise ConfigError(f"attempt {count} fails")
    output = given.get("output")
    return output if isinstance(output, Mapping) else {"count": count}


@contextmanager
def notes_allowed() -> Iterator[None]:
    """Makes ``Note`` a type of activity."""
    types.activity_types()
    register(ActivityType("Note", "writes a line", lambda *_: [], note))
    try:
        yield
    finally:
        del types._TYPES["note"]


def activity(name: str, kind: str, after: str | Sequence[str] = (), /, **properties: Any) -> dict[str, Any]:
    """An activity. ``after``: names, each with its own condition as in ``A:Failed,Skipped``."""
    names = [after] if isinstance(after, str) else after
    top = {key: properties.pop(key) for key in ("policy", "state", "onInactiveMarkAs") if key in properties}
    depends = []
    for each in names:
        target, _, conditions = each.partition(":")
        depends.append({"activity": target, "dependencyConditions": (conditions or "Succeeded").split(",")})
    return {"name": name, "type": kind, "dependsOn": depends, "typeProperties": properties} | top


@dataclass
class Ran:
    """A pipeline run and what its record holds."""

    run: PipelineRun
    activities: list[ActivityRun]
    pipelines: list[PipelineRun]

    @property
    def status(self) -> str:
        return self.run.status

    def of(self, name: str) -> list[ActivityRun]:
        return [each for each in self.activities if each.activity == name]

    def one(self, name: str) -> ActivityRun:
        (found,) = self.of(name)
        return found

    def statuses(self) -> dict[str, str]:
        return {each.activity: each.status for each in self.activities}


@dataclass
class Bench:
    """Pipelines by name, run one after the other over the records below ``home``."""

    home: Path
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: tuple[Definition, ...] = ()
    grace: float = 1.0

    @property
    def trace(self) -> Path:
        return self.home / "trace.txt"

    def lines(self) -> list[str]:
        return self.trace.read_text().splitlines() if self.trace.exists() else []

    def note(self, name: str, after: str | Sequence[str] = (), line: str = "", **more: Any) -> dict[str, Any]:
        return activity(name, "Note", after, file=str(self.trace), line=line or name, **more)

    def add(self, name: str, activities: list[dict[str, Any]], **more: Any) -> None:
        self.pipelines[name] = {"activities": activities} | more

    def factory(self) -> Factory:
        made = [
            Definition("pipeline", name, properties, Place(f"pipeline/{name}.json"))
            for name, properties in self.pipelines.items()
        ]
        return Factory("bench", (*made, *self.others))

    def run(
        self, *activities: dict[str, Any], run_id: str = "", parameters: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None, cancel_after: float | None = None, **more: Any,
    ) -> Ran:  # fmt: skip
        """Run ``main``, or go on with the run of that id."""
        if activities:
            kinds = {str: "String", int: "Int", list: "Array"}
            declared = {name: {"type": kinds[type(each)]} for name, each in (parameters or {}).items()}
            declared |= {name: {"type": "SecureString"} for name in secrets or {}}
            self.add("main", list(activities), parameters=declared, **more)
        run_id = run_id or f"run-{time.time_ns()}"
        run = PipelineRun(run_id, "main", datetime.now(UTC), parameters or {})
        try:
            store = LocalStore.open(run_id, self.home)
        except Exception:  # noqa: BLE001 - it is a new one
            store = LocalStore.create(run_id, {}, self.home)

        async def work() -> PipelineRun | None:
            with anyio.move_on_after(cancel_after):
                async with Threads(self.grace) as carrier:
                    return await Interpreter(self.factory(), store, carrier).run(run, secrets)
            return None

        with store, notes_allowed():
            ended = anyio.run(work)
            return Ran(ended or store.pipeline_runs()[0], list(store.activity_runs()), store.pipeline_runs())
