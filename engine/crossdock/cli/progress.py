"""The live display of a run, on stderr and only where a person looks."""

from __future__ import annotations

import sys
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..report import Snapshot
from . import figures
from .session import one_line

_WINDOW = 3.0
"""Seconds over which the shown rate is taken: long enough to be read, short enough to follow a stall."""

_WAITING = {
    "source": "reading the source",
    "transform": "transforming",
    "verify": "verifying",
    "sink": "writing to the sink",
    "commit": "committing",
    "begin": "beginning",
    "engine": "keeping the journal",
    "budget": "waiting for memory",
    "throttle": "held back (bandwidth, retry)",
    "queue": "idle",
}


def wanted(console: Console) -> bool:
    """Whether somebody can see a live display there."""
    return sys.stderr.isatty() and not console.is_dumb_terminal


class Display:
    """Show a run while the ``with`` block lasts; call it with a snapshot from any thread."""

    def __init__(self, console: Console, what: str) -> None:
        self._what = one_line(what)
        self._last: Snapshot | None = None
        self._recent: deque[tuple[float, int, int]] = deque()
        self._spinner = Spinner("dots", style="cyan")
        # Refreshed by whoever brings a snapshot: beside a thread of its own a run could not fork.
        self._live = Live(self, console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        self._recent.append((snapshot.elapsed, snapshot.bytes_done, snapshot.rows_done))
        while snapshot.elapsed - self._recent[0][0] > _WINDOW and len(self._recent) > 2:
            self._recent.popleft()
        self._last = snapshot
        self._live.refresh()

    def rates(self) -> tuple[float, float]:
        """Bytes and rows per second over the last moments."""
        # A copy: the engine's thread goes on appending.
        recent = list(self._recent)
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0, 0.0
        (start, bytes_then, rows_then), (end, bytes_now, rows_now) = recent[0], recent[-1]
        # A split that is tried again takes back what it had counted.
        bytes_moved, rows_moved = max(bytes_now - bytes_then, 0), max(rows_now - rows_then, 0)
        return bytes_moved / (end - start), rows_moved / (end - start)

    def __rich__(self) -> Group:
        last = self._last
        phase = last.phase if last else "starting"
        self._spinner.update(text=_line(f"{phase}  {self._what}", "bold"))
        if last is None or (last.phase == "planning" and not last.units_done):
            return Group(self._spinner)
        lines: list[RenderableType] = [
            self._spinner,
            _bar(last),
            _line(self._figures(last)),
            _line(_workers(last), "dim"),
        ]
        if last.note:
            lines.append(_line(one_line(last.note), "dim"))
        return Group(*lines)

    def _figures(self, last: Snapshot) -> str:
        byte_rate, row_rate = self.rates()
        parts = [figures.size(last.bytes_done)]
        if last.bytes_total and last.bytes_done <= last.bytes_total:
            done = figures.size(last.bytes_done, last.bytes_total).split()[0]
            parts = [f"{done} of {figures.size(last.bytes_total)}"]
        if last.payload == "tabular":
            parts.append(figures.count(last.rows_done, "row"))
        parts.append(figures.megabytes_per_second(byte_rate))
        if last.payload == "tabular":
            parts.append(f"{row_rate:,.0f} rows/s")
        if last.bytes_total and byte_rate > 0 and last.phase == "copying":
            parts.append(f"ETA {figures.clock(max(last.bytes_total - last.bytes_done, 0) / byte_rate)}")
        return "  " + "   ".join(parts)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _bar(last: Snapshot) -> Table:
    total = last.bytes_total if last.bytes_total else last.units_total
    done = last.bytes_done if last.bytes_total else last.units_done
    bar = ProgressBar(total=total, completed=min(done, total or done), pulse=not total, width=50)
    percent = f"{min(100, 100 * done // total)} %" if total else ""
    row = Table.grid(padding=(0, 1))
    row.add_row(Text(" "), bar, _line(percent))
    return row


def _workers(last: Snapshot) -> str:
    """``3 parallel copies: 2 reading the source, 1 idle   4 of 5 done``."""
    busy = [f"{n} {_WAITING.get(why, why)}" for why, n in last.waiting.items() if n]
    text = "1 copy" if last.parallel == 1 else f"{last.parallel} parallel copies"
    units = f"{last.units_done:,} of {last.units_total:,} done" if last.units_total else ""
    return "  " + f"{text}{': ' if busy else ''}{', '.join(busy)}   {units}".rstrip()
