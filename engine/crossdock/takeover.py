"""A copy that somebody else had before, with a journal of their own: the sink knows what is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import NotSupportedError
from .journal_rows import UnitState
from .left_out import file_target
from .spi.data import PlanHint, Unit, UnitPage, WriteMode
from .spi.endpoints import Remembering

if TYPE_CHECKING:
    from .context import Context
    from .fencing import Fence
    from .journal import Journal
    from .journal_rows import UnitRow
    from .request import CopyRequest
    from .spi.data import Receipt
    from .spi.endpoints import Sink
    from .spi.spec import ConnectorSpec
    from .units import Counts

_NOTE = (
    "some of it was there already: whoever had the copy before has committed it; of that, files that were to "
    "be deleted at the source are still there"
)


@dataclass(frozen=True, slots=True)
class Holding:
    """Fields of ``Context``."""

    taken_over: bool = False
    kept: bool = False

    @classmethod
    def of(
        cls,
        lease: Fence,
        journal: Journal,
        sink: Sink[Any],
        spec: ConnectorSpec,
        request: CopyRequest,
        *,
        stage: bool,
    ) -> Holding:
        """What a lease makes of a copy. Raises NotSupportedError where rows could be there twice."""
        if not lease.lease:
            return cls()
        # Nobody was in between where the lease before was this journal's.
        others = lease.lease > journal.get("lease", 0) + 1
        taken_over = journal.get("taken_over", False) or others
        # A stage that somebody else has begun is removed, and begun again.
        mode = request.mode
        knows = not stage and isinstance(sink, Remembering) and sink.remembers()
        if taken_over and not (knows or stage) and mode is not WriteMode.OVERWRITE:
            raise NotSupportedError(
                f"whoever had the copy before was lost, and {spec.name} cannot say whether they have "
                "committed it: done again, its rows could be there twice; look at the sink, then run it anew"
            )
        # Files that are written again are the same files.
        again = spec.kind == "store" and mode is WriteMode.OVERWRITE and not sink.one_target
        kept = knows and not again
        if others:
            journal.forget_begun()
        journal.set(lease=lease.lease, taken_over=taken_over, kept=kept)
        return cls(taken_over, kept)


def committed_before(context: Context, unit: Unit) -> Receipt | None:
    """What somebody else has committed of the unit; None where they cannot commit it any more."""
    sink, request = context.sink, context.request
    if not (context.taken_over and isinstance(sink, Remembering) and sink.remembers()):
        return None
    if context.resolved.sink.stage:
        return None
    if context.sink_spec.kind == "store" and request.verify and request.mode is WriteMode.OVERWRITE:
        return None  # nobody knows whether it was verified
    context.fence()
    return context.ask_sink(lambda: sink.committed(unit, context.run_id))


def _counted(context: Context, unit: Unit, found: Receipt) -> Receipt:
    """With the rows of a file, which is read for them: its store knows of bytes only."""
    if found.rows is not None or context.resolved.payload == "binary":
        return found
    from .files.tabular import FormatSink

    sink = context.sink
    if not isinstance(sink, FormatSink):
        return found

    def count(each: FormatSink) -> int:
        source, file = each.reading(unit)
        rows = 0
        for split in source.plan(file, PlanHint()):
            with source.read(split) as batches:
                for batch in batches:
                    context.stop_if_cancelled()
                    rows += batch.num_rows
        return rows

    return replace(found, rows=context.ask_sink(lambda: count(sink)))


def is_unproved(context: Context) -> bool:
    """Whether somebody else has committed what is read back after that only: were they lost before?"""
    late = context.sink_spec.capabilities.read_back == "after_commit"
    return late and context.taken_over and context.journal.has_others()


def with_vanished(context: Context, count: int, pages: Iterator[UnitPage]) -> Iterator[UnitPage]:
    """The pages; where they hold nothing, what was committed of a source that has been deleted since."""
    for page in pages:
        count += len(page.units)
        yield page
    if count or not context.taken_over:
        return
    unit = Unit("", token=b"0")  # as of a merged source without files
    if context.sink.one_target and committed_before(context, unit) is not None:
        yield UnitPage((unit,))
    else:
        _remove_staged_files(context)


def _remove_staged_files(context: Context) -> None:
    """Of units whose names nobody knows any more: their source is gone."""
    if (target := file_target(context)) is not None:
        context.fence()
        context.ask_sink(lambda: target.store.abandon_all(context.run_id))


def left_over(context: Context, rows: Sequence[UnitRow], counts: Counts) -> list[UnitRow]:
    """The units that nobody else has committed. Of one that has begun, this was found out before."""
    left = []
    for row in rows:
        context.stop_if_cancelled()
        if row.state >= UnitState.BEGUN:
            left.append(row)
        elif (found := committed_before(context, row.unit)) is not None:
            context.journal.add_committed(row.seq, found := _counted(context, row.unit, found))
            counts.add(1, found.bytes, found.rows or 0)
            if _NOTE not in context.notes:
                context.notes.append(_NOTE)
        else:
            left.append(row)
    return left
