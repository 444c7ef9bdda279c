"""How a run of a pipeline is shown to people: live while it goes on, and a table at its end."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from crossdock.cli import figures
from crossdock.cli.session import Session, one_line, printable

from ..pipeline.run.local import Outcome, Prepared
from ..pipeline.run.records import ActivityRun, PipelineRun
from .validate_text import finding_text

_STYLES = {
    "Succeeded": "green",
    "Failed": "red",
    "Skipped": "dim",
    "InProgress": "yellow",
    "Cancelled": "yellow",
}
_MARKS = {"Succeeded": "✓", "Failed": "✗", "Skipped": "-", "InProgress": "·", "Cancelled": "·"}
_LINES = 12
"""Activities in progress that are shown at once."""
_SHOWN = 500
"""Rows of the table; JSON has all."""
_WIDE = 100
"""Characters of an output in the table."""


def display(session: Session) -> Display | None:
    """The live display, where somebody sees it."""
    if session.json or not sys.stderr.isatty() or session.err.is_dumb_terminal:
        return None
    return Display(session)


class Display:
    """A line for each activity that has ended, and below them those in progress. Called from any thread."""

    def __init__(self, session: Session) -> None:
        self._mutex = threading.Lock()
        self._busy: dict[str, ActivityRun] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(self, console=session.err, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, run: ActivityRun) -> None:
        with self._mutex:
            if run.ended is None:
                self._busy[run.run_id] = run
            else:
                self._busy.pop(run.run_id, None)
        if run.ended is not None and run.status != "Skipped":
            self._live.console.print(_ended(run), crop=False)

    def __rich__(self) -> RenderableType:
        with self._mutex:
            busy = list(self._busy.values())
        lines: list[RenderableType] = [self._spinner]
        self._spinner.update(text=Text(f"{figures.count(len(busy), 'activity')} in progress", "bold"))
        lines += [_busy(each) for each in busy[:_LINES]]
        if len(busy) > _LINES:
            lines.append(Text(f"  and {len(busy) - _LINES:,} more", "dim"))
        return Group(*lines)


def _name(run: ActivityRun) -> str:
    """Its name with the number of the iteration that it is in, as far to the right as it is inside."""
    around = run.key.rpartition("/")[0].rpartition("/")[2]
    number = around[around.index("[") :] if "[" in around else ""
    again = f" (attempt {run.attempt + 1})" if run.attempt else ""
    return one_line(f"{'  ' * run.depth}{run.activity}{' ' * bool(number)}{number}{again}")


def _busy(run: ActivityRun) -> Text:
    passed = (datetime.now(UTC) - run.started).total_seconds()
    text = f"  {_name(run)}  {run.type}  {figures.duration(passed)}  {_short(run.output)}".rstrip()
    return Text(text, "dim", no_wrap=True, overflow="ellipsis")


def _ended(run: ActivityRun) -> Text:
    text = Text(f"{_MARKS[run.status]} ", _STYLES[run.status])
    text.append(f"{_name(run)}  {took(run)}  ", "default")
    if run.error:
        return text.append(_first(run.error.message)[:_WIDE], "red")
    return text.append(_short(run.output), "dim")


def took(run: ActivityRun | PipelineRun) -> str:
    return "" if run.ended is None else figures.duration((run.ended - run.started).total_seconds())


_FIGURES = ("rowsCopied", "rowsRead", "filesWritten", "dataWritten", "count", "itemsCount", "iterations")


def _short(output: Any) -> str:
    """The figures of an output that has some, else its beginning."""
    if output is None or output == {}:
        return ""
    if isinstance(output, str):
        return one_line(output)[:_WIDE]
    if isinstance(output, Mapping):
        found = [f"{name} {output[name]:,}" for name in _FIGURES if isinstance(output.get(name), int)]
        if "executionDetails" in output or "dataRead" in output:
            return ", ".join(found)
    text = json.dumps(output, ensure_ascii=False, default=str)
    return one_line(text if len(text) <= _WIDE else f"{text[:_WIDE]}…")


def _first(message: str) -> str:
    """The sentence; what it points at is in the table."""
    return one_line(message.partition("\n")[0])


def _whole(message: str) -> str:
    """Its lines, for a caret stands below what it points at."""
    return "\n".join(printable(line)[:_WIDE] for line in message.split("\n")[:_LINES])


def show(session: Session, outcome: Outcome) -> None:
    """The table of activities, what the pipeline returned, and what became of it."""
    if outcome.activities:
        session.show(_table(outcome.activities))
    run = outcome.run
    if run.return_value is not None:
        session.show(
            one_line(f"return value: {json.dumps(run.return_value, ensure_ascii=False, default=str)}")
        )
    session.show(_summary(outcome))


def _table(activities: list[ActivityRun]) -> Table:
    table = Table("activity", "type", "status", "took", "output or error")
    for each in activities[:_SHOWN]:
        table.add_row(
            Text(_name(each)),
            Text(one_line(each.type)),
            Text(each.status, _STYLES[each.status]),
            Text(took(each)),
            Text(_whole(each.error.message) if each.error else _short(each.output)),
        )
    if (more := len(activities) - _SHOWN) > 0:
        table.add_row(f"and {more:,} more", "", "", "", "--output json has all")
    return table


def _summary(outcome: Outcome) -> str:
    run = outcome.run
    counts = {status: sum(each.status == status for each in outcome.activities) for status in _STYLES}
    told = [f"{number:,} {status.lower()}" for status, number in counts.items() if number]
    status = "Interrupted" if outcome.signal is not None else run.status
    time = f" in {took(run)}" if run.ended else ""
    message = f": {_first(run.message)}" if run.message else ""
    return one_line(
        f"{status} pipeline {run.pipeline}{time} ({', '.join(told) or 'no activities'}), "
        f"run {run.run_id}{message}"
    )


def show_checks(session: Session, prepared: Prepared) -> None:
    """All that is wrong or not supported."""
    for sentence in prepared.wrong:
        session.show(Text(f"{'error':11} ", "red").append(one_line(sentence), "default"))
    for each in prepared.report.findings:
        session.show(finding_text(each))
    what = {0: "can be run", 1: "is not supported whole: nothing was run", 2: "is wrong: nothing was run"}
    session.show(one_line(f"the pipeline {prepared.pipeline.name} {what[prepared.exit_code]}"))


def runs_table(found: Iterable[Any]) -> Table:
    """A row for each run that has a record here."""
    table = Table("run", "pipeline", "state", "started", "took")
    for each in found:
        run = each.run
        table.add_row(
            each.run_id,
            one_line(run.pipeline) if run else "",
            each.state,
            run.started.astimezone().strftime("%Y-%m-%d %H:%M:%S") if run else "",
            took(run) if run else "",
        )
    return table
