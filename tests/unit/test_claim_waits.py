"""What a claim that waits for jobs tells the node, and when it stops waiting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from crossdock_scheduler.service.bell import Bell
from crossdock_scheduler.service.operations.metrics import Metrics
from crossdock_scheduler.service.queue import Claimed
from crossdock_scheduler.service.rest import node_protocol
from crossdock_scheduler.service.rest.node_route import Sender
from crossdock_scheduler.wire import node as wire

LOOK = 3.0


class Waiting:
    """A claim on a clock that passes while the database is looked at, for ``LOOK`` seconds, and while news
    are waited for. There is a job after ``ready`` seconds; the node is gone after ``left``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ready: float, left: float) -> None:
        self.passed, self.ready, self.left, self.begun = 0.0, ready, left, [0.0]
        fake = SimpleNamespace(current_time=lambda: self.passed, move_on_after=self.move_on_after)
        monkeypatch.setattr(node_protocol, "anyio", fake)

    def move_on_after(self, seconds: float) -> anyio.CancelScope:
        self.passed += seconds
        return anyio.move_on_after(0)

    async def alike(self, *_: Any) -> list[Claimed]:
        self.begun.append(self.passed)
        self.passed += LOOK
        return [Claimed("job", 1, {}, 0.0, None)] if self.begun[-1] >= self.ready else []

    async def is_gone(self) -> bool:
        return self.passed > self.left

    def claim(self) -> wire.Jobs:
        parts = {"new_jobs": Bell(), "drain": SimpleNamespace(began=False), "metrics": Metrics()}
        service = cast("Any", SimpleNamespace(database=self, lease=10.0, **parts))
        sent = Sender(service, "node", 1, self.is_gone)
        return anyio.run(node_protocol.claim_jobs, wire.Claim(want=1, wait=20.0), sent)


def test_it_says_what_it_had_waited_when_it_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when it answered: the lease is counted by the database from when it was given."""
    waiting = Waiting(monkeypatch, 11.0, 60.0)
    found = waiting.claim()
    assert [each.id for each in found.jobs] == ["job"]
    assert found.waited == waiting.begun[-1] == 12.0
    assert waiting.passed == 12.0 + LOOK


def test_nothing_is_claimed_for_a_node_that_does_not_wait_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch, 11.0, 5.0)
    assert waiting.claim().jobs == []
    assert waiting.begun[-1] < waiting.left
