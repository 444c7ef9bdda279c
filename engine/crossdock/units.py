"""The life of a unit: begin, carry its splits, verify, commit, clean up; each step journaled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from .carry import Job
from .context import KEPT_SCHEMAS, Context, may_be_skipped
from .dispatch import Dispatcher, UnitTask
from .errors import CrossdockError, NotFoundError, StageLostError, TransientError, VerificationError
from .files.deleting import delete_copied
from .grouping import Grouped
from .journal_rows import UnitRow, UnitState
from .left_out import file_target, leave_out, note_done, note_skipped
from .meter import Worker
from .spi.data import PlanHint, Receipt, Split, Target
from .takeover import left_over
from .verify import digesting, proof

READ_AHEAD_WEIGHT = 1 << 20
WORTH_A_SPLIT = 16  # workers that a tuner may want


@dataclass(eq=False, repr=False)
class Counts:
    """What has been finished; several workers add to it, the display reads it without the lock."""

    units: int = 0
    bytes: int = 0
    rows: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def add(self, units: int = 0, size: int = 0, rows: int = 0) -> None:
        """Count finished units, bytes and rows."""
        with self._mutex:
            self.units += units
            self.bytes += size
            self.rows += rows


class Units:
    """Does the work that the dispatcher hands out."""

    def __init__(self, context: Context, dispatcher: Dispatcher, counts: Counts) -> None:
        self.context, self.dispatcher, self.counts = context, dispatcher, counts
        self._lost: set[int] = set()
        self._plain = Target(context.request.mode)
        self._receipts = Grouped(context.journal.add_receipts)

    def begin(self, rows: Sequence[UnitRow], worker: Worker) -> None:
        """Begin units. Those of at most one split are carried here, as one group in the journal."""
        if self.context.taken_over:
            rows = left_over(self.context, rows, self.counts)
        tasks: list[UnitTask] = []
        fresh = []
        if new := [row.seq for row in rows if row.begun is None]:
            self.context.journal.set_state(new, UnitState.BEGINNING)
        try:
            for row in rows:
                self.context.stop_if_cancelled()
                try:
                    with worker.waits_for("begin"):
                        task, splits = self._open(row)
                except CrossdockError as error:
                    self._skip(row, error)
                    continue
                tasks.append(task)
                self.context.writers = max(self.context.writers, task.begun.max_writers)
                if splits is not None:
                    fresh.append((row.seq, task.begun, splits))
        finally:
            # Also when a later one failed: what has begun is known to whoever cleans up.
            if fresh:
                self.context.journal.begin(fresh)
        if small := [task for task in tasks if task.splits <= 1]:
            self._carry_small(small, worker)
        for task in tasks:
            if task.splits > 1:
                self._continue(task, worker)

    def _continue(self, task: UnitTask, worker: Worker) -> None:
        if task.pending:
            self.dispatcher.offer(task)
        else:
            self._complete([task], worker)

    def _may_skip(self, error: CrossdockError) -> bool:
        """One of many objects may be left out for that. Raises TransientError when all have vanished."""
        if not may_be_skipped(error, self.context.request.skip_files) or self.dispatcher.total == 1:
            return False
        if not isinstance(error, NotFoundError):
            return True
        try:
            self.context.ask_source(lambda: next(iter(self.context.source.units()), None))
        except NotFoundError as gone:
            # An unmounted disk, not a deleted file: a run that skipped everything could not be resumed.
            message = f"the source is not there any more: {gone.message}"
            raise TransientError(message, hint="bring it back, then resume") from error
        return True

    def _skip(self, row: UnitRow, error: CrossdockError) -> None:
        if not self._may_skip(error):
            raise error
        handle = self.context.handles.pop(row.seq, None) or (row.begun and row.begun.handle)
        if handle:
            self.context.ask_sink(lambda: self.context.sink.cleanup(handle))
        self._skipped(row, error)

    def _open(self, row: UnitRow) -> tuple[UnitTask, list[Split] | None]:
        """The task of a unit and, when it is new, its plan for the journal."""
        if row.begun is None:
            return self._open_new(row)
        stored = self.context.journal.splits(row)
        done = {s.split.index: (s.split, s.receipt, s.digest) for s in stored if s.receipt is not None}
        pending = deque(s.split for s in stored if s.receipt is None)
        committed = row.state >= UnitState.COMMITTED
        if not (committed or pending) and self._verifies("before_commit"):
            # Killed between the commit and the journal: what was staged has been verified and is gone.
            handle = row.begun.handle
            committed = self.context.ask_sink(lambda: self.context.sink.is_committed(handle))
        # What is all staged ends well also when the source has gone since.
        needed = pending or self.context.request.verify
        schema, apply = self.context.mapped(row.unit) if needed else (None, None)
        return UnitTask(row, row.begun, apply, schema, len(stored), pending, done, committed=committed), None

    def _open_new(self, row: UnitRow) -> tuple[UnitTask, list[Split]]:
        context = self.context
        schema, apply = context.mapped(row.unit)
        attributes = context.given_attributes(row.unit)
        plain = schema is None and attributes is None
        target = (
            self._plain
            if plain
            else Target(context.request.mode, schema, attributes, self.context.request.skip_rows)
        )
        if schema is not None and row.seq > KEPT_SCHEMAS:
            # Planning has checked the others with their schema already.
            context.ask_sink(lambda: context.sink.check(row.unit, target))
        context.fence()
        if row.state is UnitState.BEGINNING:
            # Another process was killed there, and nobody knows the handle.
            context.ask_sink(lambda: context.sink.abandon(row.unit, context.run_id))
        begun = context.ask_sink(lambda: context.sink.begin(row.unit, target, context.run_id))
        context.handles[row.seq] = begun.handle
        hint = PlanHint(
            context.parallel,
            begun.max_splits,
            begun.min_split_bytes,
            begun.block,
            context.source_spec.capabilities.cheap_scan,
            most=min(context.most_parallel, WORTH_A_SPLIT) if context.most_parallel > context.parallel else 0,
        )
        try:
            splits = context.ask_source(lambda: list(context.source.plan(row.unit, hint)))
        except CrossdockError:
            # Without a plan the journal cannot have it, so nobody else would clean it up.
            context.ask_sink(lambda: context.sink.cleanup(begun.handle))
            del context.handles[row.seq]
            raise
        return UnitTask(row, begun, apply, schema, len(splits), deque(splits), {}), splits

    def _job(self, task: UnitTask, split: Split) -> Job:
        # Buffers of a binary split are reused, so only record batches can wait in a queue.
        lonely = min(task.begun.max_writers, task.splits) < self.context.parallel
        return Job(
            split,
            task.begun.handle,
            task.apply,
            task.begun.memory,
            read_ahead=lonely and task.schema is not None and split.weight > READ_AHEAD_WEIGHT,
            digest=digesting(self.context, task, split),
            schema=task.schema,
            seq=task.row.seq,
            skip_rows=self.context.request.skip_rows and task.schema is not None,
        )

    def _carry(self, task: UnitTask, split: Split, worker: Worker) -> tuple[Split, Receipt, str]:
        receipt, digest = self.context.carrier.carry(self._job(task, split), worker)
        worker.turn("engine")
        if split.length is None:
            # The source could not say how much it would be.
            split = replace(split, length=worker.taken)
        if receipt.rows is None and task.schema is not None:
            receipt = replace(receipt, rows=worker.taken_rows)
        self.counts.add(size=split.length or 0, rows=receipt.rows or 0)
        return split, receipt, digest

    def split(self, task: UnitTask, split: Split, worker: Worker) -> None:
        """Carry (or, while verifying, read back) one split of a unit that all workers share."""
        result = None
        try:
            if task.read_back is not None:
                result = (split, Receipt(b"", 0, 0), self._digest(task, split, worker))
            else:
                carried = self._carry(task, split, worker)
                self.context.journal.add_receipts([(task.row.seq, *carried)])
                # Only what is journaled counts: another worker may commit on the strength of it.
                result = carried
        except CrossdockError as error:
            if not self._may_go_on(task, error):
                raise
            self.dispatcher.drop(task, error)
        finally:
            last = self.dispatcher.finished(task, split, result)
        if last and task.broken is not None:
            self._end_early(task, task.broken, worker)
            return
        if not last or len(task.done) < task.splits:
            return
        if task.read_back is not None:
            self._verified(task, worker)
        else:
            self._complete([task], worker)

    def _may_go_on(self, task: UnitTask, error: CrossdockError) -> bool:
        """Whether the error ends this unit, or its beginning, and not the run."""
        if isinstance(error, StageLostError):
            return True
        return task.read_back is None and self._may_skip(error)

    def _end_early(self, task: UnitTask, error: CrossdockError, worker: Worker) -> None:
        """Nobody works on this unit any more: carry it again when staged data is lost, else skip it."""
        if isinstance(error, StageLostError):
            self._start_over(task.read_back[1] if task.read_back else task, error, worker)
        else:
            self._skip(task.row, error)

    def _carry_small(self, tasks: list[UnitTask], worker: Worker) -> None:
        carried: list[UnitTask] = []
        broken: list[tuple[UnitTask, CrossdockError]] = []
        with self._receipts as receipts:
            for task in tasks:
                try:
                    for split in task.pending:
                        result = self._carry(task, split, worker)
                        task.done[split.index] = result
                        task.committed = result[1].visible
                        receipts.add((task.row.seq, *result))
                except CrossdockError as error:
                    if not self._may_skip(error) and not isinstance(error, StageLostError):
                        raise
                    broken.append((task, error))
                else:
                    carried.append(task)
        for task, reason in broken:
            self._end_early(task, reason, worker)
        self._complete(carried, worker)

    def _complete(self, tasks: Sequence[UnitTask], worker: Worker) -> None:
        """All splits have receipts: verify before or after the commit, as the sink can."""
        if self.context.resolved.source.stage:
            from .stage_run import compare_with_manifest

            for task in tasks:
                compare_with_manifest(self.context, task)
        if verified := [task for task in tasks if task.row.state >= UnitState.VERIFIED]:
            self._clean(verified, worker)
            tasks = [task for task in tasks if task.row.state < UnitState.VERIFIED]
        if self._verifies("before_commit"):
            tasks = [task for task in tasks if task.committed or self._verify(task, worker)]
        self._commit(tasks, worker)

    def _commit(self, tasks: Sequence[UnitTask], worker: Worker) -> None:
        context = self.context
        done = []
        lost = []
        # What is visible counts, also when a later one failed: giving up forgets what is only staged.
        with Grouped[int](lambda seqs: context.journal.set_state(seqs, UnitState.COMMITTED)) as committed:
            for task in tasks:
                try:
                    if not task.committed:
                        context.fence()
                        with worker.waits_for("commit"):
                            context.ask_sink(partial(context.sink.commit, task.begun.handle, task.receipts()))
                except StageLostError as error:
                    lost.append((task, error))
                else:
                    done.append(task)
                    if not task.committed:
                        committed.add(task.row.seq)
                    task.committed = True
        for task, reason in lost:
            self._start_over(task, reason, worker)
        for task in done:
            self.counts.add(rows=-leave_out(context, task))
        if self._verifies("after_commit"):
            done = [task for task in done if self._verify(task, worker)]
        self._clean(done, worker)

    def _start_over(self, task: UnitTask, error: StageLostError, worker: Worker) -> None:
        """Staged data is gone (the store expired it, the machine lost power): carry the unit again, once."""
        if task.row.seq in self._lost or task.committed:
            raise error
        self._lost.add(task.row.seq)
        # What is staged under that name may be somebody else's by now.
        self.context.fence()
        self.context.ask_sink(lambda: self.context.sink.cleanup(task.begun.handle))
        self.context.journal.forget_splits(task.row.seq)
        # No attempt may have the number of an earlier one, whose staged data somebody may still hold.
        self.context.carrier.epoch = self.context.journal.next_epoch()
        self.begin([replace(task.row, state=UnitState.PLANNED, begun=None)], worker)

    def _clean(self, tasks: Sequence[UnitTask], worker: Worker) -> None:
        with worker.waits_for("commit"):
            self._tidy(tasks)
        note_done(self.context, tasks)
        self.counts.add(units=len(tasks))

    def _tidy(self, tasks: Sequence[UnitTask]) -> None:
        if self.context.resolved.source.settings.delete_files_after_completion:
            self._delete_sources(tasks)
        for task in tasks:
            if not self.context.kept:
                self.context.ask_sink(partial(self.context.sink.cleanup, task.begun.handle))
            self.context.handles.pop(task.row.seq, None)

    def _delete_sources(self, tasks: Sequence[UnitTask]) -> None:
        """Delete what the units were read from. From here on nothing of them is read or verified again."""
        context = self.context
        if context.request.verify:
            context.journal.set_state([task.row.seq for task in tasks], UnitState.VERIFIED)
        for task in tasks:
            splits = [split for split, _ in task.receipts()]
            context.notes += delete_copied(context.source, splits, context.ask_source)

    # -- verification -----------------------------------------------------------------------------

    def _verifies(self, when: str) -> bool:
        context = self.context
        if not context.request.verify or context.resolved.sink.proved_later:
            return False
        return context.sink_spec.capabilities.read_back == when

    def _verify(self, task: UnitTask, worker: Worker) -> bool:
        """Prove the unit. False: it goes on elsewhere, in ``_verified`` or from its beginning."""
        try:
            how = self.context.ask_sink(lambda: proof(self.context, task))
            splits = how.splits
            back = UnitTask(task.row, replace(task.begun, max_writers=len(splits) + 1), None, task.schema,
                            len(splits), deque(splits), {}, read_back=(how, task))  # fmt: skip
            if len(splits) > 1:
                self.dispatcher.offer(back)
                return False
            for split in splits:
                back.done[split.index] = (split, Receipt(b"", 0, 0), self._digest(back, split, worker))
            self._compare(back)
        except StageLostError as error:
            self._start_over(task, error, worker)
            return False
        except CrossdockError as error:
            self._take_back(task, error)
            return False
        return True

    def _take_back(self, task: UnitTask, error: CrossdockError) -> None:
        """Remove the file that is not what was read, where such files are skipped; else raise the error."""
        context = self.context
        target = file_target(context)
        gone = isinstance(error, NotFoundError) and error.side == "sink"
        inconsistent = isinstance(error, VerificationError) or gone
        wanted = "inconsistent" in context.request.skip_files and self.dispatcher.total > 1
        if target is None or not (inconsistent and wanted):
            raise error
        context.ask_sink(lambda: target.store.delete(target.path(task.row.unit)))
        context.ask_sink(lambda: context.sink.cleanup(task.begun.handle))
        context.handles.pop(task.row.seq, None)
        self._skipped(task.row, error)

    def _skipped(self, row: UnitRow, error: CrossdockError) -> None:
        note_skipped(self.context, row, error)
        self.counts.add(units=1)

    def _digest(self, back: UnitTask, split: Split, worker: Worker) -> str:
        assert back.read_back is not None  # noqa: S101 - only such tasks come here
        how = back.read_back[0]
        return self.context.carrier.digest(how.read, split, how.digest(split), worker)

    def _compare(self, back: UnitTask) -> None:
        assert back.read_back is not None  # noqa: S101 - as above
        back.read_back[0].compare({index: text for index, (_, _, text) in back.done.items()})

    def _verified(self, back: UnitTask, worker: Worker) -> None:
        """The last split was read back: go on where ``_verify`` left off."""
        assert back.read_back is not None  # noqa: S101 - as above
        task = back.read_back[1]
        try:
            self._compare(back)
        except VerificationError as error:
            self._take_back(task, error)
            return
        if self._verifies("before_commit"):
            self._commit([task], worker)
        else:
            self._clean([task], worker)
