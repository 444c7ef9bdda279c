"""Schedule triggers: a run for each time that one is due at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .misfires import Misfires, Missed
from .reading import Schedule
from .starting import CannotStart, Firing, text

# Ticks that nobody saw to within this time were missed: no service ran.
_LATE = 60.0
_AT_ONCE = 50


def fire(firing: Firing, schedule: Schedule, next_at: float | None, misfires: Misfires) -> dict[str, Any]:
    """Start what is due; returns when the trigger is due next."""
    if next_at is None:
        return {"wake_at": None}
    chosen: list[float] = []
    following: float | None = None
    for tick in _ticks(schedule, _since(firing, schedule, next_at, misfires)):
        if tick > firing.now or len(chosen) == _AT_ONCE:
            following = tick
            break
        if misfires.run is Missed.LATEST and chosen and firing.now - chosen[-1] > _LATE:
            chosen.pop()
        chosen.append(tick)
    for tick in chosen:
        # The first that was due is run, or it was missed.
        skipped = tick == chosen[0] and tick > next_at
        _run(firing, schedule, tick, f"Earlier times, from {text(next_at)} on, were missed." * skipped)
    return {"next_at": following, "wake_at": following}


def _since(firing: Firing, schedule: Schedule, next_at: float, misfires: Misfires) -> float:
    """No tick before this one is run."""
    if misfires.run is Missed.NONE:
        return max(next_at, firing.now - _LATE)
    oldest = max(next_at, firing.now - max(misfires.within, _LATE))
    if misfires.run is Missed.LATEST:
        span = _LATE
        while firing.now - span > oldest:
            if next(_ticks(schedule, firing.now - span), firing.now + 1) <= firing.now:
                return firing.now - span
            span *= 4
    return oldest


def _ticks(schedule: Schedule, since: float) -> Iterator[float]:
    found = schedule.recurrence.at_or_after(datetime.fromtimestamp(since, UTC))
    while found is not None:
        yield found.timestamp()
        found = schedule.recurrence.after(found)


def _run(firing: Firing, schedule: Schedule, tick: float, message: str) -> None:
    run_id = firing.add(tick, status="Succeeded", ended=firing.now)
    pipelines: dict[str, str] = {}
    problems = []
    for index, each in enumerate(schedule.pipelines):
        try:
            name, started = firing.start(each, {"scheduledTime": text(tick)}, run_id, str(index))
        except CannotStart as error:
            problems.append(str(error))
        else:
            pipelines[name if name not in pipelines else f"{name} ({index + 1})"] = started
    status = "Failed" if problems else "Succeeded"
    firing.change(run_id, pipelines=pipelines, status=status, message=" ".join([*problems, message]).strip())
