"""Throughput against each setting, with what the machine did and what workers waited for; PNG or SVG.

The only module that imports matplotlib (the extra ``[bench]``): one drawing is written as both, for files
and for a page. Nothing else that is kept up writes PNG without a browser or a system library.
"""

from __future__ import annotations

from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from ..credentials import public_url
from ..errors import MissingDependencyError
from .advice import Usage
from .settings import WORDS, shown
from .sweep import Findings, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {
    "first": "#9ecae9", "source": "#4c78a8", "transform": "#54a24b", "verify": "#88d27a", "sink": "#f58518",
    "begin": "#d6a5c9", "commit": "#ffbf79", "engine": "#79706e", "budget": "#b279a2", "throttle": "#e45756",
    "queue": "#d3d3d3",
}  # fmt: skip


def need() -> None:
    """Raise MissingDependencyError where nothing can be drawn: before anything is measured."""
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there
    except ImportError:
        raise MissingDependencyError(
            "charts need matplotlib", hint="pip install 'crossdock[bench]', or leave out --png and --html"
        ) from None


def png(found: Findings) -> bytes:
    out = BytesIO()
    _figure(found).savefig(out, format="png", dpi=110)
    return out.getvalue()


def svg(found: Findings) -> str:
    """One ``<svg>`` element; its texts are texts."""
    import matplotlib as mpl

    out = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "crossdock"}):
        _figure(found).savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _figure(found: Findings) -> Figure:
    from matplotlib.figure import Figure

    wide = len(found.series)
    figure = Figure(figsize=(1.5 + 4.6 * wide, 7.2), layout="constrained")
    axes = figure.subplots(3, wide, squeeze=False, height_ratios=(3, 2, 2))
    for column, series in enumerate(found.series):
        speed, machine, waiting = axes[:, column]
        names = [
            "\n".join(shown(each, point.setting.value(each)) for each in series.dimensions)
            for point in series.points
        ]
        _speeds(speed, series)
        _machine(machine, series)
        _waits(waiting, series)
        waiting.set_xlabel(" and ".join(WORDS[each] for each in series.dimensions))
        for each in (speed, machine, waiting):
            each.set_xticks(range(len(names)), names)
            each.set_xlim(-0.5, len(names) - 0.5)
            each.spines[["top", "right"]].set_visible(False)
    source, sink = (public_url(each) for each in (found.copy.source, found.copy.sink))
    figure.suptitle(f"{source} → {sink}".replace("$", r"\$"), fontsize=9)
    return figure


def _speeds(axes: Any, series: Series) -> None:
    """A dot for each run, a line through the medians of what could be chosen."""
    in_bytes = any(each.amount for point in series.points for each in point.samples)
    scale = 1e6 if in_bytes else 1.0
    places = [n for n, point in enumerate(series.points) if not point.told]
    for place, point in enumerate(series.points):
        rates = [each.rate / scale for each in point.samples]
        axes.plot([place] * len(rates), rates, "o", color="#999999", markersize=3, alpha=0.7)
    medians = [series.points[n].rate / scale for n in places]
    axes.plot(places, medians, "-o", color="#4c78a8")
    for n, point in enumerate(series.points):
        if point.told:
            axes.axhline(point.rate / scale, color="#999999", linestyle="--", linewidth=1)
        if point is series.chosen:
            axes.plot([n], [point.rate / scale], "o", color="#e45756", markersize=11, fillstyle="none")
            axes.annotate(
                "taken", (n, point.rate / scale), xytext=(0, 10), textcoords="offset points", ha="center"
            )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("MB/s" if in_bytes else "rows/s")


def _machine(axes: Any, series: Series) -> None:
    usages = [Usage.of(point.samples) for point in series.points]
    places = range(len(usages))
    axes.bar(places, [100 * usage.busy for usage in usages], color="#dddddd", label="CPU, all")
    axes.bar(
        places, [100 * usage.cpu for usage in usages], width=0.5, color="#72b7b2", label="CPU, the copies"
    )
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of all cores")
    memory = axes.twinx()
    memory.plot(places, [usage.memory / 1e6 for usage in usages], "-s", color="#b279a2", label="memory")
    memory.set_ylim(0, 1.2 * max(usage.memory for usage in usages) / 1e6)
    memory.set_ylabel("MB")
    handles, labels = (a + b for a, b in zip(
        axes.get_legend_handles_labels(), memory.get_legend_handles_labels(), strict=True
    ))  # fmt: skip
    axes.legend(handles, labels, fontsize=7, loc="upper left")


def _waits(axes: Any, series: Series) -> None:
    usages = [Usage.of(point.samples) for point in series.points]
    below = [0.0] * len(usages)
    for reason in dict.fromkeys(reason for usage in usages for reason in usage.waiting):
        shares = [100 * usage.waiting.get(reason, 0.0) for usage in usages]
        if max(shares) < 0.5:
            continue
        axes.bar(range(len(shares)), shares, bottom=below, label=reason, color=_COLOURS.get(reason))
        below = [a + b for a, b in zip(below, shares, strict=True)]
    axes.set_ylim(0, 105)
    axes.set_ylabel("% of workers' time")
    axes.legend(fontsize=7, loc="lower right")
