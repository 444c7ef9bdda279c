"""Who carries out attempts at leaf activities: here threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self

import anyio
from anyio.from_thread import BlockingPortal

from ..activity_types import Attempt, activity_types

_GRACE = 5.0
"""Seconds that a runner has for its end once it is cancelled; then nobody waits for it any more."""


class Carrier(Protocol):
    """Carries out one attempt at a leaf activity, wherever that is."""

    async def carry(self, attempt: Attempt) -> Mapping[str, Any]:
        """The activity's output. Raises what the runner raises.

        Cancelled, it has the runner end, and soon ends itself. After a crash it is called again for an
        attempt with the same ``run_id``.
        """


class Threads:
    """Each attempt in a thread of its own, which does not keep the process alive. An async context."""

    def __init__(self, grace: float = _GRACE) -> None:
        self._grace = grace
        self._portal = BlockingPortal()

    async def __aenter__(self) -> Self:
        await self._portal.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._portal.__aexit__(kind, error, trace)

    async def carry(self, attempt: Attempt) -> Mapping[str, Any]:
        runner = activity_types()[attempt.activity.type.lower()]
        ended = anyio.Event()
        outcome: list[Mapping[str, Any] | BaseException] = []

        def work() -> None:
            try:
                outcome.append(runner.run(attempt))
            except BaseException as error:  # noqa: BLE001 - raised below, in the task
                outcome.append(error)
            with suppress(RuntimeError):  # nobody waits any more
                self._portal.call(ended.set)

        threading.Thread(target=work, name=f"activity {attempt.activity.name}", daemon=True).start()
        try:
            await ended.wait()
        except BaseException:
            attempt.cancel.set()
            with anyio.move_on_after(self._grace, shield=True):
                await ended.wait()
            raise
        if isinstance(found := outcome[0], BaseException):
            raise found
        return found
