"""An attempt at a copy that may have been made before, on this machine, by a process that was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import crossdock
from crossdock import CopyResult, NotFoundError

_STAGED = ("sink_options", "stage_options")


def once(
    run_id: str, begin: Callable[[], CopyResult], given: Mapping[str, Any], **more: Any
) -> Mapping[str, Any]:
    """The output of the copy: of the one that is done, or was interrupted and goes on, else of a new one.

    ``given`` are options that are given again, ``more`` what else ``crossdock.resume`` takes.
    """
    try:
        before = crossdock.show(run_id)
    except NotFoundError:
        return begin().output()
    if before.state == "succeeded" and before.output is not None:
        return before.output
    if before.state == "interrupted":
        return crossdock.resume(run_id, **given, **more).output()
    crossdock.forget(run_id, **_of(given, _STAGED))
    return begin().output()


def settled(run_id: str, given: Mapping[str, Any]) -> None:
    """Nobody makes the attempt again: the sink forgets its commits; a copy that failed leaves nothing."""
    with suppress(NotFoundError):
        crossdock.settle(run_id, **_of(given, ("source_options", *_STAGED)))
        if crossdock.show(run_id).state != "succeeded":
            crossdock.forget(run_id, **_of(given, _STAGED))


def _of(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
