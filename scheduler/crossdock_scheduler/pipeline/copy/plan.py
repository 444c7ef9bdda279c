"""A copy activity as the request that ``crossdock.copy`` takes. Nothing is opened."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import crossdock
from crossdock import AdfComputed, AdfProperties, ConfigError, CopyResult, CrossdockError

from ..attempts import Attempts, attempts_of
from ..definitions import Definition, Factory, Finding, of_remark
from ..definitions.activities import Activity
from ..expressions import Scope
from ..planning.activity import Planning
from ..planning.ends import End
from ..planning.shape import shaped
from ..policy import Policy
from .tolerance import log_of, of_run, skipping
from .translator import added_columns, column_map

# What is right or wrong by itself.
_UNCHECKED = ("parallel_copies", "verify", "skip_files", "log_level", "log_reliable")
# What is given again to a copy that is resumed: journals keep no secrets.
_AGAIN = ("source_options", "sink_options", "stage_options", "log", "log_options")


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What an activity does. ``missing`` is what is to be had before it can run: secrets, mostly."""

    source: End
    sink: End
    settings: Mapping[str, Any]
    stage: End | None = None
    log: End | None = None
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def missing(self) -> list[str]:
        ends = {"source": self.source, "sink": self.sink, "stage": self.stage, "log": self.log}
        return [
            f"{what} ({option} of the {side})"
            for side, end in ends.items()
            for option, what in (end.missing if end else {}).items()
        ]

    def options(self, *, secrets: bool = False, activity_run_id: str = "run") -> dict[str, Any]:
        """What ``crossdock.copy`` takes beside the addresses; with ``secrets``, those that are known."""
        return {
            **self.settings,
            "source_format": self.source.format,
            "sink_format": self.sink.format,
            "source_options": self.source.given(secrets=secrets),
            "sink_options": self.sink.given(secrets=secrets),
            "mode": self.sink.mode,
            **(
                {"stage": self.stage.address, "stage_options": self.stage.given(secrets=secrets)}
                if self.stage
                else {}
            ),
            **(of_run(self.log, activity_run_id, secrets=secrets) if self.log else {}),
        }

    def run(self, *, activity_run_id: str | None = None, **more: Any) -> CopyResult:
        """Carry it out once; the log is that of an activity's run. ``more`` is what else ``crossdock.copy``
        takes.

        Raises what that raises, and ConfigError where something is ``missing``.
        """
        if self.missing:
            raise ConfigError(f"the copy needs {'; '.join(self.missing)}")
        options = self.options(secrets=True, activity_run_id=activity_run_id or str(uuid.uuid4()))
        return crossdock.copy(self.source.address, self.sink.address, **options | more)

    def again(self, run_id: str) -> dict[str, Any]:
        """What is given again to a copy, whose journal keeps no secrets. Its log is that of the activity run
        of the same id."""
        options = self.options(secrets=True, activity_run_id=run_id)
        return {name: options[name] for name in _AGAIN if name in options}


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
    planned = _Planned(factory, pipeline, activity, policy or Policy(), scope)
    return planned.plan(), planned.findings


class _Planned(Planning):
    """Plans one copy."""

    def plan(self) -> CopyPlan | None:
        properties, tries = self.properties, self.evaluated("policy")
        attempts = attempts_of(tries)
        source = sink = None
        references = self._reference("inputs"), self._reference("outputs")
        as_is = all(each is None or self.ends.names_no_columns(each) for each in references)
        if references[1] is not None:
            sink = self.ends.of_dataset("sink", references[1], properties.inner("sink"), as_is=as_is)
        if references[0] is not None:
            typed = sink is not None and sink.format is None
            source = self.ends.of_dataset(
                "source", references[0], properties.inner("source"), typed=typed, as_is=as_is
            )
        settings = self._settings(properties, source, sink)
        if source is not None and source.format and sink and sink.options.pop("file_name_prefix", ""):
            written = properties.inner("sink").inner("formatSettings")
            written.refuse("fileNamePrefix", "files are named after those that they come from", "note")
        stage = self._stage(properties)
        log, more = log_of(properties, self.ends, self.activity.name)
        settings |= more
        made = CopyPlan(source, sink, settings, stage, log, attempts) if source and sink else None
        if made is not None:
            self._check(made)
        else:
            # Its keys are read by connectors that are not there.
            properties.inner("source").ignore_all()
            properties.inner("sink").ignore_all()
        for remark in tries.remarks():
            self.findings.append(
                of_remark(remark, self.pipeline.place, self.pipeline.owner, self.activity.name)
            )
        for path in tries.unread():
            key = path.rpartition(".")[2]
            self.say("note", "UnknownKey", f"{key} is no key of a policy that is known", path)
        self.report()
        return made

    def _reference(self, key: str) -> Mapping[str, Any] | None:
        listed = self.whole.get(key)
        if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], Mapping):
            return listed[0]
        self.say(
            "error", "BrokenDefinition", f"a copy needs exactly one dataset in {key}", self.activity.path
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
        columns = None
        if isinstance(translator, Mapping) and translator and not isinstance(translator, AdfComputed):
            if tabular:
                columns = column_map(properties.inner("translator"))
            else:
                properties.inner("translator").ignore_all()
        if source is not None and sink is not None and tabular:
            columns = shaped(columns, source.shape, sink.shape)
        found |= {"map": columns} if columns else {}
        self._preserve(properties, sink)
        found |= skipping(properties, tabular=tabular)
        added = added_columns(properties.inner("source"))
        if added and tabular:
            found["add_columns"] = added
        elif added:
            properties.inner("source").refuse("additionalColumns", "bytes have no columns")
        return found

    def _preserve(self, properties: AdfProperties, sink: End | None) -> None:
        kept = properties.get("preserve") or properties.get("preserveRules")
        if not kept or isinstance(kept, AdfComputed):
            return
        if sink is None or sink.format is None or not isinstance(kept, list):
            properties.refuse("preserve", "only files have what could be preserved")
        else:
            sink.options["preserve"] = ",".join(map(str, kept))

    def _stage(self, properties: AdfProperties) -> End | None:
        settings = properties.inner("stagingSettings")
        if not properties.flag("enableStaging"):
            settings.ignore_all()
            return None
        settings.ignore("enableCompression")  # what is staged is always compressed
        return self.ends.folder("stage", settings)

    def _check(self, plan: CopyPlan) -> None:
        given = plan.options()
        wanted = {key: given[key] for key in given if key not in _UNCHECKED}
        try:
            crossdock.check(plan.source.address, plan.sink.address, **wanted)
        except CrossdockError as error:
            self.say("unsupported", error.code, str(error), self.activity.path)
        for secret in plan.missing:
            self.say("note", "ValueNeeded", f"needs before it runs: {secret}", self.activity.path)
