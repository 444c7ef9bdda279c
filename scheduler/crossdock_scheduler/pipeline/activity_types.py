"""Which types of activities this release can run: a module that has a runner registers it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .definitions import Definition, Factory, Finding
from .definitions.activities import Activity
from .policy import Policy

# Plans an activity without running it: the plan, and what is to be said about it.
Plan = Callable[[Factory, Definition, Activity, Policy], tuple[Any, list[Finding]]]
_MODULES = ("copy.runner",)
_TYPES: dict[str, ActivityType] = {}


@dataclass(frozen=True, slots=True)
class ActivityType:
    """A type that can be run. ``plan`` says ahead what it would do; ``run`` does what ``plan`` returned."""

    name: str
    summary: str
    plan: Plan
    run: Callable[[Any], Any]


def register(found: ActivityType) -> None:
    _TYPES[found.name.lower()] = found


def activity_types() -> Mapping[str, ActivityType]:
    """By name in lower case."""
    for module in _MODULES:
        import_module(f"{__package__}.{module}")
    return _TYPES
