"""Checks of the definitions of control activities, each key of which is read or reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from crossdock import AdfProperties

from ...definitions import Definition, Factory, Finding, of_remark
from ...definitions.activities import Activity
from ...expressions import expression_of
from ...policy import Policy


class Checked:
    """The definition of one activity, and what is found about it."""

    def __init__(self, factory: Factory, pipeline: Definition, activity: Activity) -> None:
        self.factory, self.pipeline, self.activity = factory, pipeline, activity
        self.properties = activity.read().inner("typeProperties")
        self.findings: list[Finding] = []

    def say(
        self,
        code: str,
        message: str,
        key: str = "",
        severity: Literal["error", "unsupported", "note"] = "error",
    ) -> None:
        path = self.properties.where(key) if key else self.activity.path
        place = self.pipeline.place.at(path)
        self.findings.append(Finding(severity, code, message, place, self.pipeline.owner, self.activity.name))

    def need(self, *keys: str) -> None:
        """Keys without which the activity makes no sense."""
        for key in keys:
            if self.properties.get(key) is None:
                self.say("BrokenDefinition", f"a {self.activity.type} needs {key}")

    def known(self, key: str) -> Any:
        """The value of a key where it is no expression; None where it is."""
        value = self.properties.get(key)
        return None if is_computed(value) else value


def is_computed(value: Any) -> bool:
    """Whether a value is an expression, or a text with one in it."""
    return expression_of(value) is not None or (isinstance(value, str) and "@" in value)


def plan_of(
    check: Callable[[Checked], None], *ignored: str
) -> Callable[[Factory, Definition, Activity, Policy], list[Finding]]:
    """A plan: what ``check`` says, remarks about values, and the keys that nobody has read."""

    def plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
        checked = Checked(factory, pipeline, activity)
        check(checked)
        checked.properties.ignore(*ignored)
        for remark in checked.properties.remarks():
            checked.findings.append(of_remark(remark, pipeline.place, pipeline.owner, activity.name))
        _unread(checked, checked.properties.unread())
        return checked.findings

    return plan


def _unread(checked: Checked, paths: Iterable[str]) -> None:
    for path in paths:
        place = checked.pipeline.place.at(path)
        message = f"{path.rpartition('.')[2]} is no key of a {checked.activity.type} that is known"
        checked.findings.append(
            Finding("note", "UnknownKey", message, place, checked.pipeline.owner, checked.activity.name)
        )


def objects(value: Any) -> list[AdfProperties]:
    """The objects of a list."""
    return [
        AdfProperties(each)
        for each in (value if isinstance(value, list) else ())
        if isinstance(each, Mapping)
    ]
