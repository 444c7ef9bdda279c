"""Where the time of a run went, as one HTML page that fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from . import figures
from .explained import DOING, Moment, hops, moments, tips, tuning, words
from .session import one_line

if TYPE_CHECKING:
    from ..report import RunInfo

_WIDTH, _HEIGHT = 800, 160
_PARTS = {
    "queue": "#d3d3d3", "opening": "#bab0ac", "listing": "#edc948", "timeToFirstByte": "#a0cbe8",
    "reading": "#4e79a7", "transforming": "#f28e2b", "verifying": "#b07aa1", "writing": "#59a14f",
    "committing": "#9c755f", "beginning": "#edc948", "engine": "#76b7b2", "finishing": "#bab0ac",
}  # fmt: skip
_WAITING = "#e15759"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.3em } h2 { font-size: 1.1em; margin-top: 2em }
td { padding: 0 1em 0 0 } td.n { text-align: right; font-variant-numeric: tabular-nums }
.bar { display: flex; height: 28px; border-radius: 4px; overflow: hidden } .bar div { min-width: 1px }
i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
svg { width: 100%; height: auto; background: #fafafa } svg text { font-size: 11px; fill: #555 }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } svg { background: #242424 } }
"""


def page(run: RunInfo) -> str:
    """The whole page; sections that a run has nothing for are left out."""
    title = escape(one_line(f"Run {run.run_id}"))
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
            f"<style>{_STYLE}</style><h1>{title}: {escape(run.state)}</h1>",
            f"<p>{escape(one_line(run.source))} → {escape(one_line(run.sink))}<br>",
            f"{run.created.isoformat(timespec='seconds')}</p>",
            *_spent(run),
            *_over_time(run),
            *_listed("Parallel copies", tuning(run)),
            *_listed("Tips", [f"{name}: {tip}" for name, tip in tips(run)]),
            "</html>\n",
        ]
    )


def _color(part: str) -> str:
    return _PARTS.get(part, _WAITING)


def _spent(run: RunInfo) -> Iterator[str]:
    for title, seconds, spent in hops(run):
        yield f"<h2>Where the time went: {escape(one_line(title))}, {figures.duration(seconds)}</h2>"
        whole = sum(spent.values()) or 1.0
        yield '<div class="bar">'
        for name, each in spent.items():
            look = f"width:{100 * each / whole:.3f}%;background:{_color(name)}"
            yield f'<div style="{look}" title="{escape(words(name))}"></div>'
        yield "</div><table>"
        for name, each in spent.items():
            yield (
                f'<tr><td><i style="background:{_color(name)}"></i>{escape(words(name))}</td>'
                f'<td class="n">{figures.duration(each)}</td><td class="n">{each / whole:.0%}</td></tr>'
            )
        yield "</table>"


def _over_time(run: RunInfo) -> Iterator[str]:
    if not run.timeline:
        return
    found = moments(run.timeline)
    last, fastest = found[-1].at or 1.0, max(each.rate for each in found) or 1.0
    most = max(each.workers for each in found) or 1.0
    yield "<h2>Over time</h2>"
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 20}"><title>What the workers did, and the speed</title>'
    yield from _stacked(found, last, most)
    line = " ".join(f"{_x(each.at, last)},{_HEIGHT * (1 - each.rate / fastest):.1f}" for each in found)
    yield f'<polyline points="{line}" fill="none" stroke="#d62728" stroke-width="2"/>'
    yield f'<text x="4" y="{_HEIGHT + 15}">0 s</text>'
    yield f'<text x="{_WIDTH - 4}" y="{_HEIGHT + 15}" text-anchor="end">{figures.duration(last)}</text></svg>'
    seen = {state for each in found for state in each.doing}
    legend = " ".join(
        f'<span><i style="background:{color}"></i>{name}</span>'
        for state, (_, name, color) in DOING.items()
        if state in seen
    )
    speed = figures.megabytes_per_second(fastest)
    yield (
        f'<p><span><i style="background:#d62728"></i>speed, {speed} at most</span>; '
        f"workers, {most:.0f} at most: {legend}</p>"
    )


def _x(at: float, last: float) -> str:
    return f"{_WIDTH * at / last:.1f}"


def _stacked(found: list[Moment], last: float, most: float) -> Iterator[str]:
    begin = 0.0
    for each in found:
        top = float(_HEIGHT)
        for state, (_, _, color) in DOING.items():
            if share := each.doing.get(state, 0.0):
                height = _HEIGHT * share * each.workers / most
                top -= height
                width = _WIDTH * (each.at - begin) / last
                yield (
                    f'<rect x="{_x(begin, last)}" y="{top:.1f}" width="{width:.2f}" height="{height:.1f}" '
                    f'fill="{color}" opacity=".6"/>'
                )
        begin = each.at


def _listed(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield f"<h2>{title}</h2><ul>"
        yield from (f"<li>{escape(one_line(each))}</li>" for each in items)
        yield "</ul>"
