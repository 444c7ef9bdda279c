"""A copy that somebody else had before, with a journal of their own: the sink knows what is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import NotSupportedError
from .journal_rows import UnitState
from .left_out import file_target
from .spi.data import Unit, UnitPage, WriteMode
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
        taken_over = journal.get("taken_over", False) or lease.lease > journal.get("lease", 0) + 1
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
    """The units that nobody else has committed; what they had begun is nothing any more."""
    left = []
    for row in rows:
        context.stop_if_cancelled()
        if row.state >= UnitState.COMMITTED:
            left.append(row)
        elif (found := committed_before(context, row.unit)) is not None:
            context.journal.add_committed(row.seq, found)
            counts.add(1, found.bytes, found.rows or 0)
            if _NOTE not in context.notes:
                context.notes.append(_NOTE)
        else:
            context.journal.forget_splits(row.seq)
            left.append(replace(row, state=UnitState.PLANNED, begun=None))
    return left
