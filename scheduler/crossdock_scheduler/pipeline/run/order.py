"""Which activity may run after which, and what a list of activities comes to.

The rules are Data Factory's: an activity runs if each that it depends on has one of the statuses that it
asks for, else it is skipped. The list fails if a leaf of it failed; where a leaf was skipped, those before
it count in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crossdock import AdfProperties

from ..definitions.activities import Activity
from .records import Status

_MEANT: Mapping[str, tuple[Status, ...]] = {
    "succeeded": ("Succeeded",),
    "failed": ("Failed",),
    "skipped": ("Skipped",),
    "completed": ("Succeeded", "Failed"),
}


@dataclass(frozen=True, slots=True)
class Dependency:
    """The name of an activity, in lower case, and the statuses of which it must have one."""

    name: str
    wanted: frozenset[Status]


def dependencies(activity: Activity) -> tuple[Dependency, ...]:
    listed = activity.read().get("dependsOn")
    found = []
    for each in listed if isinstance(listed, list) else ():
        one = AdfProperties(each if isinstance(each, Mapping) else {})
        conditions = one.get("dependencyConditions")
        # Without a condition it is the one that nobody has to name.
        names = [str(name).lower() for name in conditions] if isinstance(conditions, list) else []
        wanted = frozenset(status for name in names or ["succeeded"] for status in _MEANT.get(name, ()))
        found.append(Dependency(one.text("activity").lower(), wanted))
    return tuple(found)


def may_run(needed: Sequence[Dependency], statuses: Mapping[str, Status]) -> bool:
    """Whether an activity runs, all that it depends on having ended; else it is skipped."""
    return all(statuses.get(each.name) in each.wanted for each in needed)


def failed(listed: Sequence[Activity], statuses: Mapping[str, Status]) -> str | None:
    """The name, in lower case, of the first activity that makes a list fail; None if it succeeds."""
    needed = {each.name.lower(): dependencies(each) for each in listed}
    inner = {one.name for found in needed.values() for one in found}
    leaves = [name for name in needed if name not in inner]
    return next((name for name in _counting(leaves, needed, statuses) if statuses[name] == "Failed"), None)


def _counting(
    leaves: Sequence[str], needed: Mapping[str, Sequence[Dependency]], statuses: Mapping[str, Status]
) -> Iterator[str]:
    """The leaves, and for one that was skipped those before it."""
    seen, rest = set(leaves), list(leaves)
    while rest:
        name = rest.pop(0)
        if statuses.get(name) != "Skipped":
            yield name
            continue
        before = [each.name for each in needed[name] if each.name in needed and each.name not in seen]
        seen.update(before)
        rest.extend(before)
