"""A run in a Jupyter notebook: its result as a table, and its progress below the cell.

Both need IPython only, which is there in any notebook; ``ipywidgets`` makes no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any

from .cli import figures
from .cli.summary import rows
from .report import CopyResult, Snapshot

_PACE = 0.5
"""Seconds between two updates: a notebook keeps each of them until it is shown."""


def as_html(result: CopyResult) -> str:
    """The lines of the summary on a terminal, as a table."""
    head = f"{escape(result.source.url)} → {escape(result.sink.url)}"
    lines = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in rows(result)
    )
    return f"<table><caption>{escape(result.status)}: {head}</caption>{lines}</table>"


def progress() -> Callable[[Snapshot], None] | None:
    """What shows one run below the running cell; None in a program that only loaded IPython."""
    shell = import_module("IPython").get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    shown = import_module("IPython.display")
    handle = shown.display(shown.HTML(_bar(None)), display_id=True)
    return Display(lambda text: handle.update(shown.HTML(text)))


class Display:
    """Call it with a snapshot from any thread; ``show`` gets HTML, twice a second at most."""

    def __init__(self, show: Callable[[str], Any]) -> None:
        self._show, self._next = show, 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if now >= self._next or snapshot.phase == "done":
            self._next = now + _PACE
            self._show(_bar(snapshot))


def _bar(last: Snapshot | None) -> str:
    if last is None or last.phase == "planning":
        return "<progress></progress> planning"
    done, total = (
        (last.bytes_done, last.bytes_total) if last.bytes_total else (last.units_done, last.units_total)
    )
    known = f' value="{min(done, total)}" max="{total}"' if total else ""
    parts = [figures.size(last.bytes_done)]
    if last.payload == "tabular":
        parts.append(figures.count(last.rows_done, "row"))
    parts.append(figures.duration(last.elapsed))
    return f"<progress{known}></progress> {last.phase}: {', '.join(parts)}"
