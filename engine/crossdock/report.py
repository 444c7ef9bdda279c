"""What a run says about itself: a snapshot while it goes on, a result at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from .breakdown import breakdown
from .spi.record import record

WORTH_A_TIP = 10.0
Phase = Literal["planning", "copying", "done"]
Payload = Literal["binary", "tabular"]


def camel(name: str) -> str:
    """``splits_done`` as ``splitsDone``: JSON has Data Factory's way of writing names."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


@record(slots=True)
class Snapshot:
    """A run at one moment, for progress displays. Totals are None until planning has ended.

    ``waiting`` counts the workers by what each does or waits for (``DOINGS``): ``source``, ``sink``,
    ``budget`` (memory), ``throttle`` (bandwidth or a retry), ``queue`` (nothing to do).
    """

    run_id: str
    phase: Phase
    payload: Payload
    elapsed: float
    units_done: int
    units_total: int | None
    bytes_done: int
    bytes_total: int | None
    rows_done: int
    parallel: int
    waiting: dict[str, int]
    note: str = ""


@record(slots=True)
class Side:
    """One end of the copy: the connector's name, its format where it has one, the address without secrets."""

    connector: str
    format: str
    url: str


@dataclass(slots=True)
class CopyResult:
    """The outcome of a run. Bytes are bytes, durations seconds; rows are None for a binary copy.

    ``splits_skipped`` and ``bytes_skipped`` are what a resumed run found done; the throughput is of the rest,
    and ``duration`` that of this process. ``opening``, ``planning`` and ``copying`` are parts of it: until
    both ends were open, until all was listed (``opening`` included), and while workers worked. ``first_byte``
    is when the first of them had something to write, since they began. ``cpu`` are the CPU seconds of this
    process and of children that have ended, on so many ``cores`` (0: too short to ask). ``parallel_copies``
    is how many worked at the same time. ``parallel_asked`` is how many were asked for (0: auto);
    ``bulk_load``: the sink can load staged files by itself. ``tuning`` are the decisions about how many work:
    when (seconds since the run began), from, to, why, and the rate that was measured before. ``timeline`` has
    what they did meanwhile (``Timeline``). ``seconds`` sums what all of them spent on each thing
    (``DOINGS``). ``throttled`` counts the calls that a server refused because there were too many,
    ``throttled_seconds`` what all workers together waited for that, ``retried_seconds`` what they waited
    before other tries. ``verification`` says how a verified copy was: of ``bytes`` and ``values`` either
    ``all``, or of the values a ``sample`` of so many ``rows`` from so many ``splits``. ``plan`` is what a dry
    run found (``rehearsal``). ``stage`` is where a staged copy went by, and ``hops`` are its two runs; the
    figures are then those of both. ``log`` is the folder of the log.
    """

    run_id: str
    status: Literal["Succeeded", "Planned"]
    payload: Payload
    source: Side
    sink: Side
    started: datetime
    duration: float = 0.0
    opening: float = 0.0
    planning: float = 0.0
    copying: float = 0.0
    first_byte: float | None = None
    cpu: float = 0.0
    cores: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    bytes_skipped: int = 0
    files_read: int = 0
    files_written: int = 0
    files_skipped: int = 0
    rows_read: int | None = None
    rows_copied: int | None = None
    rows_skipped: int = 0
    parallel_copies: int = 1
    parallel_asked: int = 0
    writers: int = 0
    bulk_load: bool = False
    peak_memory: int = 0
    splits_done: int = 0
    splits_skipped: int = 0
    retries: int = 0
    throttled: int = 0
    throttled_seconds: float = 0.0
    retried_seconds: float = 0.0
    verified: bool | None = None
    verification: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tuning: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    stage: str = ""
    hops: tuple[CopyResult, ...] = ()
    log: str = ""

    @property
    def exit_code(self) -> int:
        """0 done; 3 done with rows or files skipped."""
        return 3 if self.files_skipped or self.rows_skipped else 0

    def _repr_html_(self) -> str:
        """The summary as a table, for notebooks."""
        from .notebook import as_html

        return as_html(self)

    def output(self) -> dict[str, Any]:
        """The result under the names of Data Factory's copy activity output, and our own additions.

        Units as there: ``copyDuration`` in whole seconds, ``throughput`` in KB/s; rows are
        absent from a binary copy. Additions: ``runId``, ``status``, ``crossdock``.
        """
        out: dict[str, Any] = {
            "runId": self.run_id,
            "status": self.status,
            "dataRead": self.bytes_read,
            "dataWritten": self.bytes_written,
            "copyDuration": round(self.duration),
            "throughput": round((self.bytes_read - self.bytes_skipped) / 1024 / max(self.duration, 0.001), 3),
            "usedParallelCopies": self.parallel_copies,
            "sourcePeakConnections": self.parallel_copies,
            "sinkPeakConnections": self.parallel_copies,
            "errors": [],
            "dataConsistencyVerification": self._consistency(),
            "executionDetails": [hop._execution() for hop in self.hops or (self,)],
        }
        out |= self._files()
        if self.log:
            out["logFilePath"] = self.log
        if self.rows_copied is not None:
            out |= {
                "rowsRead": self.rows_read,
                "rowsCopied": self.rows_copied,
                "rowsSkipped": self.rows_skipped,
            }
        if tips := self.tips():
            out["perfRecommendation"] = tips
        own = asdict(self)
        out["crossdock"] = {
            camel(key): own[key]
            for key in (
                "payload", "duration", "bytes_skipped", "peak_memory", "splits_done", "splits_skipped",
                "retries", "throttled", "throttled_seconds", "retried_seconds", "cpu", "cores",
                "verification", "seconds", "tuning", "notes", "skipped",
            )
        }  # fmt: skip
        if self.plan is not None:
            out["crossdock"]["plan"] = self.plan
        if self.stage:
            out["crossdock"]["stage"] = self.stage
            out["crossdock"]["hops"] = [hop.output() for hop in self.hops]
        return out

    def tips(self) -> list[dict[str, str]]:
        """What would make it faster, in the form of Data Factory's ``perfRecommendation``."""
        if self.duration < WORTH_A_TIP or self.status != "Succeeded":
            return []
        from .tips import recommendations  # late: most copies are over before

        return recommendations(self)

    def _files(self) -> dict[str, int]:
        """The counts of those ends that have files."""
        read, written = (self.payload == "binary" or bool(end.format) for end in (self.source, self.sink))
        found = {"filesRead": self.files_read} if read else {}
        found |= {"filesWritten": self.files_written} if written else {}
        return found | ({"filesSkipped": self.files_skipped} if read or written else {})

    def _consistency(self) -> dict[str, str]:
        if not self.verified:
            return {"VerificationResult": "NotVerified"}
        inconsistent = "Skipped" if self.files_skipped or self.rows_skipped else "None"
        return {"VerificationResult": "Verified", "InconsistentData": inconsistent}

    def _execution(self) -> dict[str, Any]:
        # It waits for nobody; listing is a part of what Data Factory calls the transfer.
        queue, transfer = 0, round(self.duration)
        source, sink, parts = self.source.connector, self.sink.connector, breakdown(self)
        listing = {"listingSource": {"type": source, "workingDuration": round(self.planning)}}
        files = "filesRead" in self._files()
        first = {} if files or self.first_byte is None else {"timeToFirstByte": round(self.first_byte)}
        details = (listing if files else {}) | {
            "readingFromSource": {"type": source, "workingDuration": round(parts["reading"])},
            "writingToSink": {"type": sink, "workingDuration": round(parts["writing"])},
        }
        return {
            "source": {"type": source},
            "sink": {"type": sink, "throttlingErrors": self.throttled},
            "status": self.status,
            "start": self.started.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "duration": round(self.duration),
            "usedParallelCopies": self.parallel_copies,
            "profile": {
                "queue": {"status": "Completed", "duration": queue},
                "transfer": {"status": "Completed", "duration": transfer, "details": details},
            },
            "detailedDurations": {"queuingDuration": queue} | first | {"transferDuration": transfer},
            "crossdock": {"duration": round(self.duration, 3), "breakdown": parts},
        }


@record(slots=True)
class RunInfo:
    """A run as its journal has it."""

    run_id: str
    state: Literal["running", "interrupted", "failed", "succeeded", "unreadable"]
    created: datetime
    source: str
    sink: str
    units_done: int
    units_total: int
    splits_done: int
    splits_total: int
    bytes_done: int
    rows_done: int | None
    error: str
    output: dict[str, Any] | None
    units_visible: int = 0
    timeline: list[dict[str, Any]] | None = None
