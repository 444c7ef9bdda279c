"""Where the time of a run went, in parts that add up to its wall time.

What one thread does before and after the copying (opening both ends, listing, finishing) are parts of the
clock. While workers copy, several things happen at once, so the time is shared out: a part of the copying's
wall time is to all of it as the seconds that all workers spent on that thing are to all seconds of all
workers. With one worker these are seconds of the clock too; with four, of which one waits all the time, a
quarter of the time was waiting. A worker's seconds until its own first byte are the time to first byte,
whatever it did, but for waits in a queue, for memory or because something held it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import CopyResult

PARTS = {"timeToFirstByte": "first", "reading": "source", "transforming": "transform", "verifying": "verify",
         "writing": "sink", "committing": "commit", "beginning": "begin", "engine": "engine",
         "waitingForWork": "queue", "waitingForMemory": "budget"}  # fmt: skip
"""The parts of the copying, by what the workers did."""


def breakdown(result: CopyResult) -> dict[str, float]:
    """Seconds of each part, in the order of the run; their sum is ``duration``, to the millisecond."""
    spent = {name: seconds for name, seconds in result.seconds.items() if name != "away"}
    scale = result.copying / (sum(spent.values()) or 1.0)
    held = spent.get("throttle", 0.0)
    throttled = min(held, result.throttled_seconds)
    retried = min(held - throttled, result.retried_seconds)
    shared = {name: spent.get(doing, 0.0) * scale for name, doing in PARTS.items()}
    shared |= {
        "waitingForThrottling": throttled * scale,
        "waitingForRetries": retried * scale,
        "waitingForBandwidth": (held - throttled - retried) * scale,
    }
    parts = {"queue": 0.0, "opening": result.opening, "listing": max(0.0, result.planning - result.opening)}
    parts = {name: round(seconds, 3) for name, seconds in (parts | shared).items()}
    # What nobody has measured is of the time after the copying.
    rest = round(round(result.duration, 3) - sum(parts.values()), 3)
    parts["finishing"] = max(0.0, rest)
    if rest < 0:  # rounding
        longest = max(parts, key=parts.__getitem__)
        parts[longest] = round(parts[longest] + rest, 3)
    return parts
