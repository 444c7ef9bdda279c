"""A sweep in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..bench.advice import Usage
from ..bench.settings import WORDS, shown
from . import figures

if TYPE_CHECKING:
    from ..bench.advice import Advice
    from ..bench.sweep import Findings, Point, Series


def lines(found: Findings, advice: Advice, earlier: Mapping[str, Any] | None) -> Iterator[str]:
    """The figures, then the recommendation."""
    for series in found.series:
        yield " and ".join(WORDS[each] for each in series.dimensions)
        for point in series.points:
            yield _line(point, series)
    for setting, why in found.left_out.items():
        yield f"left out: {setting.label()}: {why}"
    yield f"recommended: {advice.setting.label()} (confidence {advice.confidence:.0%})"
    yield f"  {advice.limit}: {advice.reason}"
    yield f"  {advice.next}: {advice.how}"
    yield from (f"  note: {remark}" for remark in advice.remarks)
    if earlier is not None:
        yield from _told(earlier)


def _told(earlier: Mapping[str, Any]) -> Iterator[str]:
    verdict = earlier["confirmed"]
    if verdict is None:
        yield "not comparable: nothing that the earlier sweep recommends was measured here"
        return
    yield "the earlier recommendation is " + ("confirmed" if verdict else "NOT confirmed")
    for each in earlier["compared"]:
        yield f"  {each['earlier']}: {each['shareOfFastest']:.0%} of the fastest"


def _line(point: Point, series: Series) -> str:
    usage = Usage.of(point.samples)
    name = ", ".join(shown(each, point.setting.value(each)) for each in series.dimensions)
    waits = sorted(usage.waiting.items(), key=lambda pair: -pair[1])
    waiting = ", ".join(f"{reason} {share:.0%}" for reason, share in waits if share >= 0.01)
    mark = "←" if point is series.chosen else " "
    return (
        f"  {name:>8} {speed(point):>14} {mark} CPU {usage.busy:4.0%}  "
        f"{figures.size(usage.memory):>8}  {waiting}"
    )


def speed(point: Point) -> str:
    """``512 MB/s``, or ``1,200 rows/s`` where nobody says how many bytes there are."""
    if any(each.amount for each in point.samples):
        return figures.megabytes_per_second(point.rate)
    return f"{point.rate:,.0f} rows/s"
