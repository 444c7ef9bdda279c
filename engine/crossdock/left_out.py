"""What a unit says at its end: rows that its commit left out, files that were copied or skipped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .files.binary import FileTarget
from .journal_log import UNIT
from .journal_rows import UnitState
from .run_log import skipped_line
from .skips import Line, row_line, row_texts
from .spi.skipping import SkippingSink

if TYPE_CHECKING:
    from .context import Context
    from .dispatch import UnitTask
    from .errors import CrossdockError
    from .journal_rows import UnitRow


def leave_out(context: Context, task: UnitTask) -> int:
    """Note the rows that the commit has left out, before a cleanup forgets them; returns their count."""
    sink, lines, logged = context.sink, context.carrier.lines, context.log is not None
    if not (context.request.skip_rows and isinstance(sink, SkippingSink)):
        return 0

    def found() -> Iterator[list[Line]]:
        for batch, reasons in sink.left_out(task.begun.handle, task.receipts()):
            now, pairs = time.time(), zip(row_texts(batch), reasons, strict=True)
            told = [row_line(now, text, reason) for text, reason in pairs]
            if not logged:
                lines.add_lines(task.row.seq, UNIT, told)
            yield told

    journal, seq = context.journal, task.row.seq
    return context.ask_sink(lambda: journal.leave_out(seq, found(), logged=logged))


def note_done(context: Context, tasks: Sequence[UnitTask]) -> None:
    """The units are done, and the log has what it is to have of them."""
    if (log := context.log) is None:
        context.journal.set_state([task.row.seq for task in tasks], UnitState.DONE)
        return
    specs = {"source": context.source_spec, "sink": context.sink_spec}
    sides = [side for side, spec in specs.items() if spec.kind == "store"]
    lines = {
        task.row.seq: log.copied(task.row.unit, _written(context, task), task.began, sides) for task in tasks
    }
    context.journal.end_units(lines, UnitState.DONE)
    if log.reliable:
        log.flush()


def note_skipped(context: Context, row: UnitRow, error: CrossdockError) -> None:
    """The unit is skipped for good: nothing of it is there."""
    log = context.log
    context.journal.skip(row.seq, None if log is None else skipped_line(row.unit, error))
    if log is not None and log.reliable:
        log.flush()


def file_target(context: Context) -> FileTarget | None:
    """Where the sink writes files; None for tables."""
    target = getattr(context.sink, "target", None)
    return target if isinstance(target, FileTarget) else None


def files_written(context: Context, units: int) -> int:
    """How many files so many units have become."""
    if not context.resolved.sink.settings.max_rows_per_file:
        return units
    from .files.divided import paths_of

    return sum(len(paths_of(token)) for token in context.journal.receipts())


def _written(context: Context, task: UnitTask) -> list[str]:
    if context.resolved.sink.settings.max_rows_per_file:
        from .files.divided import paths_of

        return [path for _, receipt in task.receipts() for path in paths_of(receipt.token)]
    target = file_target(context)
    return [task.row.unit.name if target is None else target.path(task.row.unit)]
