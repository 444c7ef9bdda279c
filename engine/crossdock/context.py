"""What all parts of a run share: the request, both ends, the journal, and asking a connector safely."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from .carry import Carrier
from .classify import Classify, classified
from .errors import CancelledError, CrossdockError, TransientError
from .fencing import Fence, fence
from .files.folders import CopiedFolders
from .gate import NoGate
from .journal import Journal
from .mapping import Apply, ColumnMapping, compile_mapping
from .meter import Worker
from .request import CopyRequest, Resolved
from .retry import again, make_way, pause
from .run_log import RunLog
from .spi.data import Unit
from .spi.endpoints import Sink, Source
from .spi.spec import ConnectorSpec
from .spi.store import ObjectAttributes

KEPT_SCHEMAS = 1000
_OPEN = NoGate()
Result = TypeVar("Result")


@dataclass(eq=False, repr=False)
class Context:
    """One run in one process.

    ``parallel`` workers carry it, up to ``most_parallel`` where that helps (``crew``). ``mapping`` is that of
    the request as the sink needs it. ``handles`` are the units begun here and not finished. ``asking`` counts
    the retries of all calls outside of workers. ``attributes`` says what a unit's object gets beside its
    bytes, ``folders`` which folders are made when all files are there. ``notes`` are for the report.
    ``writers``: as many of one unit as the sink takes at once. ``taken_over``: somebody else may have
    committed units. ``kept``: what the sink knows of commits stays there until ``settle``.
    """

    run_id: str
    request: CopyRequest
    resolved: Resolved
    journal: Journal
    source: Source[Any]
    sink: Sink[Any]
    source_spec: ConnectorSpec
    sink_spec: ConnectorSpec
    carrier: Carrier
    parallel: int
    most_parallel: int
    cancel: threading.Event
    handles: dict[int, bytes] = field(default_factory=dict)
    writers: int = 0
    asking: Worker = field(default_factory=lambda: Worker("away"))
    attributes: Callable[[Unit], ObjectAttributes] | None = None
    folders: CopiedFolders | None = None
    notes: list[str] = field(default_factory=list)
    log: RunLog | None = None
    mapping: ColumnMapping | None = None
    fence: Fence = field(default_factory=fence)
    taken_over: bool = False
    kept: bool = False
    _working: threading.local = field(default_factory=threading.local)
    _schemas: dict[str, tuple[Any, Apply | None]] = field(default_factory=dict)

    def ask_source(self, call: Callable[[], Result]) -> Result:
        """Call the source's connector, again after its transient errors; errors come out classified."""
        return self._ask(call, self.source_spec.classify, "source")

    def ask_sink(self, call: Callable[[], Result]) -> Result:
        """Call the sink's connector, again after its transient errors; errors come out classified."""
        return self._ask(call, self.sink_spec.classify, "sink")

    def _ask(self, call: Callable[[], Result], classify: Classify, where: str) -> Result:
        worker: Worker | None = getattr(self._working, "worker", None)
        # Who is in no gate cannot make way.
        gate = self.carrier.gate if worker else _OPEN
        worker = worker or self.asking

        def attempt(number: int) -> Result:
            try:
                return call()
            except Exception as error:
                raise classified(error, classify, where) from error

        began = monotonic()
        try:
            make_way(gate, worker, self.cancel)
            return attempt(1)
        except TransientError as error:
            # One of the other side, asked within this call, has been tried again already.
            if error.side != where:
                raise
            gate.failed(error, began)
            pause(error, 1, self.cancel, worker, gate)
        return again(attempt, self.cancel, worker, gate, first=2)

    @contextmanager
    def working(self, worker: Worker) -> Iterator[None]:
        """This thread works for that worker, within the gate."""
        if not self.carrier.gate.try_enter():
            with worker.held_back():
                self.carrier.gate.enter(self.cancel)
        self._working.worker = worker
        try:
            yield
        finally:
            self._working.worker = None
            self.carrier.gate.leave()

    def given_attributes(self, unit: Unit) -> ObjectAttributes | None:
        give = self.attributes
        return None if give is None else self.ask_source(lambda: give(unit))

    def mapped(self, unit: Unit) -> tuple[Any, Apply | None]:
        """The mapped schema of a unit and what maps its batches; (None, None) for bytes."""
        if self.resolved.payload == "binary":
            return None, None
        known = self._schemas.get(unit.name)
        if known is None:
            schema = self.ask_source(lambda: self.source.schema(unit))
            known = compile_mapping(schema, self.mapping, unit.name, self.notes)
            if len(self._schemas) < KEPT_SCHEMAS:
                self._schemas[unit.name] = known
        return known

    def stop_if_cancelled(self) -> None:
        if self.cancel.is_set():
            raise CancelledError()


_SKIPPED = {"NotFound": "missing", "AccessDenied": "forbidden", "SourceChanged": "inconsistent"}


def may_be_skipped(error: CrossdockError, reasons: Container[str]) -> bool:
    """Whether a listed object that cannot be read is left out: it has vanished, say (``--skip-files``)."""
    return error.side == "source" and _SKIPPED.get(error.code) in reasons
