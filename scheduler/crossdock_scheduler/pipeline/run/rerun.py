"""What a run takes over from an earlier one of the same pipeline, so that it need not do it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..definitions import Definition
from ..definitions.activities import Activity, activities
from ..expressions import did_you_mean
from .frame import Frame, Lists
from .order import dependencies
from .records import ActivityRun
from .store import Change
from .values import Variables

_RETURN = "pipelinereturnvalue"


@dataclass(frozen=True, slots=True)
class Taken:
    """Records of activities for the new run, and what variables were when they had ended."""

    records: Sequence[ActivityRun]
    changes: Sequence[Change]


def taken_over(
    pipeline: Definition,
    before: Iterable[ActivityRun],
    run_id: str,
    *,
    start: str = "",
    same: bool = False,
) -> Taken:
    """What the run ``run_id`` takes over from the records of the run ``before``.

    It begins at the activity ``start``, with the outermost one around it, or without one at those that
    failed; these and all that depend on them run again. ``same`` says that neither definitions nor
    parameters have changed: of a ForEach that failed the iterations that did not fail are taken over then.
    Raises ValueError where there is no ``start``.
    """
    top = Lists(pipeline).top()
    last = _last(before)
    keys = {each.name.lower(): Frame().key(each) for each in top}
    if start:
        begin = {_outermost(pipeline, start)}
        ancestors = _closure(begin, {each.name.lower(): _needed(each) for each in top}) - begin
    else:
        begin, ancestors = {each for each, key in keys.items() if not _is_done(last.get(key))}, set()
    followers: dict[str, set[str]] = {}
    for each in top:
        for name in _needed(each):
            followers.setdefault(name, set()).add(each.name.lower())
    again = _closure(begin, followers)
    kept: list[ActivityRun] = []
    for each in top:
        name, key = each.name.lower(), keys[each.name.lower()]
        mine = [one for one in last.values() if one.key == key or one.key.startswith((f"{key}/", f"{key}["))]
        if name not in again and (_is_done(last.get(key)) or name in ancestors):
            kept += mine
        elif same and not start and each.type.lower() == "foreach" and not (_needed(each) & again):
            kept += _iterations(key, mine)
    records = [replace(each, pipeline_run_id=run_id, attempt=0) for each in kept if each.ended is not None]
    return Taken(records, _changes(pipeline, records))


def _outermost(pipeline: Definition, name: str) -> str:
    """The activity at the top level that is the named one, or has it inside; in lower case."""
    listed = activities(pipeline)
    for each in listed:
        if each.name.lower() == name.lower():
            return (each.within or (each,))[0].name.lower()
    hint = did_you_mean(name, [each.name for each in listed])
    raise ValueError(f"the pipeline has no activity {name!r}{hint}")


def _needed(activity: Activity) -> set[str]:
    return {each.name for each in dependencies(activity)}


def _last(records: Iterable[ActivityRun]) -> dict[str, ActivityRun]:
    """The last attempt at each activity."""
    found: dict[str, ActivityRun] = {}
    for each in sorted(records, key=lambda one: one.attempt):
        found[each.key] = each
    return found


def _is_done(record: ActivityRun | None) -> bool:
    return record is not None and record.status == "Succeeded"


def _closure(begin: set[str], graph: Mapping[str, set[str]]) -> set[str]:
    found, waiting = set(begin), list(begin)
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _iterations(key: str, records: Sequence[ActivityRun]) -> list[ActivityRun]:
    """Those of the iterations in which nothing failed."""
    by_iteration: dict[str, list[ActivityRun]] = {}
    for each in records:
        if each.key != key:
            by_iteration.setdefault(each.key.removeprefix(key).partition("/")[0], []).append(each)
    whole = [
        found
        for found in by_iteration.values()
        if all(each.status in ("Succeeded", "Skipped") for each in found)
    ]
    return [each for found in whole for each in found]


def _changes(pipeline: Definition, records: Sequence[ActivityRun]) -> list[Change]:
    """What the activities that are taken over made of the variables and the return value, in their order."""
    variables = Variables(pipeline)
    changed: dict[str, Change] = {}
    for each in sorted(records, key=lambda one: (one.ended is None, one.ended)):
        output = each.output
        kind = each.type.lower()
        if not each.whole or each.status != "Succeeded" or not isinstance(output, Mapping):
            continue
        said, value = str(output.get("name")), output.get("value")
        name = variables.find(said)
        if kind == "setvariable" and name is None and said.lower() == _RETURN:
            changed[""] = Change("", value, whole=True)
        elif name is not None and kind in ("setvariable", "appendvariable"):
            value = _appended(variables[name], value) if kind == "appendvariable" else value
            variables.restore(name, value)
            changed[name] = Change(name, value, whole=True)
    return list(changed.values())


def _appended(before: Any, value: Any) -> list[Any]:
    return [*(before or ()), value]
