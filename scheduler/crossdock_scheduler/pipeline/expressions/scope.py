"""What an expression may refer to while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""No value, where None is one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Plain mappings; upper and lower case of all names are alike.

    ``system`` holds what else ``pipeline()`` has (``RunId``, ``TriggerTime``); a documented name that it
    lacks is null. ``activities`` holds what ``activity(name)`` returns: an object with ``output``. ``item``,
    ``dataset``, ``linked_service`` and ``trigger`` are absent where the language has none. ``ticks`` is the
    clock: units of 100 ns since the year 1, UTC.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    global_parameters: Mapping[str, Any] = field(default_factory=dict)
    library_variables: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    activities: Mapping[str, Any] = field(default_factory=dict)
    item: Any = ABSENT
    dataset: Mapping[str, Any] | None = None
    linked_service: Mapping[str, Any] | None = None
    trigger: Mapping[str, Any] | None = None
    ticks: Callable[[], int] | None = None
