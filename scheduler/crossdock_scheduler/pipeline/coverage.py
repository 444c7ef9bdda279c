"""What of a factory loads, what this release supports, and what it does not: by type and by pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossdock import CrossdockError, registry

from .activity_types import ActivityType, activity_types
from .checks import check
from .definitions import KINDS, Definition, Factory, Finding, distinct
from .definitions.activities import Activity, activities
from .definitions.links import links_of, service_of
from .expressions import did_you_mean
from .policy import Policy
from .run.control import ControlType, control_types

# Linked services from which nothing is copied: a vault is read for secrets.
WITHOUT_CONNECTOR = ("azurekeyvault",)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type of one kind, how often it is there and its state.

    ``kept``: it is read and checked, and there is nothing to run of it.
    """

    kind: str
    type: str
    count: int
    state: str

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "type": self.type, "count": self.count, "state": self.state}


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """One pipeline; ``findings`` are about it and about everything that it uses."""

    name: str
    activities: int
    findings: tuple[Finding, ...]

    @property
    def supported(self) -> bool:
        return all(each.severity == "note" for each in self.findings)

    @property
    def exit_code(self) -> int:
        """0: it can be run. 2: a definition is wrong. 1: something is not supported."""
        if any(each.severity == "error" for each in self.findings):
            return 2
        return 0 if self.supported else 1

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "supported": self.supported,
            "activities": self.activities,
            "findings": [each.as_json() for each in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """The report on one source. ``findings`` are all of them, each once."""

    source: str
    loaded: dict[str, int]
    others: dict[str, int]
    types: tuple[TypeRow, ...]
    pipelines: tuple[PipelineReport, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0: every pipeline is supported. 2: a definition is wrong. 1: something is not supported."""
        if any(each.severity == "error" for each in self.findings):
            return 2
        return 0 if all(each.supported for each in self.pipelines) else 1

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "status": {0: "supported", 1: "unsupported", 2: "invalid"}[self.exit_code],
            "loaded": self.loaded,
            "notRead": self.others,
            "types": [each.as_json() for each in self.types],
            "pipelines": [each.as_json() for each in self.pipelines],
            "findings": [each.as_json() for each in self.findings],
        }


def cover(factory: Factory, policy: Policy | None = None) -> Coverage:
    """Check all definitions and plan all activities. Nothing is opened or run."""
    checked = check(factory)
    planned = {
        each.name: list(_planned(factory, each, policy or Policy())) for each in factory.of_kind("pipeline")
    }
    reports = tuple(_pipelines(factory, checked, planned))
    everything = distinct([*checked, *(each for found in planned.values() for each in found)])
    return Coverage(
        source=factory.source,
        loaded=dict(Counter(each.kind for each in factory.definitions)),
        others=dict(factory.others),
        types=tuple(_types(factory)),
        pipelines=reports,
        findings=tuple(everything),
    )


def cover_pipeline(factory: Factory, pipeline: Definition, policy: Policy) -> PipelineReport:
    """The report on one pipeline and all that it uses; others are not planned."""
    targets = {each.owner: _targets(factory, each) for each in factory.definitions}
    used = [each for each in _used(pipeline, targets) if each.kind == "pipeline"]
    planned = {each.name: list(_planned(factory, each, policy)) for each in used}
    return _report(pipeline, targets, _by_owner(check(factory)), planned)


def uses(factory: Factory, pipeline: Definition) -> list[Definition]:
    """The pipeline and all that it refers to, to the end."""
    return _used(pipeline, {each.owner: _targets(factory, each) for each in factory.definitions})


def _planned(factory: Factory, pipeline: Definition, policy: Policy) -> Iterator[Finding]:
    known = _runners()
    for each in activities(pipeline):
        if each.inactive or not each.type:
            continue
        runner = known.get(each.type.lower())
        if runner is None:
            yield _no_runner(pipeline, each)
        else:
            yield from runner.plan(factory, pipeline, each, policy)


def _runners() -> dict[str, ActivityType | ControlType]:
    """All types of activities that can be run, by name in lower case."""
    return {**activity_types(), **control_types()}


def _no_runner(pipeline: Definition, activity: Activity) -> Finding:
    near = did_you_mean(activity.type, [runner.name for runner in _runners().values()])
    message = f"this release cannot run activities of the type {activity.type!r}"
    message += near if near.startswith(": did you mean") else ""
    place = pipeline.place.at(activity.path)
    return Finding("unsupported", "NotSupported", message, place, pipeline.owner, activity.name)


def _pipelines(
    factory: Factory, checked: Iterable[Finding], planned: dict[str, list[Finding]]
) -> Iterator[PipelineReport]:
    by_owner = _by_owner(checked)
    targets = {each.owner: _targets(factory, each) for each in factory.definitions}
    for pipeline in factory.of_kind("pipeline"):
        yield _report(pipeline, targets, by_owner, planned)


def _by_owner(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for each in findings:
        found.setdefault(each.owner, []).append(each)
    return found


def _report(
    pipeline: Definition,
    targets: Mapping[str, list[Definition]],
    checked: Mapping[str, list[Finding]],
    planned: Mapping[str, list[Finding]],
) -> PipelineReport:
    used = _used(pipeline, targets)
    found = [one for each in used for one in checked.get(each.owner, ())]
    found += [one for each in used if each.kind == "pipeline" for one in planned[each.name]]
    return PipelineReport(pipeline.name, len(activities(pipeline)), tuple(distinct(found)))


def _targets(factory: Factory, definition: Definition) -> list[Definition]:
    """Those that it names itself."""
    named = [factory.find(link.kind, link.name) for link in links_of(definition)]
    if definition.kind == "dataset":
        named.append(factory.find("linkedService", service_of(factory, definition).text("referenceName")))
    return list({each.owner: each for each in named if each is not None}.values())


def _used(start: Definition, targets: Mapping[str, list[Definition]]) -> list[Definition]:
    """Itself and all that it refers to, to the end."""
    found, rest = {start.owner: start}, [start]
    while rest:
        for target in targets[rest.pop().owner]:
            if target.owner not in found:
                found[target.owner] = target
                rest.append(target)
    return list(found.values())


def _types(factory: Factory) -> Iterator[TypeRow]:
    counted: Counter[tuple[str, str]] = Counter()
    for each in factory.definitions:
        if each.kind not in ("pipeline", "factory"):
            counted[each.kind, each.type or "(none)"] += 1
        if each.kind == "pipeline":
            counted.update(("activity", activity.type or "(none)") for activity in activities(each))
    order = [*KINDS, "activity"]
    for (kind, name), count in sorted(
        counted.items(), key=lambda pair: (order.index(pair[0][0]), pair[0][1])
    ):
        yield TypeRow(kind, name, count, state_of(kind, name))


def state_of(kind: str, name: str) -> str:
    """Whether this release can do something with a type of a kind."""
    if kind == "activity":
        return "supported" if name.lower() in _runners() else "unsupported"
    if kind not in ("linkedService", "dataset"):
        return "kept"
    if kind == "linkedService" and name.lower() in WITHOUT_CONNECTOR:
        return "supported"
    try:
        spec = registry().by_name(name)
    except CrossdockError:
        return "unsupported"
    named = name.lower() in map(str.lower, spec.adf_types)
    return "supported" if named and spec.from_adf is not None else "unsupported"
