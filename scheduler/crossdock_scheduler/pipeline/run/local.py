"""Running a pipeline of a folder on this machine: what is needed for it, had again when it is resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any
from uuid import uuid4

import anyio

from crossdock import ConfigError, NotFoundError
from crossdock.credentials import Fetched, fetch
from crossdock.redact import remember

from ... import clock
from ..checks.parameters import parameters_of
from ..coverage import PipelineReport, cover_pipeline, uses
from ..definitions import Definition, Factory, load
from ..definitions.findings import NOT_CONFIGURED
from ..expressions import did_you_mean
from ..policy import Policy
from ..settings import Settings, apply, read_settings
from .carrier import Threads
from .failure import innermost
from .interpreter import Interpreter, divided
from .local_store import LocalStore, local_run
from .records import ActivityRun, PipelineRun
from .values import arguments


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, as it was asked for. Texts that stand for a secret (``env:NAME``) are kept as they are."""

    source: str
    pipeline: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    template_parameters: str | None = None
    linked_services: tuple[str, ...] = ()
    settings: str | None = None
    allow_path: tuple[str, ...] | None = None
    forbid_private: bool = False


@dataclass(frozen=True)
class Prepared:
    """A pipeline that can be run. ``report`` says what is to be said about it, ``wrong`` about parameters.

    ``digest`` is of all definitions that it uses, without the settings.
    """

    factory: Factory
    pipeline: Definition
    policy: Policy
    parameters: Mapping[str, Any]
    secrets: Mapping[str, Any]
    report: PipelineReport
    wrong: tuple[str, ...]
    digest: str

    @property
    def exit_code(self) -> int:
        return 2 if self.wrong else self.report.exit_code


def _to_be_run(report: PipelineReport) -> PipelineReport:
    """What this machine offers to no activity stands against a run."""
    found = (
        replace(each, severity="unsupported") if each.code == NOT_CONFIGURED else each
        for each in report.findings
    )
    return replace(report, findings=tuple(found))


def prepare(request: Request) -> Prepared:
    """Read, check and plan; nothing is opened. Raises ConfigError and NotFoundError."""
    read = load(request.source, request.template_parameters)
    settings = read_settings(Path(request.settings) if request.settings else None, request.linked_services)
    factory = apply(settings, read, os.environ)
    pipeline = _found(factory, request.pipeline)
    roots = request.allow_path
    policy = settings.policy(Policy(roots or None, not request.forbid_private))
    given, wrong = _given(request, settings, pipeline)
    parameters, also = arguments(pipeline, given)
    open_ones, secrets = divided(pipeline, parameters)
    report = _to_be_run(cover_pipeline(factory, pipeline, policy))
    digest = _digest(uses(read, _found(read, request.pipeline)))
    return Prepared(
        factory, pipeline, policy, open_ones, secrets, report, tuple(dict.fromkeys([*wrong, *also])), digest
    )


def _found(factory: Factory, name: str) -> Definition:
    found = factory.find("pipeline", name)
    if found is None:
        broken = [each for each in factory.faults if each.severity == "error"]
        here = [each for each in broken if Path(each.place.file).stem.lower() == name.lower()]
        known = [each.name for each in factory.of_kind("pipeline")]
        if here or (broken and not known):
            raise ConfigError("; ".join(each.message for each in here or broken))
        said = f"{factory.source} has no pipeline {name!r}{did_you_mean(name, known)}"
        unread = "; ".join(each.message for each in broken)
        raise NotFoundError(f"{said} (not read: {unread})" if unread else said)
    return found


def _given(request: Request, settings: Settings, pipeline: Definition) -> tuple[dict[str, Any], list[str]]:
    """The arguments of the run, over those of the settings, and what must not be given so."""
    found, wrong = dict(settings.arguments(pipeline)), []
    declared = parameters_of(pipeline)
    for name, text in request.parameters.items():
        value = fetch(text, f"--param {name}")
        parameter = declared.get(name.lower())
        if parameter is not None and parameter.type == "securestring":
            remember([str(value)])
            if not isinstance(value, Fetched):
                wrong.append(
                    f"--param {name}: a secret is not given on the command line, where others see it; give "
                    f"{name}=env:NAME or {name}=@FILE"
                )
        spelled = parameter.name if parameter else name
        found = {key: each for key, each in found.items() if key.lower() != name.lower()}
        found[spelled] = str(value)
    return found, wrong


def _digest(definitions: Sequence[Definition]) -> str:
    parts = [[each.kind, each.name.lower(), each.properties] for each in definitions]
    text = json.dumps(sorted(parts, key=lambda part: (part[0], part[1])), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# -- running ---------------------------------------------------------------------------------------------

Watch = Callable[[ActivityRun], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run. ``signal`` interrupted it: it can be resumed."""

    run: PipelineRun
    activities: list[ActivityRun]
    pipelines: list[PipelineRun]
    signal: Signals | None = None

    def as_json(self) -> dict[str, Any]:
        found = self.run.as_json()
        if self.signal is not None:
            found["status"] = "Cancelled"
        error = {
            "errorCode": "PipelineFailed",
            "message": self.run.message,
            "failureType": "UserError",
            "target": self.run.pipeline,
        }
        return (
            found
            | ({"error": error} if self.run.status == "Failed" else {})
            | {
                "activityRuns": [each.as_json() for each in self.activities],
                "pipelineRuns": [each.as_json() for each in self.pipelines[1:]],
            }
        )


def begin(request: Request, prepared: Prepared, run_id: str | None, watch: Watch) -> Outcome:
    """Run it, with a record below the crossdock home. Raises ConfigError where the id is taken."""
    run = PipelineRun(run_id or str(uuid4()), prepared.pipeline.name, clock.moment(), prepared.parameters)
    facts = {"request": asdict(request), "digest": prepared.digest}
    with LocalStore.create(run.run_id, facts) as store:
        return _carried_out(prepared, run, store, watch)


def recall(run_id: str) -> Request:
    """What a run was asked for."""
    with LocalStore.open(run_id, lock=False) as store:
        found = store.facts()["request"]
    paths = found["allow_path"]
    return Request(
        **found
        | {
            "linked_services": tuple(found["linked_services"]),
            "allow_path": None if paths is None else tuple(paths),
        }
    )


def resume(run_id: str, prepared: Prepared, watch: Watch) -> Outcome:
    """Go on with a run that was interrupted. Raises ConfigError where it has ended, or is not the same."""
    with LocalStore.open(run_id) as store:
        runs = store.pipeline_runs()
        if runs and all(each.ended is not None for each in runs):
            raise ConfigError(f"the run {run_id!r} has {runs[0].status.lower()}: there is nothing to resume")
        if store.facts()["digest"] != prepared.digest:
            raise ConfigError(
                f"the definitions that the run {run_id!r} uses have changed since it began; begin it anew"
            )
        run = runs[0] if runs else PipelineRun(run_id, prepared.pipeline.name, clock.moment())
        return _carried_out(prepared, replace(run, parameters=prepared.parameters), store, watch)


def recorded(run_id: str) -> tuple[str, Outcome]:
    """The state of a run, and what its record has of it."""
    found = local_run(run_id)
    if found.state == "unreadable":
        raise ConfigError(found.error)
    with LocalStore.open(run_id, lock=False) as store:
        pipelines = store.pipeline_runs()
        if not pipelines:
            raise NotFoundError(f"the run {run_id!r} was interrupted before it began")
        return found.state, Outcome(pipelines[0], list(store.activity_runs()), pipelines)


def _carried_out(prepared: Prepared, run: PipelineRun, store: LocalStore, watch: Watch) -> Outcome:
    caught: list[Signals] = []

    async def work() -> None:
        async with anyio.create_task_group() as group:

            async def interrupted() -> None:
                with anyio.open_signal_receiver(SIGINT, SIGTERM) as signals:
                    async for number in signals:
                        caught.append(number)
                        group.cancel_scope.cancel()

            group.start_soon(interrupted)
            async with Threads() as carrier:
                host = Interpreter(prepared.factory, store, carrier, prepared.policy, watch)
                await host.run(run, prepared.secrets)
            group.cancel_scope.cancel()

    try:
        anyio.run(work)
    except KeyboardInterrupt:
        pass  # it is told as any other signal
    except BaseExceptionGroup as errors:
        raise innermost(errors) from errors
    pipelines = store.pipeline_runs()
    ended = all(each.ended is not None for each in pipelines)
    number = None if ended else caught[0] if caught else SIGINT
    first = pipelines[0] if pipelines else run
    return Outcome(first, list(store.activity_runs()), pipelines, number)
