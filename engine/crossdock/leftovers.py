"""What a run has staged at its sink and does not need any more, or can no longer rely on."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from .context import Context
from .errors import CrossdockError
from .journal import Journal
from .journal_rows import UnitState
from .opening import blaming, open_sink
from .plugins import registry
from .request import Resolved
from .spi.endpoints import Sink

log = logging.getLogger(__name__)


def remove_staged(context: Context) -> None:
    """Clean up what has begun; what can be seen counts as committed.

    A unit that cannot be cleaned up now stays in the journal, for ``crossdock runs forget``.
    """
    sink, journal = context.sink, context.journal
    context.handles.update(journal.begun_handles())
    for seq, handle in context.handles.items():
        with _left_staged():
            if context.ask_sink(partial(sink.is_committed, handle)):
                journal.set_state([seq], UnitState.COMMITTED)
            context.ask_sink(partial(sink.cleanup, handle))
            journal.forget_splits(seq)
    for seq, unit in journal.beginnings():
        with _left_staged():
            context.ask_sink(partial(sink.abandon, unit, context.run_id))
            journal.set_state([seq], UnitState.PLANNED)


@contextmanager
def _left_staged() -> Iterator[None]:
    try:
        yield
    except CrossdockError as error:
        log.warning("staged data is left at the sink: %s", error)


def give_up_sink(journal: Journal, resolved: Resolved) -> None:
    """Remove what a run that nobody works on has begun at its sink."""
    handles, beginnings = journal.begun_handles(), journal.beginnings()
    if not (handles or beginnings):
        return
    with closing(open_sink(resolved)) as sink, blaming(resolved.sink.connector, "sink"):
        able = registry().by_name(resolved.sink.connector).capabilities
        for _, handle in handles:
            sink.cleanup(handle)
            if resolved.sink.stage and not able.private_staging:
                _settle(sink, handle)
        for _, unit in beginnings:
            sink.abandon(unit, journal.path.stem)


def _settle(sink: Sink[Any], handle: bytes) -> None:
    from .files.tabular import FormatSink

    if isinstance(sink, FormatSink):
        sink.settle(handle)


def drop_expired(context: Context) -> None:
    """Begin open units anew when the sink may have thrown away what was staged (``resume_window``).

    Found out at a commit, all that is missing would have been carried before for nothing.
    """
    window, staged = context.sink_spec.capabilities.resume_window, context.journal.get("staged")
    if window is None or staged is None or time.time() - staged < window.total_seconds():
        return
    remove_staged(context)
    context.handles.clear()
    context.notes.append(
        f"{context.sink_spec.name} keeps staged data for {str(window).removesuffix(', 0:00:00')} only: what "
        "had not been committed is copied again from its start"
    )
