"""A copy activity as the request that ``crossdock.copy`` takes. Nothing is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

import crossdock
from crossdock import AdfComputed, AdfProperties, AdfSecret, ConfigError, CopyResult, CrossdockError

from ..definitions import Definition, Factory, Finding, of_remark
from ..definitions.activities import Activity
from ..expressions import ExpressionError, Scope
from ..policy import Policy
from .ends import End, Ends, unread
from .translator import column_map
from .values import Values

_ACTIVITY = (
    "name", "type", "description", "dependsOn", "userProperties", "typeProperties", "inputs", "outputs",
    "state", "onInactiveMarkAs", "policy",
)  # fmt: skip
_LOGS = ("logSettings", "logStorageSettings", "redirectIncompatibleRowSettings")
_TWELVE_HOURS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Attempts:
    """The activity's policy. ``timeout`` and ``wait`` are in seconds."""

    timeout: int = _TWELVE_HOURS
    retries: int = 0
    wait: int = 30
    secure_input: bool = False
    secure_output: bool = False


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What an activity does. ``missing`` is what is to be had before it can run: secrets, mostly."""

    source: End
    sink: End
    settings: Mapping[str, Any]
    stage: End | None = None
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def missing(self) -> list[str]:
        ends = {"source": self.source, "sink": self.sink, "stage": self.stage}
        return [
            f"{secret.what} ({option} of the {side})"
            for side, end in ends.items()
            for option, secret in (end.secrets if end else {}).items()
            if isinstance(secret, AdfSecret)
        ]

    def options(self, *, secrets: bool = False) -> dict[str, Any]:
        """What ``crossdock.copy`` takes beside the addresses; with ``secrets``, those that are known."""
        return {
            **self.settings,
            "source_format": self.source.format,
            "sink_format": self.sink.format,
            "source_options": _options(self.source, secrets),
            "sink_options": _options(self.sink, secrets),
            "mode": self.sink.mode,
            **(
                {"stage": self.stage.address, "stage_options": _options(self.stage, secrets)}
                if self.stage
                else {}
            ),
        }

    def run(self, **more: Any) -> CopyResult:
        """Carry it out once. ``more`` is what else ``crossdock.copy`` takes.

        Raises what that raises, and ConfigError where something is ``missing``.
        """
        if self.missing:
            raise ConfigError(f"the copy needs {'; '.join(self.missing)}")
        return crossdock.copy(self.source.address, self.sink.address, **self.options(secrets=True), **more)


def _options(end: End, secrets: bool) -> dict[str, str]:
    known = {
        name: value.get_secret_value()
        for name, value in end.secrets.items()
        if secrets and isinstance(value, SecretStr)
    }
    return end.options | known


def plan_copy(
    factory: Factory,
    pipeline: Definition,
    activity: Activity,
    *,
    scope: Scope | None = None,
    policy: Policy | None = None,
) -> tuple[CopyPlan | None, list[Finding]]:
    """The plan, None where there cannot be one, and everything that is to be said about it.

    Without a scope it is planned ahead of the run: what is not known yet has a place-holder.
    """
    values = Values(scope or _ahead(factory, pipeline), ahead=scope is None)
    ends = Ends(factory, values, policy or Policy(), pipeline, activity.name)
    planned = _Planned(ends, pipeline, activity)
    return planned.plan(), ends.findings


def _ahead(factory: Factory, pipeline: Definition) -> Scope:
    """What is known before a run: the defaults of parameters and the global ones."""
    from ..checks.parameters import parameters_of

    declared = parameters_of(pipeline).values()
    parameters = {each.name: each.default for each in declared if not each.required}
    return Scope(parameters=parameters, global_parameters=factory.global_parameters or {})


class _Planned:
    """Plans one activity; every key of its JSON is read, refused or reported."""

    def __init__(self, ends: Ends, pipeline: Definition, activity: Activity) -> None:
        self._ends, self._pipeline, self._activity = ends, pipeline, activity
        self._whole = activity.read()
        self._whole.ignore(*_ACTIVITY)

    def plan(self) -> CopyPlan | None:
        given = self._whole.inner("typeProperties")
        try:
            evaluated = self._ends.values.of(dict(given))
            policy = self._ends.values.of(dict(self._whole.inner("policy")))
        except ExpressionError as error:
            self._say("error", "InvalidExpression", str(error), given.path)
            return None
        properties = AdfProperties(evaluated, given.path)
        tries = AdfProperties(policy, self._whole.where("policy"))
        attempts = _attempts(tries)
        source = sink = None
        references = self._reference("inputs"), self._reference("outputs")
        if references[1] is not None:
            sink = self._ends.of_dataset("sink", references[1], properties.inner("sink"))
        if references[0] is not None:
            typed = sink is not None and sink.format is None
            source = self._ends.of_dataset("source", references[0], properties.inner("source"), typed=typed)
        settings = self._settings(properties, source, sink)
        stage = self._stage(properties)
        made = CopyPlan(source, sink, settings, stage, attempts) if source and sink else None
        if made is not None:
            self._check(made)
        else:
            # Its keys are read by connectors that are not there.
            properties.inner("source").ignore_all()
            properties.inner("sink").ignore_all()
        self._report(properties, tries)
        return made

    def _reference(self, key: str) -> Mapping[str, Any] | None:
        listed = self._whole.get(key)
        if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], Mapping):
            return listed[0]
        self._say(
            "error", "BrokenDefinition", f"a copy needs exactly one dataset in {key}", self._activity.path
        )
        return None

    def _settings(self, properties: AdfProperties, source: End | None, sink: End | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        properties.ignore("dataIntegrationUnits", "cloudDataMovementUnits")  # of Azure's own runtimes
        if (copies := properties.whole("parallelCopies")) is not None and copies > 0:
            found["parallel_copies"] = copies
        if properties.flag("validateDataConsistency"):
            found["verify"] = True
        tabular = source is not None and source.tabular
        translator = properties.get("translator")
        if isinstance(translator, Mapping) and translator and not isinstance(translator, AdfComputed):
            if tabular:
                columns = column_map(properties.inner("translator"))
                found |= {"map": columns} if columns else {}
            else:
                properties.inner("translator").ignore_all()
        self._preserve(properties, sink)
        if properties.flag("enableSkipIncompatibleRow"):
            properties.refuse("enableSkipIncompatibleRow", "rows that do not fit are an error, not skipped")
        self._logs(properties)
        skips = properties.inner("skipErrorFile")
        for name in skips:
            if skips.flag(name):
                skips.refuse(name, "a file that fails ends the copy, it is not skipped")
        additional = properties.inner("source").get("additionalColumns")
        if additional:
            properties.inner("source").refuse("additionalColumns", "columns cannot be added")
        return found

    def _preserve(self, properties: AdfProperties, sink: End | None) -> None:
        kept = properties.get("preserve") or properties.get("preserveRules")
        if not kept or isinstance(kept, AdfComputed):
            return
        if sink is None or sink.format is None or not isinstance(kept, list):
            properties.refuse("preserve", "only files have what could be preserved")
        else:
            sink.options["preserve"] = ",".join(map(str, kept))

    def _logs(self, properties: AdfProperties) -> None:
        logs = properties.inner("logSettings")
        wanted = logs.flag("enableCopyActivityLog")
        logs.ignore_all()
        for name in _LOGS:
            if properties.get(name) and (name != "logSettings" or wanted):
                properties.refuse(name, "no log of files and rows is written")

    def _stage(self, properties: AdfProperties) -> End | None:
        settings = properties.inner("stagingSettings")
        if not properties.flag("enableStaging"):
            settings.ignore_all()
            return None
        settings.ignore("enableCompression")  # what is staged is always compressed
        return self._ends.stage(settings)

    def _check(self, plan: CopyPlan) -> None:
        given = plan.options()
        wanted = {key: given[key] for key in given if key not in ("parallel_copies", "verify")}
        try:
            crossdock.check(plan.source.address, plan.sink.address, **wanted)
        except CrossdockError as error:
            self._say("unsupported", error.code, str(error), self._activity.path)
        for secret in plan.missing:
            self._say("note", "ValueNeeded", f"needs before it runs: {secret}", self._activity.path)

    def _report(self, properties: AdfProperties, policy: AdfProperties) -> None:
        place, owner, name = self._pipeline.place, self._pipeline.owner, self._activity.name
        for remark in (*properties.remarks(), *policy.remarks()):
            self._ends.findings.append(of_remark(remark, place, owner, name))
        self._ends.findings.extend(unread(properties, self._pipeline, name))
        for path in self._whole.unread():
            if not path.startswith(f"{self._activity.path}.typeProperties"):
                key = path.rpartition(".")[2]
                self._say("note", "UnknownKey", f"{key} is no key of an activity that is known", path)

    def _say(self, severity: Any, code: str, message: str, path: str) -> None:
        place = self._pipeline.place.at(path)
        self._ends.findings.append(
            Finding(severity, code, message, place, self._pipeline.owner, self._activity.name)
        )


def _attempts(policy: AdfProperties) -> Attempts:
    timeout = policy.seconds("timeout")
    return Attempts(
        _TWELVE_HOURS if timeout is None else timeout,
        policy.whole("retry") or 0,
        30 if (wait := policy.whole("retryIntervalInSeconds")) is None else wait,
        bool(policy.flag("secureInput")),
        bool(policy.flag("secureOutput")),
    )
