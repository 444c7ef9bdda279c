"""On which integration runtimes an activity is done: those that its linked services are reached through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...pipeline.activity_types import Attempt
from ...pipeline.definitions import Factory
from ...pipeline.definitions.links import referenced
from ...pipeline.expressions import evaluate
from ...pipeline.run.failure import ActivityFailed

_ANY = "autoresolveintegrationruntime"


@dataclass(frozen=True, slots=True)
class Places:
    """Names of runtimes; empty where nothing is asked for. They differ for a staged copy between two."""

    source: str
    sink: str


def places_of(attempt: Attempt) -> Places:
    """Raises ActivityFailed where different runtimes are asked for, and it is no staged copy."""
    names = connected(attempt.factory, attempt.activity.properties)
    if len(names) <= 1:
        only = next(iter(names.values()), "")
        return Places(only, only)
    whole = attempt.activity.read()
    ends = [connected(attempt.factory, whole.get(side)) for side in ("inputs", "outputs")]
    if attempt.activity.type.lower() == "copy" and all(len(end) == 1 for end in ends) and _staged(attempt):
        source, sink = (next(iter(end.values())) for end in ends)
        if source.lower() != sink.lower():
            return Places(source, sink)
    raise ActivityFailed(
        "DifferentRuntimes",
        f"its linked services want different integration runtimes: {', '.join(names.values())}; "
        "a copy between two needs enableStaging",
    )


def _staged(attempt: Attempt) -> bool:
    return (
        evaluate(attempt.activity.read().inner("typeProperties").get("enableStaging"), attempt.scope) is True
    )


def connected(factory: Factory, value: Any) -> dict[str, str]:
    """The runtimes of what a JSON value refers to, by their names in lower case."""
    found = {}
    for each in referenced(factory, value):
        name = each.name if each.kind == "integrationRuntime" else ""
        if each.kind == "linkedService":
            name = each.read().inner("connectVia").text("referenceName")
        if name and name.lower() != _ANY:
            found[name.lower()] = name
    return found
