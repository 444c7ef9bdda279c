"""The path of one item: the source yields it, the writer takes it; one thread, no queue, no copy.

Around it: memory reserved before the source opens, a wait reason and a meter per worker, the
bandwidth throttle, the digest of what was read, and the retries of the split.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from .classify import Classify, classified
from .errors import (
    CancelledError,
    CrossdockError,
    DataError,
    InternalError,
    NotSupportedError,
)
from .gate import Gate, NoGate
from .limits import MemoryBudget, NoThrottle, Throttle
from .mapping import Apply
from .meter import Worker
from .read_ahead import read_ahead
from .retry import again
from .skips import SHOWN, FirstReasons, Lines, Skips
from .spi.data import Attempt, Receipt, Split
from .spi.endpoints import Cancellable, Copier, Sink, Source, Writer
from .spi.skipping import SkippingSource

if TYPE_CHECKING:
    from .digest_split import Digesting

DEFAULT_MEMORY = 32 << 20
Read = Callable[[Split], AbstractContextManager[Iterator[Any]]]


class Digest(Protocol):
    """Digest of a split's items; its text goes to the journal."""

    def update(self, item: Any) -> None: ...
    def text(self) -> str: ...


class Children(Protocol):
    """Child processes that carry splits of connectors which hold the interpreter lock."""

    def attempt(
        self,
        job: Job,
        attempt: Attempt,
        worker: Worker,
        pace: Callable[[int, Worker], None] | None,
        lines: Lines,
    ) -> tuple[Receipt, str]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Job:
    """One split and all that carrying it needs; ``seq`` is its unit's in the journal."""

    split: Split
    handle: bytes
    apply: Apply | None = None
    memory: int = 0
    read_ahead: bool = False
    digest: Digesting | None = None
    schema: Any = None
    seq: int = 0
    skip_rows: bool = False


@dataclass(eq=False, repr=False)
class _Input:
    """How reading went, whatever the sink says: bulk loaders wrap or swallow what their input raises.

    ``digest`` is of the items. Rows are left out by the source, perhaps ahead of the sink in a thread of its
    own (``unread``), and by the mapping or the sink (``skips``).
    """

    digest: Digest | None = None
    unread: Skips | None = None
    skips: Skips | None = None
    failed: BaseException | None = None
    ended: bool = False


@dataclass(eq=False, repr=False)
class Carrier:
    """Carries splits from one source to one sink; shared by all workers.

    ``refused``: why ``copier`` was given up, empty while it was not. ``lines`` takes the rows that are left
    out; all of them where they are ``logged``.
    """

    source: Source[Any]
    sink: Sink[Any]
    source_classify: Classify
    sink_classify: Classify
    budget: MemoryBudget
    throttle: Throttle
    cancel: threading.Event
    run_id: str
    epoch: int
    copier: Copier | None = None
    children: Children | None = None
    gate: Gate = field(default_factory=NoGate)
    refused: str = ""
    lines: Lines = field(default_factory=FirstReasons)
    logged: bool = False
    _writers: set[Writer[Any]] = field(default_factory=set)

    def interrupt(self) -> None:
        """End the calls that are blocked now, as far as the connectors can do that."""
        for end in (self.source, self.sink, *tuple(self._writers)):
            if isinstance(end, Cancellable):
                with suppress(Exception):
                    end.cancel()

    def carry(self, job: Job, worker: Worker) -> tuple[Receipt, str]:
        """Carry the split, again after transient errors; returns its receipt and the digest's text."""

        def attempt(number: int) -> tuple[Receipt, str]:
            return self.attempt(job, Attempt(self.run_id, self.epoch * 1000 + number), worker)

        return again(attempt, self.cancel, worker, self.gate)

    def digest(self, read: Read, split: Split, make: Callable[[], Digest], worker: Worker) -> str:
        """Read a split of what was written, again after transient errors; returns its digest's text."""

        def attempt(number: int) -> str:
            return self._digest((read, self.sink_classify, "sink"), split, make, worker)

        return again(attempt, self.cancel, worker, self.gate)

    def _digest(
        self, end: tuple[Read, Classify, str], split: Split, make: Callable[[], Digest], worker: Worker
    ) -> str:
        read, classify, where = end
        digest = make()
        taken = self._reserve(Job(split, b""), worker)
        try:
            # Neither throttled nor counted: it is not what the user asked to move.
            with worker.waits_for("verify"), read(split) as items:
                for item in items:
                    digest.update(item)
                    if self.cancel.is_set():
                        raise CancelledError()
        except Exception as error:
            raise classified(error, classify, where) from error
        finally:
            self.budget.give(taken)
        return digest.text()

    def attempt(self, job: Job, attempt: Attempt, worker: Worker) -> tuple[Receipt, str]:
        """One try, here or in a child process."""
        taken = self._reserve(job, worker)
        try:
            if self.children is not None:
                pace = None if isinstance(self.throttle, NoThrottle) else self._throttled
                return self.children.attempt(job, attempt, worker, pace, self.lines)
            digest = job.digest() if job.digest and self.copier is not None else None
            copied = self._copy(job, attempt, worker, digest)
            if copied is None:
                return self._stream(job, attempt, worker)
            receipt, seen = copied
        except BaseException:
            if job.skip_rows:
                with suppress(CrossdockError):  # what went wrong first is what counts
                    self.lines.drop_lines(job.seq, job.split.index)
            raise
        finally:
            self.budget.give(taken)
        if job.digest is None or digest is None:
            return receipt, ""
        if seen:
            return receipt, digest.text()
        # The bytes did not pass through here: for a digest they are read once more.
        end = (self.source.read, self.source_classify, "source")
        return receipt, self._digest(end, job.split, job.digest, worker)

    def _reserve(self, job: Job, worker: Worker) -> int:
        """Memory is taken before the source is opened, so that nothing has to be given back half-way."""
        needed = (job.split.memory or DEFAULT_MEMORY) + job.memory
        taken = self.budget.try_take(needed)
        if taken is None:
            with worker.waits_for("budget"):
                taken = self.budget.take(needed, self.cancel)
        return taken

    def _copy(
        self, job: Job, attempt: Attempt, worker: Worker, digest: Digest | None
    ) -> tuple[Receipt, bool] | None:
        """Let the sink copy; also whether the digest has seen the bytes. None where the sink cannot do that,
        and is not asked again.
        """
        copier = self.copier
        if copier is None:
            return None
        self._throttled(job.split.length or 0, worker)
        what = (self.source, job.handle, job.split, attempt)
        try:
            with worker.waits_for("sink"):
                seen = digest and copier.copy_seen(*what, seen=digest.update)
                receipt = seen or copier.copy(*what)
        except NotSupportedError as error:
            self.copier, self.refused = None, error.message
            return None
        except Exception as error:
            raise classified(error, self.sink_classify, "sink") from error
        _compare(job, receipt, receipt.rows or 0)
        return receipt, bool(seen)

    def _stream(self, job: Job, attempt: Attempt, worker: Worker) -> tuple[Receipt, str]:
        digest, unread, skips = job.digest() if job.digest else None, self._skips(job), self._skips(job)
        reading = _Input(digest, unread, skips)
        try:
            with worker.waits_for("sink"):
                writer: Writer[Any] = self.sink.writer(job.handle, job.split, attempt)
        except Exception as error:
            raise classified(error, self.sink_classify, "sink") from error
        writer.skips = skips
        self._writers.add(writer)
        try:
            if self.cancel.is_set():  # before anybody could interrupt this writer
                raise CancelledError()
            with self._opened(job, worker, reading) as items:
                writer.consume(self._watched(items, job, worker, reading))
                if not reading.ended:
                    # A loader that takes an error of its input for the end would lose rows.
                    raise reading.failed or InternalError("the sink stopped before the end of its input")
            with worker.waits_for("sink"):
                receipt = writer.finish()
        except BaseException as error:
            with suppress(Exception):
                writer.abort()
            if reading.failed is not None:
                raise classified(reading.failed, self.source_classify, "source") from reading.failed
            if not isinstance(error, Exception):
                raise
            raise classified(error, self.sink_classify, "sink") from error
        finally:
            self._writers.discard(writer)
        _compare(job, receipt, worker.rows_in_flight)
        if skips and unread and (count := skips.count + unread.count):
            receipt = replace(receipt, skipped=count)
        return receipt, digest.text() if digest else ""

    def _skips(self, job: Job) -> Skips | None:
        if not job.skip_rows:
            return None
        seq, index, add = job.seq, job.split.index, self.lines.add_lines
        return Skips(lambda lines: add(seq, index, lines), None if self.logged else SHOWN)

    @contextmanager
    def _opened(self, job: Job, worker: Worker, reading: _Input) -> Iterator[Iterator[Any]]:
        """The split's items; errors of opening and of closing are the source's."""
        skips = reading.unread
        try:
            with worker.waits_for("source"):
                if skips is not None and isinstance(self.source, SkippingSource):
                    opened: AbstractContextManager[Iterator[Any]]
                    opened = self.source.read_skipping(job.split, skips)
                else:
                    opened = self.source.read(job.split)
                items = opened.__enter__()
        except BaseException as error:
            reading.failed = error
            raise
        try:
            if job.read_ahead:
                with read_ahead(items) as items:
                    yield items
            else:
                yield items
        except BaseException as error:
            with suppress(Exception):  # what went wrong first is what counts
                opened.__exit__(type(error), error, error.__traceback__)
            raise
        try:
            opened.__exit__(None, None, None)
        except BaseException as error:
            reading.failed = error
            raise

    def _watched(self, items: Iterator[Any], job: Job, worker: Worker, reading: _Input) -> Iterator[Any]:
        """The only place where an item changes hands. With ``skips`` its digest waits until it is known what
        the sink has taken of it.
        """
        seconds, apply, limit = worker.seconds, job.apply, job.split.length
        digest, skips = reading.digest, reading.skips
        if skips is not None and apply is not None:
            apply = skips.applying(apply)
        worker.turn("source")
        read = 0
        try:
            for item in items:
                if worker.first is None:
                    worker.first_byte()
                if apply is not None:
                    rows = item.num_rows
                    worker.turn("transform")
                    item = apply(item)  # noqa: PLW2901 - the mapped item takes its place
                    read += rows
                if skips is not None:
                    skips.forget_kept()
                elif digest is not None:
                    worker.turn("verify")
                    digest.update(item)
                before, size = worker.in_flight, item.nbytes
                # Bytes of the source where it says how many: batches in memory are larger than files.
                worker.in_flight = before + size if limit is None else min(limit, before + size)
                self._throttled(worker.in_flight - before, worker)
                worker.rows_in_flight += getattr(item, "num_rows", 0)
                # As ``turn``, which costs a call.
                now = perf_counter()
                seconds[worker.state] += now - worker.since
                worker.state, worker.since = "sink", now
                yield item
                now = perf_counter()
                seconds["sink"] += now - worker.since
                worker.state, worker.since = "source", now
                if skips is not None:
                    taken = skips.taken(item)
                    worker.rows_in_flight -= item.num_rows - taken.num_rows
                    if digest is not None:
                        digest.update(taken)
        except GeneratorExit:
            raise
        except BaseException as error:
            reading.failed = error
            if isinstance(error, DataError) and error.row is not None:
                error.place(read, job.split.index)
            raise
        reading.ended = True
        worker.turn("sink")

    def _throttled(self, size: int, worker: Worker) -> None:
        delay = self.throttle.delay(size)
        if delay:
            with worker.waits_for("throttle"):
                self.cancel.wait(delay)
        if self.cancel.is_set():
            raise CancelledError()


def _compare(job: Job, receipt: Receipt, rows: int) -> None:
    """A sink that says that it wrote more or less than it was given has lost something."""
    split = job.split
    if receipt.rows not in (None, rows):
        told = f"{receipt.rows:,} rows, and was given {rows:,}"
    elif job.schema is None and split.offset is not None and receipt.bytes != split.length:
        told = f"{receipt.bytes:,} bytes, and was given {split.length:,}"
    else:
        return
    error = InternalError(f"{split.unit}: the sink says that it has written {told} (split {split.index})")
    error.side = "sink"
    raise error
