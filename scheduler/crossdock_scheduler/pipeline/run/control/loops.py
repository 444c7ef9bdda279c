"""ForEach and Until."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from crossdock import AdfProperties

from .... import clock
from ..failure import ActivityFailed
from ..records import Problem
from ..step import Step
from . import ControlType, register
from .branches import inner_failed
from .planning import Checked, plan_of

_AT_ONCE, _MOST_AT_ONCE = 20, 50
_A_WEEK = 7 * 24 * 3600


async def _for_each(step: Step) -> Mapping[str, Any]:
    if step.state is None:
        await step.keep({"items": step.items(step.evaluate("items"), "items")})
    items = step.state["items"]
    step.input = {"itemsCount": len(items)}
    sequential = step.value(step.properties.get("isSequential")) in (True, "true", "True")
    given = step.value(step.properties.get("batchCount"))
    at_once = 1 if sequential else int(given) if given else _AT_ONCE
    if not 1 <= at_once <= _MOST_AT_ONCE:
        raise ActivityFailed("InvalidValue", f"batchCount must be 1 to {_MOST_AT_ONCE}, not {at_once}")
    failed = await _iterations(step, items, at_once)
    if failed:
        number, problem = min(failed.items())
        message = f"{len(failed):,} of {len(items):,} iterations failed; [{number}]: {problem.target}: "
        raise ActivityFailed(problem.code, message + problem.message, problem.kind)
    return {"itemsCount": len(items)}


async def _iterations(step: Step, items: list[Any], at_once: int) -> dict[int, Problem]:
    """Run all of them, whatever becomes of one. Returns those that failed."""
    failed: dict[int, Problem] = {}
    rest = iter(enumerate(items))

    async def work() -> None:
        for number, item in rest:
            problem = await step.inner("activities", step.within(number, item))
            if problem:
                failed[number] = problem

    async with anyio.create_task_group() as group:
        for _ in range(min(at_once, len(items))):
            group.start_soon(work)
    return failed


async def _until(step: Step) -> Mapping[str, Any]:
    timeout = AdfProperties({"timeout": step.evaluate("timeout")}).seconds("timeout") or _A_WEEK
    passed = (clock.moment() - step.record.started).total_seconds()
    with anyio.move_on_after(timeout - passed) as limit:
        return {"iterations": await _rounds(step)}
    raise ActivityFailed(
        "Timeout" if limit.cancelled_caught else "Internal",
        f"the condition did not come true within the time-out of {timeout:,} seconds",
    )


async def _rounds(step: Step) -> int:
    """Run until the condition is true. What counts is how the last round ended."""
    number: int = (step.state or {}).get("round", 0)
    while True:
        frame = step.within(number)
        problem = await step.inner("activities", frame)
        done = step.flag(step.evaluate("expression", frame), "the condition")
        number += 1
        if done:
            if problem:
                raise inner_failed(problem)
            return number
        await step.keep({"round": number})
        # A round of nothing but decisions would let nobody else run.
        await anyio.sleep(0)


def _check_for_each(checked: Checked) -> None:
    checked.need("items", "activities")
    checked.properties.ignore("isSequential")
    batch = checked.known("batchCount")
    if batch is not None and not (isinstance(batch, int | str) and 1 <= _whole(batch) <= _MOST_AT_ONCE):
        checked.say("InvalidValue", f"batchCount must be 1 to {_MOST_AT_ONCE}, not {batch!r}", "batchCount")


def _whole(value: int | str) -> int:
    try:
        return int(value)
    except ValueError:
        return 0


def _check_until(checked: Checked) -> None:
    checked.need("expression", "activities")
    if checked.known("timeout") is not None:
        checked.properties.seconds("timeout")


register(ControlType("ForEach", "a list of activities for each item", plan_of(_check_for_each), _for_each))
register(
    ControlType("Until", "a list of activities until a condition is true", plan_of(_check_until), _until)
)
