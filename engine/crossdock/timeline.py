"""What the workers of a run did, moment by moment, in a bounded number of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .meter import Worker

POINTS = 120
_FIRST = 0.2


class Timeline:
    """``points``: ``at`` (seconds since the run began), ``bytes`` until then, and of so many ``looks`` since
    the point before, ``workers``: by what they did, how often one of them was seen doing it. Neighbours are
    put together when there are more than 120.
    """

    def __init__(self) -> None:
        self.points: list[dict[str, Any]] = []
        self._every, self._next = _FIRST, 0.0

    def look(self, at: float, moved: int, workers: Sequence[Worker]) -> None:
        if at < self._next:
            return
        self._next = at + self._every * 0.9  # the caller's clock is not exact
        doing: dict[str, int] = {}
        for worker in workers:
            if worker.state != "away":
                doing[worker.state] = doing.get(worker.state, 0) + 1
        self.points.append({"at": round(at, 2), "bytes": moved, "looks": 1, "workers": doing})
        if len(self.points) > POINTS:
            self.points = [_together(*self.points[n : n + 2]) for n in range(0, len(self.points), 2)]
            self._every *= 2


def _together(first: dict[str, Any], second: dict[str, Any] | None = None) -> dict[str, Any]:
    if second is None:
        return first
    doing = dict(first["workers"])
    for state, count in second["workers"].items():
        doing[state] = doing.get(state, 0) + count
    looks = first["looks"] + second["looks"]
    return {"at": second["at"], "bytes": second["bytes"], "looks": looks, "workers": doing}
