"""Wait and Fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from .... import clock
from ...expressions.values import to_text
from ..failure import ActivityFailed
from ..step import Step
from ..values import converted
from . import ControlType, register
from .planning import Checked, plan_of


async def _wait(step: Step) -> Mapping[str, Any]:
    if step.state is None:
        try:
            seconds = converted(step.evaluate("waitTimeInSeconds"), "int")
        except ValueError as error:
            raise ActivityFailed("InvalidValue", f"waitTimeInSeconds {error}") from None
        await step.keep({"seconds": seconds or 0})
    seconds = step.state["seconds"]
    step.input = {"waitTimeInSeconds": seconds}
    passed = (clock.moment() - step.record.started).total_seconds()
    await anyio.sleep(max(seconds - passed, 0))
    return {}


async def _fail(step: Step) -> Mapping[str, Any]:
    message, code = to_text(step.evaluate("message")), to_text(step.evaluate("errorCode"))
    step.input = {"message": message, "errorCode": code}
    raise ActivityFailed(code, message)


def _check_wait(checked: Checked) -> None:
    checked.need("waitTimeInSeconds")
    seconds = checked.known("waitTimeInSeconds")
    try:
        right = seconds is None or converted(seconds, "int") >= 0
    except ValueError:
        right = False
    if not right:
        checked.say(
            "InvalidValue", "waitTimeInSeconds must be a whole number of seconds", "waitTimeInSeconds"
        )


def _check_fail(checked: Checked) -> None:
    checked.need("message", "errorCode")


register(ControlType("Wait", "waits", plan_of(_check_wait), _wait))
register(ControlType("Fail", "fails with a message and a code", plan_of(_check_fail), _fail))
