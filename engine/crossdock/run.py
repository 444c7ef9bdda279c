"""A run in this process: list the units, let workers carry them, report; stop cleanly whatever happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from . import forking
from .context import KEPT_SCHEMAS, Context, may_be_skipped
from .credentials import public_url
from .crew import Crew, crew, told
from .dispatch import Dispatcher
from .errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthError,
    CancelledError,
    ConfigError,
    CrossdockError,
    InternalError,
    NoSpaceError,
    TransientError,
)
from .journal import Journal
from .left_out import files_written
from .leftovers import drop_expired, remove_staged
from .meter import DOINGS, Worker
from .prepare import open_run
from .redact import RedactingFilter
from .rehearsal import rehearsed
from .report import WORTH_A_TIP, CopyResult, Phase, Side, Snapshot
from .request import CopyRequest, Resolved
from .run_log import log_path
from .skips import FirstReasons
from .spi.data import Target, UnitPage
from .takeover import committed_before, is_unproved, with_vanished
from .team import Team
from .units import Counts
from .usage import cpu_seconds, peak_memory
from .verify import described
from .watching import Progress, cancellable, observed

if TYPE_CHECKING:
    from .stage_run import OwnStage
    from .timeline import Timeline
    from .tuner import Decision

log = logging.getLogger(__name__)
log.addFilter(RedactingFilter())
# Else Python writes warnings to stderr where nobody has asked for a log.
log.addHandler(logging.NullHandler())
RESUMABLE = (CancelledError, TransientError, InternalError, AuthError, AccessDeniedError, NoSpaceError)


class Run:
    """``execute`` once. Everything that must outlive the process is in the journal."""

    def __init__(
        self,
        run_id: str,
        request: CopyRequest,
        resolved: Resolved,
        journal: Journal,
        cancel: threading.Event,
    ) -> None:
        self.started, self._clock, self._cpu = datetime.now(UTC), time.perf_counter(), cpu_seconds()
        self.phase: Phase = "planning"
        self.workers: list[Worker] = []
        self.counts = Counts()
        self._dispatcher: Dispatcher | None = None
        self._crew: Crew | None = None
        self._decisions: list[Decision] = []
        self._units_total: int | None = None
        self._bytes_total: int | None = None
        self._skipped_splits = self._skipped_bytes = 0
        self._planning = self._copying = 0.0
        self._timeline: Timeline | None = None
        self.context = open_run(run_id, request, resolved, journal, cancel)
        self._opening = self.elapsed

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._clock

    def execute(self, progress: Progress | None = None) -> CopyResult:
        """Carry all units; raises the first error, after every worker has stopped."""
        try:
            with observed(progress, self.snapshot):
                with cancellable(self.context.cancel, self.context.carrier.interrupt):
                    self._plan()
                    self._at_stage(lambda stage: stage.claim())
                    # Before any data: whether the log can be written at all.
                    self._end_log()
                self._copy()
                # The time of a child is known once it has ended.
                self._end_children()
                self._end_log()
                self._at_stage(lambda stage: stage.seal())
                self._leave_stage()
            return self._result("Succeeded")
        except KeyboardInterrupt:
            interrupted = CancelledError()
            self._give_up(interrupted)
            raise interrupted from None
        except CrossdockError as error:
            self._give_up(error)
            raise
        finally:
            self.close()

    def _end_log(self) -> None:
        if self.context.log is not None:
            self.context.log.flush()

    def _at_stage(self, step: Callable[[OwnStage], None]) -> None:
        """Where the sink is a stage, more is to be done than to write files."""
        if self.context.resolved.sink.stage:
            from .stage_run import OwnStage

            self.context.ask_sink(lambda: step(OwnStage(self.context)))

    def _leave_stage(self) -> None:
        """Where the source is a stage that was to be removed, or that somebody may want to."""
        if self.context.resolved.source.stage:
            from . import stage_run

            self.context.ask_source(lambda: stage_run.leave_stage(self.context))

    def _end_children(self) -> None:
        if self.context.carrier.children is not None:
            self.context.carrier.children.close()

    def close(self) -> None:
        self._end_children()
        self.context.source.close()
        self.context.sink.close()
        if self.context.log is not None:
            self.context.log.close()

    def rehearse(self) -> CopyResult:
        """Plan and check everything, change nothing (``--dry-run``)."""
        try:
            self._plan()
            self._at_stage(lambda stage: stage.look())
            result = self._result("Planned")
            files = max(result.files_read, result.files_written)
            result.plan = rehearsed(self.context) | {"files": files}
            result.files_read = result.files_written = 0
            return result
        finally:
            self.close()

    # -- planning ---------------------------------------------------------------------------------

    def _plan(self) -> None:
        """List all units, each checked before any data moves; goes on where an earlier process stopped."""
        context, journal = self.context, self.context.journal
        if not journal.get("planned", False):
            context.ask_source(self._list)
            journal.set(planned=True)
            self.counts.units = 0
        drop_expired(context)
        self._planning = self.elapsed
        totals = journal.totals()
        self._units_total, self._bytes_total = totals.units, totals.size
        if not totals.units:
            context.notes.append("there was nothing to copy: no file or table is as the source asks for")
        self._skipped_splits, self._skipped_bytes = totals.splits_done, totals.bytes_read
        self.counts.units, self.counts.bytes = totals.units_done, totals.bytes_read
        self.counts.rows = totals.rows or 0

    def _list(self) -> None:
        context, journal = self.context, self.context.journal
        cursor = journal.get("cursor")
        if cursor is None:
            journal.unlist()
        count = journal.totals().units
        for page in with_vanished(
            context, count, context.source.units(None if cursor is None else cursor.encode("latin-1"))
        ):
            context.stop_if_cancelled()
            self._check(page, count)
            count += len(page.units)
            cursor = None if page.cursor is None else page.cursor.decode("latin-1")
            journal.add_units(page.units, cursor, context.sink.target_name)
            self.counts.units = count
            if context.resolved.source.merge:
                journal.set(merged=sum(int(unit.token) for unit in page.units))

    def _check(self, page: UnitPage, before: int) -> None:
        context = self.context
        if context.sink.one_target and before + len(page.units) > 1:
            names = f"{page.units[0].name} and {page.units[-1].name}"
            raise ConfigError(
                f"{names} cannot both go into {public_url(context.request.sink)}; name a folder"
            )
        plain = Target(context.request.mode)
        for number, unit in enumerate(page.units, before):
            # Looking into each of a million files would take longer than copying them.
            try:
                schema = context.mapped(unit)[0] if number < KEPT_SCHEMAS else None
            except CrossdockError as error:
                if not may_be_skipped(error, context.request.skip_files) or context.resolved.source.name:
                    raise
                continue  # it is skipped when its turn comes
            target = plain
            if schema is not None:
                target = Target(context.request.mode, schema, skip_rows=context.request.skip_rows)
            try:
                context.ask_sink(partial(context.sink.check, unit, target))
            except AlreadyExistsError:
                if committed_before(context, unit) is None:
                    raise

    # -- copying ----------------------------------------------------------------------------------

    def _copy(self) -> None:
        self.phase, began = "copying", self.elapsed
        try:
            self._carry()
        finally:
            self._copying = self.elapsed - began
        if (folders := self.context.folders) is not None:
            self.context.ask_source(lambda: folders.copy(self.context.ask_sink))
        self.phase = "done"

    def _carry(self) -> None:
        context, count = self.context, self._units_total or 0
        if processes := forking.worth(context, count, self._bytes_total):
            self._copy_apart(processes, count)
        if not processes or context.journal.open_units(0, 1):
            self._dispatcher = Dispatcher(context.journal, context.most_parallel, count)
            team = Team(context, self._dispatcher, self.counts, self.workers, self._look)
            self._crew = crew(context, count, self._bytes_total, self.counts)
            team.carry(self._crew)
            if team.error is not None:
                raise team.error
        if context.journal.open_units(0, 1):
            raise InternalError("the workers stopped before all was copied")

    def _copy_apart(self, processes: int, count: int) -> None:
        """Let forked processes carry what there is; what one that dies leaves open is for the caller."""
        context = self.context
        self._dispatcher = Dispatcher(context.journal, context.most_parallel, count)
        from .forked import Processes  # late: sockets and pickles are for many small files

        with Processes(context, (count, self._bytes_total), processes, self.workers) as team:
            team.carry(self._dispatcher, self.counts, self._look)
        self._decisions += team.decisions
        if team.error is not None:
            raise team.error
        if team.gates:
            context.carrier.gate.lowest, context.carrier.gate.most = map(sum, zip(*team.gates, strict=True))
        # No attempt may have the number of one of theirs.
        context.carrier.epoch = context.journal.next_epoch()

    def _look(self) -> None:
        """Note what the workers do now; a copy that is over in a moment does not come here."""
        if self._timeline is None:
            from .timeline import Timeline

            self._timeline = Timeline()
        moved = self.counts.bytes + sum(worker.in_flight for worker in self.workers)
        self._timeline.look(self.elapsed, moved, self.workers)

    def _give_up(self, error: CrossdockError) -> None:
        """Keep what a resumed run can use; remove what it cannot."""
        context = self.context
        error.run_id = context.run_id
        error.resumable = isinstance(error, CancelledError) or (
            isinstance(error, RESUMABLE) and self._has_begun()
        )
        full = isinstance(error, NoSpaceError) and error.side == "sink"
        if context.log is not None:
            context.log.try_flush()
        try:
            if not error.resumable or full:
                remove_staged(context)
            if not error.resumable:
                self._at_stage(lambda stage: stage.discard())
            context.journal.set(
                state="interrupted" if isinstance(error, CancelledError) else "failed",
                error=str(error),
                resumable=error.resumable,
            )
        except CrossdockError as later:
            # The journal's disk is full, say: what went wrong first is what the user has to know.
            log.warning("giving up %s: %s", context.run_id, later)

    def _has_begun(self) -> bool:
        """Whether a resumed run would find something done: a page of the listing, at least."""
        try:
            return self._units_total is not None or bool(self.context.journal.open_units(0, 1))
        except CrossdockError:
            return True

    # -- reporting --------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """How far the run is, at this moment."""
        waiting: dict[str, int] = {}
        for worker in self.workers:
            if worker.state != "away":
                waiting[worker.state] = waiting.get(worker.state, 0) + 1
        return Snapshot(
            self.context.run_id,
            self.phase,
            self.context.resolved.payload,
            self.elapsed,
            self.counts.units,
            self._units_total,
            self.counts.bytes + sum(worker.in_flight for worker in self.workers),
            self._bytes_total,
            self.counts.rows + sum(worker.rows_in_flight for worker in self.workers),
            self._crew.size if self._crew else self.context.parallel,
            waiting,
        )

    def _result(self, status: str) -> CopyResult:
        context, totals = self.context, self.context.journal.totals()
        tabular = context.resolved.payload == "tabular"
        everyone = (*self.workers, context.asking)
        seconds = {key: round(sum(w.seconds[key] for w in everyone), 3) for key in DOINGS if key != "away"}
        firsts = [worker.first for worker in self.workers if worker.first is not None]
        stores = [spec.kind == "store" for spec in (context.source_spec, context.sink_spec)]
        files = totals.units - totals.units_skipped
        most_busy = self._dispatcher.most_busy if self._dispatcher else context.parallel
        asked = bool(context.request.verify) and status == "Succeeded"
        proved = asked and not is_unproved(context)
        return CopyResult(
            run_id=context.run_id,
            status=status,  # type: ignore[arg-type]
            payload=context.resolved.payload,
            source=_side(context.resolved.source, context.request.source),
            sink=_side(context.resolved.sink, context.request.sink),
            started=self.started,
            duration=self.elapsed,
            opening=self._opening,
            planning=self._planning,
            copying=self._copying,
            first_byte=round(min(firsts) - self._clock - self._planning, 3) if firsts else None,
            cpu=round(cpu_seconds() - self._cpu, 3),
            cores=_cores() if self.elapsed >= WORTH_A_TIP else 0.0,
            bytes_read=totals.bytes_read,
            bytes_written=totals.bytes,
            files_read=context.journal.get("merged", files) if stores[0] else 0,
            files_written=files_written(context, files) if stores[1] else 0,
            files_skipped=totals.units_skipped,
            rows_read=(totals.rows or 0) + totals.rows_skipped if tabular else None,
            rows_copied=totals.rows or 0 if tabular else None,
            rows_skipped=totals.rows_skipped,
            log=log_path(context.resolved.log),
            parallel_copies=most_busy,
            parallel_asked=context.request.parallel_copies or 0,
            writers=context.writers,
            bulk_load=context.sink_spec.capabilities.bulk_load is not None,
            bytes_skipped=self._skipped_bytes,
            peak_memory=peak_memory(),
            splits_done=totals.splits_done,
            splits_skipped=self._skipped_splits,
            retries=sum(worker.retries for worker in everyone),
            throttled=sum(worker.throttled for worker in everyone),
            throttled_seconds=round(sum(worker.throttled_seconds for worker in everyone), 3),
            retried_seconds=round(sum(worker.retried_seconds for worker in everyone), 3),
            verified=proved if asked else None,
            verification=described(context, totals.rows) if proved else {},
            seconds=seconds,
            tuning=told([*self._decisions, *(self._crew.decisions if self._crew else ())], self._clock),
            timeline=self._timeline.points if self._timeline else [],
            notes=list(dict.fromkeys(_notes(context, most_busy))),
            skipped=context.journal.skipped(),
        )


def _side(end: Any, url: str) -> Side:
    return Side(end.connector, end.format or "", public_url(url))


def _notes(context: Context, most: int) -> Iterator[str]:
    gate = context.carrier.gate
    if gate.lowest < gate.most:
        yield f"a server throttled the copy: for a while only {gate.lowest} of {most} workers worked"
    if context.carrier.refused:
        yield f"the bytes went through this machine: {context.carrier.refused}"
    elif context.carrier.copier is not None and context.carrier.children is not None:
        yield "the bytes went through this machine: child processes carry them (CROSSDOCK_ISOLATE)"
    if context.request.verify and is_unproved(context):
        yield (
            "it is not verified: some of it was there already, and whoever has committed that may have been "
            "lost before it was read back"
        )
    yield from context.notes
    if isinstance(context.carrier.lines, FirstReasons):
        yield from context.carrier.lines.notes
    yield from context.resolved.source.notes
    for end in (context.source, context.sink):
        yield from end.notes()


def _cores() -> float:
    from .machine import cores  # late: only a longer copy is told about

    return cores()
