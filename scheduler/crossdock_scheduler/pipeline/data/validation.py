"""Validation: waits until a file, a folder or a table is as it should be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossdock import CancelledError, NotFoundError, TransientError

from ..activity_types import Attempt
from ..planning.ends import End
from .activity import DataActivity, registered
from .places import found, inside, moment, structure

_TIMEOUT = 12 * 3600
_SLEEP = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """``timeout`` and ``sleep`` are in seconds, ``least`` is a size in bytes."""

    end: End
    timeout: float
    sleep: float
    least: int = 0
    children: bool | None = None


class ValidationActivity(DataActivity[Wanted]):
    def plan(self) -> Wanted | None:
        end = self.uses(self.dataset(self.properties, as_is=True))
        given = self.properties
        timeout, sleep, least = given.seconds("timeout"), given.whole("sleep"), given.whole("minimumSize")
        children = given.flag("childItems")
        for name, value in (("sleep", sleep), ("minimumSize", least)):
            if value is not None and value < 0:
                self.wrong(name, "it must not be below 0")
        if end is None:
            return None
        return Wanted(
            end,
            _TIMEOUT if timeout is None else timeout,
            _SLEEP if sleep is None else sleep,
            least or 0,
            children,
        )

    def carry_out(self, plan: Wanted, attempt: Attempt) -> Mapping[str, Any]:
        ends = time.monotonic() + plan.timeout
        while True:
            output, lacking = _looked_at(plan, attempt)
            if not lacking:
                return output
            attempt.progress(output)
            left = ends - time.monotonic()
            if left <= 0:
                raise TransientError(f"timeout: {lacking} after {plan.timeout:g} seconds")
            if attempt.cancel.wait(min(plan.sleep, left)):
                raise CancelledError


def _looked_at(plan: Wanted, attempt: Attempt) -> tuple[dict[str, Any], str]:
    """The output, and what it lacks; empty where that is nothing."""
    shown = plan.end.below or "it"
    if plan.end.format is None:
        try:
            structure(plan.end)
        except NotFoundError as error:
            return {"exists": False}, error.message
        return {"exists": True}, ""
    item = found(plan.end, attempt)
    if item is None:
        return {"exists": False}, f"{shown} does not exist"
    output: dict[str, Any] = {"exists": True, "itemName": item.name, "itemType": item.kind.capitalize()}
    output |= {"lastModified": changed} if (changed := moment(item.facts.modified)) else {}
    if item.kind == "file":
        size = item.facts.size or 0
        lacking = f"{shown} has {size:,} bytes, not {plan.least:,}" if size < plan.least else ""
        return output | {"size": size}, lacking
    if plan.children is None:
        return output, ""
    listed = inside(plan.end, attempt)
    fits = bool(listed) is plan.children
    return output | {"childItems": listed}, "" if fits else f"{shown} is {'not ' * bool(listed)}empty"


registered("Validation", "waits until a file, a folder or a table is there", ValidationActivity)
