"""Filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from ..step import Step
from . import ControlType, register
from .planning import Checked, plan_of

_MANY = 1_000
"""From so many items on others are not kept waiting."""


async def _filter(step: Step) -> Mapping[str, Any]:
    items = step.items(step.evaluate("items"), "items")
    step.input = {"itemsCount": len(items)}
    if len(items) < _MANY:
        found = _chosen(step, items)
    else:
        found = await anyio.to_thread.run_sync(_chosen, step, items)
    return {"ItemsCount": len(items), "FilteredItemsCount": len(found), "Value": found}


def _chosen(step: Step, items: list[Any]) -> list[Any]:
    verdicts = step.each("condition", items)
    return [
        item for item, verdict in zip(items, verdicts, strict=True) if step.flag(verdict, "the condition")
    ]


def _check(checked: Checked) -> None:
    checked.need("items", "condition")


register(ControlType("Filter", "the items for which a condition is true", plan_of(_check), _filter))
