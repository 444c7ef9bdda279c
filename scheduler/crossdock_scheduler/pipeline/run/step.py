"""What a control activity has to work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..definitions.activities import Activity
from ..expressions import ABSENT, evaluate
from .failure import ActivityFailed
from .frame import Frame
from .records import ActivityRun, PipelineRun, Problem
from .store import Change

if TYPE_CHECKING:
    from .running import Running


class Step:
    """One control activity while it runs.

    ``input`` is for the record. ``change`` is saved together with the end of the activity. ``record.state``
    is what ``keep`` was given last, also before a resume.
    """

    def __init__(self, running: Running, activity: Activity, frame: Frame, record: ActivityRun) -> None:
        self.activity, self.record = activity, record
        self.properties = activity.read().inner("typeProperties")
        self.input: Any = None
        self.change: Change | None = None
        self._running, self._frame = running, frame

    @property
    def state(self) -> Any:
        return self.record.state

    @property
    def run(self) -> PipelineRun:
        return self._running.run

    @property
    def variables(self) -> Any:
        return self._running.variables

    async def keep(self, state: Any) -> None:
        """Save a decision before it is acted upon: resumed, the activity has it as its ``state``."""
        self.record = replace(self.record, state=state)
        await self._running.keep(self.record)

    def evaluate(self, key: str, frame: Frame | None = None) -> Any:
        """The value of a key of the typeProperties."""
        return self.value(self.properties.get(key), frame=frame)

    def value(self, given: Any, item: Any = ABSENT, frame: Frame | None = None) -> Any:
        """A JSON value with its expressions evaluated, as of now."""
        return evaluate(given, self._running.scope(frame or self._frame, item))

    def each(self, key: str, items: list[Any]) -> list[Any]:
        """The value of a key for each of several items."""
        given = self.properties.get(key)
        scope = self._running.scope(self._frame)
        return [evaluate(given, replace(scope, item=item)) for item in items]

    def flag(self, value: Any, what: str) -> bool:
        """A condition's value as a truth."""
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ActivityFailed("InvalidValue", f"{what} must be true or false, not {_shown(value)}")
        return value

    def items(self, value: Any, what: str) -> list[Any]:
        """A value that must be a list."""
        if not isinstance(value, list | tuple):
            raise ActivityFailed("InvalidValue", f"{what} must be a list, not {_shown(value)}")
        return list(value)

    def within(self, number: int | None = None, item: Any = ABSENT) -> Frame:
        return self._frame.inside(self.activity, number, item)

    async def inner(self, name: str, frame: Frame) -> Problem | None:
        """Run one of the lists of this activity. Returns why it failed."""
        return await self._running.inner(self.activity, name, frame)

    def set(self, name: str, value: Any) -> None:
        """Change a variable, or with an empty name the return value, by what this activity leaves."""
        if name:
            self.variables.set(name, value)
        self.change = Change(name, value)
        self._running.apply(self.change)

    async def call(self, run: PipelineRun, given: Mapping[str, Any]) -> PipelineRun:
        return await self._running.host.call(run, given)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return "a number" if not isinstance(value, bool) else "true or false"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "a list"
