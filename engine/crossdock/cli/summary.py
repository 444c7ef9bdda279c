"""A finished run in words: some lines for a terminal, one sentence for a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..report import CopyResult
from . import figures
from .session import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN = 20
"""Skipped files or rows that are listed by name; the JSON output has all."""

_REASONS = {
    "first": "first byte",
    "source": "reading",
    "transform": "transforming",
    "verify": "verifying",
    "sink": "writing",
    "commit": "committing",
    "begin": "beginning",
    "engine": "keeping the journal",
    "budget": "waiting for memory",
    "throttle": "held back",
    "queue": "idle",
}


def moved(result: CopyResult) -> str:
    """``336,776 rows, 5 files, 33.4 MB``: what the run carried; of a plan, what is known of it."""
    planned = result.status == "Planned"
    plan, rows = result.plan or {}, result.rows_copied
    files = plan.get("files") if planned else max(result.files_read, result.files_written)
    parts = [] if rows is None or (planned and not rows) else [figures.count(rows, "row")]
    if files:
        parts.append(figures.count(files, "file"))
    size = plan.get("bytes") if planned else _bytes(result)
    if size is not None:
        parts.append(figures.size(size))
    return ", ".join(parts) or "one table or more"


def _bytes(result: CopyResult) -> int:
    """A database does not say how many bytes it gave; then those written count."""
    return result.bytes_read or result.bytes_written


def speed(result: CopyResult) -> str:
    """``27.1 MB/s, 273,801 rows/s``."""
    seconds = max(result.duration, 0.001)
    parts = [figures.megabytes_per_second(max(0, _bytes(result) - result.bytes_skipped) / seconds)]
    # Of a resumed run it is not known how many rows were there already.
    if result.rows_copied is not None and not result.splits_skipped:
        parts.append(f"{result.rows_copied / seconds:,.0f} rows/s")
    return ", ".join(parts)


def sentence(result: CopyResult) -> str:
    """The whole result on one line, for a log."""
    route = f"{result.source.url} -> {result.sink.url}"
    if result.status == "Planned":
        planned = "".join(f"; {label}: {value}" for label, value in _planned(result))
        return one_line(f"Planned {route}: {moved(result)}, nothing was written{planned}")
    extra = "".join(f", {text}" for text in _extras(result).values())
    done = f"{moved(result)} in {figures.duration(result.duration)} ({speed(result)}){extra}"
    return one_line(f"Succeeded {route}: {done}, run {result.run_id}")


def lines(result: CopyResult) -> list[str]:
    """What a log gets: the sentence, then tips, notes and what was skipped, each on its line."""
    return [
        sentence(result),
        *(one_line(f"tip: {tip['Tip']}") for tip in result.tips()),
        *(one_line(f"note: {note}") for note in result.notes),
        *(one_line(f"skipped: {name}") for name in _listed(result.skipped)),
    ]


def panel(result: CopyResult) -> RenderableType:
    """The result for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    planned = result.status == "Planned"
    mark, style = ("·", "bold yellow") if planned else ("✓", "bold green")
    head = Text.assemble((mark, style), f" {one_line(result.source.url)} → {one_line(result.sink.url)}")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows(result):
        grid.add_row(Text(label), Text(one_line(value)))
    return Group(head, grid)


def rows(result: CopyResult) -> list[tuple[str, str]]:
    """The lines of the summary: what each is about, and what is said."""
    if result.status == "Planned":
        found = [("would copy", moved(result)), *_planned(result)]
    else:
        found = [
            ("copied", moved(result)),
            ("in", f"{figures.duration(result.duration)}  ({speed(result)})"),
            ("parallel", _parallel(result)),
            *_extras(result).items(),
        ]
    found += [("tip", tip["Tip"]) for tip in result.tips()]
    found += [("note", note) for note in result.notes]
    found += [("skipped", name) for name in _listed(result.skipped)]
    return [*found, ("run", result.run_id)]


def _planned(result: CopyResult) -> list[tuple[str, str]]:
    """How a copy would go."""
    plan = result.plan
    if plan is None:
        return []
    how = "byte for byte" if result.payload == "binary" else "row by row"
    splits = "" if plan["splits"] is None else f"{figures.count(plan['splits'], 'split')}, "
    copies = figures.count(plan["parallelCopies"], "copy")
    found = [("how", f"{how} ({plan['reason']})"), ("parallel", f"{splits}{copies} at once")]
    if columns := plan.get("columns"):
        named = f"columns of {plan['columnsOf']}" if plan["units"] > 1 else "columns"
        found.append((named, ", ".join(map(_column, columns))))
    return found


def _column(column: dict[str, str]) -> str:
    origin = f" from {column['source']}" if column["source"] != column["name"] else ""
    return f"{column['name']} {column['type']}{origin}"


def _extras(result: CopyResult) -> dict[str, str]:
    """What is worth a line only when it happened."""
    found: dict[str, str] = {}
    if result.verified is not None:
        found["verified"] = f"contents verified{_how(result)}" if result.verified else "contents NOT verified"
    if result.splits_skipped:
        found["resumed"] = f"{result.splits_skipped} of {result.splits_done} splits were already done"
    if result.retries:
        waited = figures.duration(result.throttled_seconds)
        throttled = (
            f" ({result.throttled} throttled by the server; {waited} waited)" if result.throttled else ""
        )
        found["retries"] = f"{figures.count(result.retries, 'split')} tried again{throttled}"
    left_out = [
        figures.count(number, noun)
        for number, noun in ((result.rows_skipped, "row"), (result.files_skipped, "file"))
        if number
    ]
    if left_out:
        found["left out"] = f"{' and '.join(left_out)} skipped"
    if result.log:
        found["log"] = result.log
    return found


def _how(result: CopyResult) -> str:
    """``: every byte, and the values of 375,077 rows``: what was compared."""
    said, parts = result.verification, []
    if said.get("bytes"):
        parts.append("every byte")
    if said.get("values") == "all":
        parts.append("every value")
    elif said.get("values"):
        parts.append(f"the values of {figures.count(said['rows'], 'row')}")
    return f": {' and '.join(parts)}" if parts else ""


def _parallel(result: CopyResult) -> str:
    total = sum(result.seconds.values())
    shares = [
        f"{_REASONS.get(why, why)} {100 * spent / total:.0f} %"
        for why, spent in sorted(result.seconds.items(), key=lambda pair: -pair[1])
        if total and spent / total >= 0.005
    ]
    copies = figures.count(result.parallel_copies, "copy")
    # The three that count most: one line of a terminal.
    return f"{copies}; {', '.join(shares[:3])}" if shares else copies


def _listed(names: list[str]) -> list[str]:
    more = len(names) - _SHOWN
    return names if more <= 0 else [*names[:_SHOWN], f"and {more:,} more"]
