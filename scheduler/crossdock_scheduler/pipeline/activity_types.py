"""Which types of activities this release can run: a module that has a runner registers it here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from .definitions import Definition, Factory, Finding
from .definitions.activities import Activity
from .expressions import Scope
from .policy import Policy

_MODULES = (
    "copy.runner",
    "data.lookup",
    "data.get_metadata",
    "data.validation",
    "data.delete",
    "data.script",
    "data.stored_procedure",
    "web.activity",
    "web.hook",
    "ssis.activity",
)
_TYPES: dict[str, ActivityType] = {}
ANY_RUNTIME = "AutoResolveIntegrationRuntime"
"""What Data Factory shows where no runtime is named."""


def _nothing(_: Any) -> None:
    """For those whom progress does not concern, and types that leave nothing behind."""


def _always(_: Attempt) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Hop:
    """A part of a staged copy that a machine does for another: ``out`` to the stage, ``in`` from it, or
    ``remove`` what is there. ``folder`` is the copy's own below the stage's path."""

    kind: Literal["out", "in", "remove"]
    folder: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an activity: all that its runner gets.

    Expressions in the definitions are evaluated in ``scope``. ``run_id`` is the activity run's. ``progress``
    takes what the output would be by now and may be called from any thread; once ``cancel`` is set the
    runner ends soon, with CancelledError. Of a copy only the ``hop`` is done, where there is one.
    """

    factory: Factory
    pipeline: Definition
    activity: Activity
    scope: Scope
    policy: Policy
    run_id: str
    progress: Callable[[Mapping[str, Any]], None] = _nothing
    cancel: threading.Event = field(default_factory=threading.Event)
    hop: Hop | None = None


@dataclass(frozen=True, slots=True)
class ActivityType:
    """A type whose runner does all of its work by itself; what other activities decide is the pipeline's.

    ``plan`` says ahead, without opening anything, what of a definition is wrong or cannot be done. ``run``
    blocks and returns the output, as JSON; it raises CrossdockError, whose code and message become the
    activity run's error. Retries and the time-out of the activity's policy are the caller's.

    ``repeats`` says whether ``run`` may be called again for an attempt that somebody else has begun, and
    perhaps ended; a copy finds out what was done. ``settle`` removes what was kept for that: on a lease
    (``crossdock.fencing``) it is called when whoever gave the lease knows how the attempt ended.
    """

    name: str
    summary: str
    plan: Callable[[Factory, Definition, Activity, Policy], list[Finding]]
    run: Callable[[Attempt], Mapping[str, Any]]
    repeats: Callable[[Attempt], bool] = _always
    settle: Callable[[Attempt], None] = _nothing


def register(found: ActivityType) -> None:
    _TYPES[found.name.lower()] = found


def activity_types() -> Mapping[str, ActivityType]:
    """By name in lower case."""
    for module in _MODULES:
        import_module(f"{__package__}.{module}")
    return _TYPES
