"""What the activities of this package have in common: planned the same way ahead and for a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from crossdock import AdfProperties, ConfigError, CrossdockError

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding, of_remark
from ..definitions.activities import Activity
from ..planning.activity import Planning
from ..planning.ends import End, unread
from ..policy import Policy

Plan = TypeVar("Plan")


class DataActivity(Planning, Generic[Plan]):
    """A type of activity: what its JSON means, and how that is carried out."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._used: list[End] = []

    @abstractmethod
    def plan(self) -> Plan | None:
        """Read all of the properties; None where something is missing that the findings name."""

    @abstractmethod
    def carry_out(self, plan: Plan, attempt: Attempt) -> Mapping[str, Any]:
        """Do it and return the activity's output. Raises CrossdockError."""

    def uses(self, end: End | None) -> End | None:
        """Say what is to be had before the end can be reached: secrets, mostly."""
        for what in end.missing.values() if end else ():
            self.say("note", "ValueNeeded", f"needs before it runs: {what}", self.activity.path)
        if end:
            self._used.append(end)
        return end

    def wrong(self, key: str, message: str) -> None:
        """Say what is wrong with one of the properties."""
        self.say("error", "InvalidValue", f"{key}: {message}", self.properties.where(key))

    def also(self, properties: AdfProperties) -> None:
        """Report on an object in a list, of which all has been read that is known."""
        place, owner, name = self.pipeline.place, self.pipeline.owner, self.activity.name
        self.findings.extend(of_remark(each, place, owner, name) for each in properties.remarks())
        self.findings.extend(unread(properties, self.pipeline, name))

    def run(self, attempt: Attempt) -> Mapping[str, Any]:
        plan = self.plan()
        self.report()
        name = self.activity.name
        against = [each.message for each in self.findings if each.severity != "note"]
        missing = [f"{option} needs {what}" for end in self._used for option, what in end.missing.items()]
        if plan is None or against or missing:
            raise ConfigError(f"the activity {name!r}: {'; '.join(dict.fromkeys([*against, *missing]))}")
        try:
            return self.carry_out(plan, attempt)
        except CrossdockError as error:
            error.message = f"the activity {name!r}: {error.message}"
            raise


def registered(name: str, summary: str, activity: type[DataActivity[Any]], *, repeats: bool = True) -> None:
    """Make it a type of activity that can be run. ``repeats``: twice is the same as once."""

    def plan(factory: Factory, pipeline: Definition, one: Activity, policy: Policy) -> list[Finding]:
        planned = activity(factory, pipeline, one, policy)
        planned.plan()
        planned.report()
        return planned.findings

    def run(attempt: Attempt) -> Mapping[str, Any]:
        planned = activity(attempt.factory, attempt.pipeline, attempt.activity, attempt.policy, attempt.scope)
        return planned.run(attempt)

    register(ActivityType(name, summary, plan, run, lambda _: repeats))
