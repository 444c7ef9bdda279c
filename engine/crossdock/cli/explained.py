"""Where the time of a run went, for a terminal: what it was spent on, and how it went from moment to
moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from . import figures
from .session import one_line

if TYPE_CHECKING:
    from rich.text import Text

    from ..report import RunInfo

_BAR = 40
_WIDE = 60
_LEVELS = "▁▂▃▄▅▆▇█"
DOING = {
    "source": ("r", "reading", "#4e79a7"), "transform": ("t", "transforming", "#f28e2b"),
    "sink": ("w", "writing", "#59a14f"), "verify": ("v", "verifying", "#b07aa1"),
    "commit": ("c", "committing", "#9c755f"), "begin": ("b", "beginning", "#edc948"),
    "engine": ("j", "the journal", "#76b7b2"), "queue": (".", "idle", "#d3d3d3"),
    "budget": ("m", "waiting for memory", "#e15759"), "throttle": ("h", "held back", "#ff9da7"),
}  # fmt: skip
"""Of what workers do: a letter, a name and a colour."""


@dataclass(frozen=True)
class Moment:
    """Until ``at`` seconds: bytes a second, how many workers there were, and the share of each thing they
    did.
    """

    at: float
    rate: float
    workers: float
    doing: dict[str, float]


def moments(timeline: Sequence[dict[str, Any]]) -> list[Moment]:
    """What was between the points of a timeline."""
    found = []
    begin = {"at": 0.0, "bytes": 0}
    for before, point in pairwise([begin, *timeline]):
        passed, seen = point["at"] - before["at"], sum(point["workers"].values())
        rate = max(0, point["bytes"] - before["bytes"]) / passed if passed > 0 else 0.0
        shares = {state: count / seen for state, count in point["workers"].items()}
        found.append(Moment(point["at"], rate, seen / point["looks"], shares))
    return found


def hops(run: RunInfo) -> Iterator[tuple[str, float, dict[str, float]]]:
    """Of each hop: its ends, its seconds, and what they went to."""
    for hop in (run.output or {}).get("executionDetails", ()):
        if own := hop.get("crossdock"):
            title = f"{hop['source']['type']} to {hop['sink']['type']}"
            yield title, own["duration"], {name: spent for name, spent in own["breakdown"].items() if spent}


def words(name: str) -> str:
    """``waitingForMemory`` as ``waiting for memory``."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", name)


def tuning(run: RunInfo) -> list[str]:
    """The decisions of the tuner, a line each."""
    steps = (run.output or {}).get("crossdock", {}).get("tuning", ())
    return [
        f"{step['at']:.1f} s  {step['from']} → {step['to']}  {step['why']}{_measured(step)}" for step in steps
    ]


def _measured(step: dict[str, Any]) -> str:
    rate = step["bytesPerSecond"]
    return f"  ({figures.megabytes_per_second(rate)} before)" if rate else ""


def tips(run: RunInfo) -> list[tuple[str, str]]:
    found = (run.output or {}).get("perfRecommendation", ())
    return [(one_line(tip["RuleName"]), one_line(tip["Tip"])) for tip in found]


def explained(run: RunInfo) -> Text | None:
    """All of it; None where the run has not ended well, or an older crossdock wrote its journal."""
    from rich.text import Text

    lines: list[tuple[str, str]] = []
    for title, seconds, spent in hops(run):
        lines += [("", ""), (f"where the time went: {one_line(title)}, {figures.duration(seconds)}", "bold")]
        lines += [(_spent(name, each, seconds), "") for name, each in spent.items()]
    if not lines:
        return None
    if run.timeline:
        lines += [("", ""), *((each, "") for each in _over_time(run.timeline))]
    for heading, given in (
        ("parallel copies", tuning(run)),
        ("tips", [f"{name}: {tip}" for name, tip in tips(run)]),
    ):
        if given:
            lines += [("", ""), (heading, "bold"), *((f"  {each}", "") for each in given)]
    return Text("\n").join(Text(text, style=style) for text, style in lines)


def _spent(name: str, seconds: float, whole: float) -> str:
    share = seconds / whole if whole else 0.0
    bar = "█" * round(_BAR * share) or "▏"
    return f"  {words(name):22} {bar:{_BAR}} {figures.duration(seconds):>9} {share:4.0%}"


def _over_time(timeline: Sequence[dict[str, Any]]) -> Iterator[str]:
    found = moments(timeline)
    columns = [found[n * len(found) // _WIDE] for n in range(_WIDE)] if len(found) > _WIDE else found
    fastest, most = max(each.rate for each in found), max(each.workers for each in found)
    busiest = [max(each.doing, key=lambda state: each.doing[state], default="queue") for each in columns]
    letters = dict.fromkeys(busiest)
    legend = ", ".join(f"{DOING[state][0]} {DOING[state][1]}" for state in letters if state in DOING)
    speed = figures.megabytes_per_second(fastest)
    yield f"  {'speed':10} {_line([each.rate for each in columns])}  {speed} at most"
    yield f"  {'workers':10} {_line([each.workers for each in columns])}  {most:.0f} at most"
    yield f"  {'mostly':10} {''.join(DOING.get(state, ('?',))[0] for state in busiest)}  {legend}"
    yield f"  {'':10} 0 s{figures.duration(found[-1].at):>{max(1, len(columns) - 3)}}"


def _line(values: Sequence[float]) -> str:
    most = max(values) or 1.0
    return "".join(_LEVELS[min(7, int(8 * value / most))] for value in values)
