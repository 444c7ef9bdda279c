"""IfCondition and Switch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...expressions.values import to_text
from ..failure import ActivityFailed
from ..records import Problem
from ..step import Step
from . import ControlType, register
from .planning import Checked, objects, plan_of


async def _if(step: Step) -> Mapping[str, Any]:
    if step.state is None:
        await step.keep({"result": step.flag(step.evaluate("expression"), "the condition")})
    result = step.state["result"]
    step.input = {"expression": result}
    await _branch(step, "ifTrueActivities" if result else "ifFalseActivities")
    return {"expressionResult": result}


async def _switch(step: Step) -> Mapping[str, Any]:
    if step.state is None:
        await step.keep({"on": to_text(step.evaluate("on"))})
    on = step.state["on"]
    step.input = {"on": on}
    cases = [each.text("value") for each in objects(step.properties.get("cases"))]
    known = on in cases
    await _branch(step, f"cases[{cases.index(on)}].activities" if known else "defaultActivities")
    return {"on": on, "case": on if known else "default"}


async def _branch(step: Step, name: str) -> None:
    problem = await step.inner(name, step.within())
    if problem:
        raise inner_failed(problem)


def inner_failed(problem: Problem) -> ActivityFailed:
    message = f"an inner activity failed: {problem.target}: {problem.message}"
    return ActivityFailed(problem.code, message, problem.kind)


def _check_if(checked: Checked) -> None:
    checked.need("expression")
    checked.properties.ignore("ifTrueActivities", "ifFalseActivities")


def _check_switch(checked: Checked) -> None:
    checked.need("on")
    checked.properties.ignore("defaultActivities")
    seen: set[str] = set()
    for each in objects(checked.properties.get("cases")):
        value = each.text("value")
        if value in seen:
            checked.say(
                "DuplicateName", f"two cases have the value {value!r}; only the first can run", "cases"
            )
        seen.add(value)


register(ControlType("IfCondition", "one of two lists of activities", plan_of(_check_if), _if))
register(ControlType("Switch", "one of several lists of activities", plan_of(_check_switch), _switch))
