"""Activities: their names, what they depend on, and which may be inside of which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crossdock import AdfProperties

from ..definitions.activities import CONTAINERS, Activity, activities
from ..definitions.findings import Finding
from ..definitions.model import Definition, Factory
from ..expressions import did_you_mean
from .links import cycles

_LOOPS = ("foreach", "until")
_BRANCHES = ("ifcondition", "switch")
_CONDITIONS = ("succeeded", "failed", "skipped", "completed")


def check_activities(factory: Factory) -> Iterator[Finding]:
    for pipeline in factory.of_kind("pipeline"):
        yield from _shape(pipeline)
        found = activities(pipeline)
        yield from _names(pipeline, found)
        yield from _dependencies(pipeline, found)
        for each in found:
            yield from _nesting(pipeline, each)


def _finding(pipeline: Definition, activity: Activity, code: str, message: str, path: str = "") -> Finding:
    place = pipeline.place.at(path or activity.path)
    return Finding("error", code, message, place, pipeline.owner, activity.name)


def _shape(pipeline: Definition) -> Iterator[Finding]:
    properties = pipeline.read()
    listed = properties.get("activities")
    place = pipeline.place.at(properties.where("activities"))
    if listed is not None and not isinstance(listed, list):
        yield Finding("error", "BrokenDefinition", "activities must be a list", place, pipeline.owner)
    for index, each in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(each, Mapping):
            at = place.at(f"{place.path}[{index}]")
            yield Finding("error", "BrokenDefinition", "an activity must be an object", at, pipeline.owner)


def _names(pipeline: Definition, found: tuple[Activity, ...]) -> Iterator[Finding]:
    seen: set[str] = set()
    for each in found:
        if not each.name:
            yield _finding(pipeline, each, "BrokenDefinition", "an activity has no name")
        elif each.name.lower() in seen:
            yield _finding(
                pipeline, each, "DuplicateName", f"two activities are called {each.name!r}; rename one"
            )
        if not each.type:
            yield _finding(pipeline, each, "BrokenDefinition", "the activity has no type")
        seen.add(each.name.lower())


def _dependencies(pipeline: Definition, found: tuple[Activity, ...]) -> Iterator[Finding]:
    groups: dict[str, dict[str, Activity]] = {}
    for each in found:
        groups.setdefault(each.group, {}).setdefault(each.name.lower(), each)
    graph: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for each in found:
        siblings = groups[each.group]
        targets = graph.setdefault((each.group, each.name.lower()), [])
        for name, conditions, path in _depends_on(each):
            if name.lower() in siblings:
                targets.append((each.group, name.lower()))
            else:
                known = [other.name for other in siblings.values() if other is not each]
                elsewhere = any(other.name.lower() == name.lower() for other in found)
                why = "which is not beside it" if elsewhere else "which does not exist"
                near = "" if elsewhere else did_you_mean(name, known)
                message = f"depends on the activity {name!r}, {why}{near}"
                yield _finding(pipeline, each, "NotFound", message, path)
            for condition in conditions:
                if str(condition).lower() not in _CONDITIONS:
                    message = (
                        f"depends on {name!r} being {condition!r}{did_you_mean(str(condition), _CONDITIONS)}"
                    )
                    yield _finding(pipeline, each, "InvalidValue", message, path)
    for circle in cycles(graph):
        names = [groups[group][name].name for group, name in (*circle, circle[0])]
        first = groups[circle[0][0]][circle[0][1]]
        yield _finding(pipeline, first, "Cycle", f"activities wait for each other: {' -> '.join(names)}")


def _depends_on(activity: Activity) -> Iterator[tuple[str, list[Any], str]]:
    properties = activity.read()
    listed = properties.get("dependsOn")
    for index, each in enumerate(listed if isinstance(listed, list) else ()):
        path = f"{properties.where('dependsOn')}[{index}]"
        one = AdfProperties(each if isinstance(each, Mapping) else {}, path)
        conditions = one.get("dependencyConditions")
        yield one.text("activity"), conditions if isinstance(conditions, list) else [], path


def _nesting(pipeline: Definition, activity: Activity) -> Iterator[Finding]:
    """A loop may hold branches; nothing else that holds activities may be inside of another such."""
    kind = activity.type.lower()
    if not activity.within:
        return
    around = activity.within[-1]
    outer = {each.type.lower() for each in activity.within}
    loop_in_loop = kind in _LOOPS and outer & set(_LOOPS)
    if kind == "validation" or loop_in_loop or (kind in CONTAINERS and outer & set(_BRANCHES)):
        message = (
            f"a {activity.type} cannot be inside of the {around.type} {around.name!r}; "
            "put it into a pipeline of its own and call that with ExecutePipeline"
        )
        yield _finding(pipeline, activity, "Nesting", message)
