"""Control activities: those whose work is to decide about others. A module registers its own here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...definitions import Definition, Factory, Finding
from ...definitions.activities import Activity

if TYPE_CHECKING:
    from ...policy import Policy
    from ..step import Step

_MODULES = ("variables", "branches", "loops", "calls", "lists", "ends")
_TYPES: dict[str, ControlType] = {}


@dataclass(frozen=True, slots=True)
class ControlType:
    """A type of activity that the interpreter itself carries out.

    ``plan`` says ahead what is wrong with one. ``run`` returns its output, and raises ActivityFailed,
    ExpressionError or CrossdockError.
    """

    name: str
    summary: str
    plan: Callable[[Factory, Definition, Activity, Policy], list[Finding]]
    run: Callable[[Step], Awaitable[Mapping[str, Any]]]


def register(found: ControlType) -> None:
    _TYPES[found.name.lower()] = found


def control_types() -> Mapping[str, ControlType]:
    """By name in lower case."""
    if not _TYPES:
        for module in _MODULES:
            import_module(f"{__name__}.{module}")
    return _TYPES
