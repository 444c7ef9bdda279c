"""Samples as Markdown tables of medians."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from .measure import Sample

Samples = dict[tuple[str, str], list[Sample]]
"""By the name of the command and the column."""


def table(scenario: dict[str, Any], samples: Samples) -> str:
    """One row a command. With ``columns``: rate and CPU of each, peak of all; else ratios to the baseline."""
    lines = wide(scenario, samples) if "columns" in scenario else narrow(scenario, samples)
    return "\n".join([f"### {scenario['title']}", "", *lines]) + "\n"


def narrow(scenario: dict[str, Any], samples: Samples) -> list[str]:
    base = _median(samples.get((scenario["baseline"], ""), []), "wall")
    lines = [
        f"| | {scenario['unit']} | ratio to {scenario['baseline']} | seconds | CPU seconds | peak MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in scenario["commands"]:
        if taken := samples.get((name, "")):
            wall, cpu, peak = (_median(taken, key) for key in ("wall", "cpu", "peak"))
            rate = scenario["amount"] / wall
            lines.append(
                f"| {name} | {rate:,.2f} | {base / wall:.2f} | {wall:.2f} | {cpu:.2f} | {peak:,.0f} |"
            )
    return lines


def wide(scenario: dict[str, Any], samples: Samples) -> list[str]:
    """``amount``, ``unit``, ``cost`` (per what CPU is given) and ``per`` (how many of the unit that is)."""
    amount, base = scenario["amount"], scenario["baseline"]
    heads = [
        f"{title} {scenario['unit']} | ratio | {scenario['cost']}" for title in scenario["columns"].values()
    ]
    lines = [
        f"| | {' | '.join(heads)} | peak MiB |",
        "|---|" + "---:|" * (3 * len(heads) + 1),
    ]
    for name in scenario["commands"]:
        cells, peak = [], 0.0
        for column in scenario["columns"]:
            taken = samples.get((name, column), [])
            wall, cpu = _median(taken, "wall"), _median(taken, "cpu")
            of = _median(samples.get((base, column), []), "wall")
            peak = max(peak, _median(taken, "peak")) if taken else peak
            figures = (f"{amount / wall:,.0f}", f"{of / wall:.2f}", f"{cpu / amount * scenario['per']:.2f}")
            cells += figures if taken else ("", "", "")
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} | {peak:,.0f} |")
    return lines


def _median(taken: Sequence[Sample], key: str) -> float:
    return statistics.median(getattr(sample, key) for sample in taken) if taken else float("nan")
