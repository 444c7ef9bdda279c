"""Figures as they are kept, ``results/<machine>.json``, and what is made of them: a page, a chart, a table.

The machine has a name that says what it is (``2-cores-24GiB``), never the host's. A scenario keeps its
last run, with its date and how busy the machine was before it: what was measured on a busy machine says so.
"""

from __future__ import annotations

import json
import platform
import re
import statistics
import time
from typing import Any

import psutil

from crossdock import __version__
from crossdock.machine import cores, memory

from .measure import ROOT, Sample

FOLDER = ROOT / "perf" / "results"
README = ROOT / "README.md"
OURS = "crossdock"
_PLACE = re.compile(r"(<!-- perf: begin -->\n).*?(<!-- perf: end -->)", re.DOTALL)
_IDLE = 0.25
"""Share of the cores in use before a scenario, above which the machine counts as busy."""
_LOOKED_AT = 3.0
"""Seconds."""


def machine() -> str:
    """``2-cores-24GiB``."""
    return f"{cores():g}-cores-{round(memory() / (1 << 30))}GiB"


def load() -> float:
    """Share of the cores that is in use while nothing of ours runs: what ran before does not count."""
    return float(psutil.cpu_percent(_LOOKED_AT)) / 100


def read(name: str) -> dict[str, Any]:
    """The figures of a machine; those of none where there are no figures yet."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return {"machine": name, "scenarios": {}}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def entry(
    scenario: dict[str, Any], column: str, samples: dict[str, list[Sample]], out: dict[str, str], busy: float
) -> dict[str, Any]:
    """What is kept of one run of a scenario; ``out`` says why a command was left out."""
    kept = {key: scenario[key] for key in ("unit", "amount", "mib", "limit", "behind") if key in scenario}
    return kept | {
        "title": scenario["title"] + (f", {scenario['columns'][column]}" if column else ""),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "version": __version__,
        "python": platform.python_version(),
        "load": round(busy, 2),
        "cannot": scenario.get("cannot", {}) | out,
        "samples": {
            name: [[round(s.wall, 3), round(s.cpu, 3), round(s.peak, 1)] for s in taken]
            for name, taken in samples.items()
        },
    }


def keep(name: str, entries: dict[str, dict[str, Any]]) -> None:
    """Add these scenarios to the machine's figures, and make anew what is made of them."""
    found = read(name)
    found["scenarios"] = dict(sorted((found["scenarios"] | entries).items()))
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1)
    # A sample is one line.
    text = re.sub(r"\[\s+([\d.]+),\s+([\d.]+),\s+([\d.]+)\s+\]", r"[\1, \2, \3]", text)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    (FOLDER / f"{name}.md").write_text(page(found))
    README.write_text(in_readme(README.read_text(), found))


def page(found: dict[str, Any]) -> str:
    """Every scenario as a table."""
    tables = "\n".join(table(each) for each in found["scenarios"].values())
    return (
        f"# {found['machine']}\n\n<!-- Made by make bench from {found['machine']}.json. Do not edit. -->\n\n"
        "Whole processes, start-up included, in turn; medians. The limit is a bare loop that does no more "
        f"than it must.\n\n![Speed beside that of peers]({found['machine']}.png)\n\n{tables}"
    )


def table(each: dict[str, Any]) -> str:
    """One row a command, the fastest first."""
    lines = [
        f"## {each['title']}",
        "",
        f"{_when(each)}.",
        "",
        f"| | {each['unit']} | of the limit | of the best peer | seconds | CPU s/GiB | peak MiB | runs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rates = _rates(each)
    best = best_peer(each)
    for name in sorted(rates, key=lambda name: -rates[name]):
        wall, cpu, peak = _medians(each["samples"][name])
        limit = _share(rates[name], rates.get(each.get("limit", "")))
        of_best = _share(rates[name], rates.get(best)) if best else ""
        cost = f"{cpu / each['mib'] * 1024:.2f}" if each.get("mib") else ""
        lines.append(
            f"| {name} | {_figure(rates[name])} | {limit} | {of_best} | {wall:.2f} | {cost} | {peak:,.0f} | "
            f"{len(each['samples'][name])} |"
        )
    lines += [f"\n{name}: {why}" for name, why in each["cannot"].items()]
    return "\n".join(lines) + "\n"


def _when(each: dict[str, Any]) -> str:
    state = "idle" if each["load"] <= _IDLE else f"**busy ({each['load']:.1f} of the cores)**"
    return f"crossdock {each['version']}, Python {each['python']}, {each['date']}, {state}"


def best_peer(each: dict[str, Any]) -> str:
    """The fastest command that is neither ours nor the bare loop; empty where there is none."""
    rates = _rates(each)
    peers = [name for name in rates if not name.startswith(OURS) and name != each.get("limit")]
    return max(peers, key=rates.__getitem__, default="")


def in_readme(text: str, found: dict[str, Any]) -> str:
    """The README with the table of that machine."""
    lines = [
        f"[{found['machine']}](perf/results/{found['machine']}.md); above 1, crossdock is faster.",
        "",
        "| | crossdock | the best peer | ratio | of the bare loop |",
        "|---|---:|---|---:|---:|",
    ]
    behind = []
    for each in found["scenarios"].values():
        rates, best = _rates(each), best_peer(each)
        if OURS not in rates:
            continue
        ours, mark = rates[OURS], "" if each["load"] <= _IDLE else " (busy)"
        lines.append(
            f"| {each['title']}{mark} | {_figure(ours)} {each['unit']} | "
            f"{f'{best}, {_figure(rates[best])}' if best else ''} | {_share(ours, rates.get(best))} | "
            f"{_share(ours, rates.get(each.get('limit', '')))} |"
        )
        if best and ours < rates[best]:
            behind.append(
                f"- behind {best} in *{each['title']}*: {each.get('behind', 'not yet looked into')}"
            )
    block = "\n".join([*lines, "", *behind]).rstrip() + "\n"
    return _PLACE.sub(lambda match: match[1] + block + match[2], text)


def _rates(each: dict[str, Any]) -> dict[str, float]:
    return {name: each["amount"] / _medians(taken)[0] for name, taken in each["samples"].items() if taken}


def _medians(taken: list[list[float]]) -> tuple[float, float, float]:
    wall, cpu, peak = (statistics.median(column) for column in zip(*taken, strict=True))
    return wall, cpu, peak


def _share(rate: float, of: float | None) -> str:
    return "" if not of else f"{rate / of:.2f}"


def _figure(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}"


def draw(name: str) -> None:
    """Bars of all commands, each scenario by itself, as a PNG beside the page."""
    from matplotlib.figure import Figure

    scenarios = list(read(name)["scenarios"].values())
    rows = (len(scenarios) + 1) // 2
    figure = Figure(figsize=(13, 2.6 * max(rows, 1)), layout="constrained")
    axes = figure.subplots(max(rows, 1), 2, squeeze=False).flatten()
    for place, each in zip(axes, scenarios, strict=False):
        rates = _rates(each)
        names = sorted(rates, key=rates.__getitem__)
        colours = [
            "#f58518" if n.startswith(OURS) else "#bbbbbb" if n == each.get("limit") else "#4c78a8"
            for n in names
        ]
        place.barh(names, [rates[n] for n in names], color=colours)
        place.set_title(each["title"], fontsize=8)
        place.set_xlabel(each["unit"], fontsize=7)
        place.tick_params(labelsize=7)
    for place in axes[len(scenarios) :]:
        place.remove()
    figure.savefig(FOLDER / f"{name}.png", dpi=80)
