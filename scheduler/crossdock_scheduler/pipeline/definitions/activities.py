"""The activities of a pipeline, with those inside of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock import AdfProperties

from .model import Definition

# By type, in lower case: where it has activities of its own.
CONTAINERS = {
    "foreach": ("activities",),
    "until": ("activities",),
    "ifcondition": ("ifTrueActivities", "ifFalseActivities"),
    "switch": ("defaultActivities",),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity. ``path`` is its JSON path, ``group`` that of the list that it is in.

    ``within`` are the activities around it, the outermost first.
    """

    name: str
    type: str
    properties: Mapping[str, Any] = field(repr=False)
    path: str
    group: str
    within: tuple[Activity, ...] = ()

    def read(self) -> AdfProperties:
        """The whole object of the activity, of which nothing has been read yet."""
        return AdfProperties(self.properties, self.path)

    @property
    def inactive(self) -> bool:
        """It is not run, or one around it is not."""
        states = (each.read().text("state") for each in (self, *self.within))
        return any(state.lower() == "inactive" for state in states)


def activities(pipeline: Definition) -> tuple[Activity, ...]:
    """All activities, each before those within it. What is no object or has no name is left out."""
    return pipeline.once(_all)


def _all(pipeline: Definition) -> tuple[Activity, ...]:
    return tuple(_listed(pipeline.read(), "activities", ()))


def _listed(owner: AdfProperties, key: str, within: tuple[Activity, ...]) -> Iterator[Activity]:
    listed = owner.get(key)
    group = owner.where(key)
    for index, value in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(value, Mapping):
            continue
        found = AdfProperties(value, f"{group}[{index}]")
        made = Activity(found.text("name"), found.text("type"), value, found.path, group, within)
        yield made
        inner = found.inner("typeProperties")
        for name in CONTAINERS.get(made.type.lower(), ()):
            yield from _listed(inner, name, (*within, made))
        if made.type.lower() == "switch":
            cases = inner.get("cases")
            for number, case in enumerate(cases if isinstance(cases, list) else ()):
                if isinstance(case, Mapping):
                    place = f"{inner.where('cases')}[{number}]"
                    yield from _listed(AdfProperties(case, place), "activities", (*within, made))
