"""Child processes that carry splits: for connectors that hold the interpreter lock while they work.

The parent writes one JSON line per job to the child's standard input and reads JSON lines from its
standard output: progress, then a receipt or an error. Where bandwidth is limited the child asks
before each item, so that all children share one limit. Nothing secret is on the command line. A
child ends when its input does, so none outlives its parent; one that crashes costs one attempt.
Parent and child say their version of the protocol first: an installation may be replaced while a run goes on.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, Any

from . import errors
from .carry import Carrier, Job
from .classify import classified
from .errors import CancelledError, CrossdockError, InternalError, TransientError
from .files.tabular import packed, unpacked
from .limits import MemoryBudget, NoThrottle
from .mapping import Apply, ColumnMapping, compile_mapping
from .meter import Worker
from .plugins import registry
from .redact import secret_variables
from .request import Resolved
from .skips import Line, Lines
from .spi.data import Attempt, Receipt, Split

PROTOCOL = 3
_ERRORS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CrossdockError)
}


class ChildPool:
    """Lends each attempt a child; children are started when needed and reused."""

    def __init__(
        self,
        resolved: Resolved,
        mapping: ColumnMapping | None,
        cancel: threading.Event,
        *,
        logged: bool = False,
    ) -> None:
        columns = None if mapping is None else mapping.dump()
        self._hello = {
            "protocol": PROTOCOL, "resolved": resolved.dump(), "map": columns, "logged": logged,
        }  # fmt: skip
        self._cancel = cancel
        self._idle: list[subprocess.Popen[str]] = []
        self._known: set[subprocess.Popen[str]] = set()
        self._all: list[subprocess.Popen[str]] = []
        self._mutex = threading.Lock()

    def attempt(
        self,
        job: Job,
        attempt: Attempt,
        worker: Worker,
        pace: Callable[[int, Worker], None] | None = None,
        lines: Lines | None = None,
    ) -> tuple[Receipt, str]:
        """Carry one attempt in a child. A child that dies is a TransientError: the split is tried again.

        ``pace`` waits until that many bytes may pass (None: they may). ``lines`` is told the rows left out.
        """
        child, ended = self._take(), threading.Event()
        threading.Thread(target=self._kill_when_cancelled, args=(child, ended), daemon=True).start()
        answer = None
        try:
            _send(child.stdin, _pack(job, attempt) | {"paced": pace is not None})
            tell = None if lines is None else partial(lines.add_lines, job.seq, job.split.index)
            with worker.waits_for("source"):
                answer = self._answer(child, worker, pace, tell)
        finally:
            ended.set()
            self._give_back(child, alive=answer is not None)
        if answer is None:
            if self._cancel.is_set():
                raise CancelledError()
            raise TransientError(
                f"the process that carried {job.split.unit} ended with status {child.returncode}"
            )
        if isinstance(answer, CrossdockError):
            raise answer
        return answer

    def _answer(
        self,
        child: subprocess.Popen[str],
        worker: Worker,
        pace: Callable[[int, Worker], None] | None,
        tell: Callable[[Sequence[Line]], None] | None,
    ) -> tuple[Receipt, str] | CrossdockError | None:
        """What becomes of the job; None when the child has died."""
        for answer in _answers(child):
            if child not in self._known:
                if refusal := _other_protocol(answer.get("protocol")):
                    return refusal
                self._known.add(child)
            elif "progress" in answer:
                worker.in_flight, worker.rows_in_flight = answer["progress"]
                if worker.first is None and worker.in_flight:
                    worker.first_byte()
            elif "asks" in answer:
                if pace is not None:
                    pace(answer["asks"], worker)
                _send(child.stdin, {"go": True})
            elif "lines" in answer:
                if tell is not None:
                    tell([Line(*line) for line in answer["lines"]])
            elif "error" in answer:
                return _unpack_error(answer["error"])
            else:
                token, items, size, rows, visible, skipped, digest, *carried = answer["receipt"]
                worker.in_flight, worker.rows_in_flight = carried
                worker.spent(answer["seconds"])
                return Receipt(b64decode(token), items, size, rows, visible, skipped), digest
        return None

    def _kill_when_cancelled(self, child: subprocess.Popen[str], ended: threading.Event) -> None:
        while not ended.wait(0.1):
            if self._cancel.is_set():
                child.kill()
                return

    def _take(self) -> subprocess.Popen[str]:
        with self._mutex:
            child = self._idle.pop() if self._idle else None
        if child is None or child.poll() is not None:
            child = self._start()
        return child

    def _give_back(self, child: subprocess.Popen[str], *, alive: bool) -> None:
        if alive:
            with self._mutex:
                self._idle.append(child)
        else:
            # It may be waiting for a word from here, or have an answer left to give.
            child.kill()
            child.wait()

    def _start(self) -> subprocess.Popen[str]:
        secret = secret_variables(os.environ)
        child = subprocess.Popen(
            [sys.executable, "-m", "crossdock.worker"],
            env={name: value for name, value in os.environ.items() if name not in secret},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        _send(child.stdin, self._hello | {"environment": secret})
        with self._mutex:
            self._all.append(child)
        return child

    def close(self) -> None:
        """End all children. May be called twice."""
        with self._mutex:
            children, self._all, self._idle = self._all, [], []
            self._known.clear()
        for child in children:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _answers(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    for line in child.stdout:
        # A child that is killed may leave half a line.
        if not line.endswith("\n"):
            return
        yield json.loads(line)


def _send(pipe: IO[str] | None, message: dict[str, Any]) -> None:
    assert pipe is not None  # noqa: S101 - it is a pipe
    # A child that has died is noticed where its answer is read.
    with suppress(BrokenPipeError):
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()


def _other_protocol(theirs: Any) -> InternalError | None:
    """What is wrong with the version that the other process says."""
    if theirs == PROTOCOL:
        return None
    return InternalError(
        f"crossdock was replaced by another version while the run went on (its processes speak protocol "
        f"{theirs or 'none'} and {PROTOCOL})",
        hint="resume the run with the version that is installed now",
    )


def _pack(job: Job, attempt: Attempt) -> dict[str, Any]:
    split = job.split
    return {
        "split": [
            split.unit, split.index, b64encode(split.token).decode(),
            split.weight, split.offset, split.length, split.memory,
        ],
        "handle": b64encode(job.handle).decode(),
        "attempt": [attempt.run_id, attempt.number],
        "read_ahead": job.read_ahead,
        "digest": None if job.digest is None else [job.digest.share, job.digest.length],
        "schema": None if job.schema is None else packed(job.schema),
        "skip_rows": job.skip_rows,
    }  # fmt: skip


def _pack_error(error: CrossdockError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "detail": error.detail,
        "hint": error.hint,
        "side": error.side,
        "retry_after": getattr(error, "retry_after", None),
        "first_wait": getattr(error, "first_wait", 0.0),
    }


def _unpack_error(fields: dict[str, Any]) -> CrossdockError:
    kind = _ERRORS.get(fields["code"], InternalError)
    error = kind(fields["message"], detail=fields["detail"], hint=fields["hint"])
    error.side = fields["side"]
    if isinstance(error, TransientError):
        error.retry_after, error.first_wait = fields["retry_after"], fields["first_wait"]
    return error


# -- the child ------------------------------------------------------------------------------------


class _Child:
    """Answers jobs until its input ends."""

    def __init__(self, hello: dict[str, Any], out: IO[str]) -> None:
        from .credentials import know_resolved
        from .opening import open_sink, open_source

        if refusal := _other_protocol(hello.get("protocol")):
            raise refusal
        resolved, plugins = Resolved.load(hello["resolved"]), registry()
        know_resolved(resolved)
        self.mapping, self.out = hello["map"] and ColumnMapping.load(hello["map"]), out
        self.paced = _ParentsThrottle(self.send)
        self._mutex = threading.Lock()
        self.carrier = Carrier(
            open_source(resolved),
            open_sink(resolved),
            plugins.by_name(resolved.source.connector).classify,
            plugins.by_name(resolved.sink.connector).classify,
            # The parent has reserved the memory.
            MemoryBudget(1 << 62),
            NoThrottle(),
            threading.Event(),
            "",
            0,
            lines=self,
            logged=hello["logged"],
        )

    def send(self, message: dict[str, Any]) -> None:
        with self._mutex:
            _send(self.out, message)

    def answer(self, message: dict[str, Any]) -> None:
        unit, index, token, weight, offset, length, memory = message["split"]
        split = Split(unit, index, b64decode(token), weight, offset, length, memory)
        worker, ended = Worker(), threading.Event()
        reporter = threading.Thread(target=self._report, args=(worker, ended), daemon=True)
        reporter.start()
        try:
            self.carrier.throttle = self.paced if message["paced"] else NoThrottle()
            receipt, digest = self.carrier.attempt(
                self._job(split, message), Attempt(*message["attempt"]), worker
            )
            fields = [
                b64encode(receipt.token).decode(),
                receipt.items,
                receipt.bytes,
                receipt.rows,
                receipt.visible,
                receipt.skipped,
                digest,
                worker.in_flight,
                worker.rows_in_flight,
            ]
            worker.turn("away")
            reply: dict[str, Any] = {"receipt": fields, "seconds": worker.seconds}
        except Exception as error:  # noqa: BLE001 - the parent decides
            reply = _failure(error)
        finally:
            ended.set()
            reporter.join()
        self.send(reply)

    def _job(self, split: Split, message: dict[str, Any]) -> Job:
        from .digest_split import Digesting

        schema = None if message["schema"] is None else unpacked(message["schema"])
        digest = None if message["digest"] is None else Digesting(schema, *message["digest"])
        apply = _map_by_first_batch(self.mapping, split.unit) if self.mapping else None
        return Job(
            split, b64decode(message["handle"]), apply, 0, message["read_ahead"], digest, schema,
            skip_rows=message["skip_rows"],
        )  # fmt: skip

    def add_lines(self, seq: int, index: int, lines: Sequence[Line]) -> None:
        self.send({"lines": lines})

    def drop_lines(self, seq: int, index: int) -> None:
        """The parent does, when it has seen the error."""

    def _report(self, worker: Worker, ended: threading.Event) -> None:
        while not ended.wait(0.2):
            self.send({"progress": [worker.in_flight, worker.rows_in_flight]})


class _ParentsThrottle(NoThrottle):
    """Asks the parent, which waits before it answers."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._send = send
        self.go: queue.SimpleQueue[None] = queue.SimpleQueue()

    def delay(self, amount: int) -> float:
        self._send({"asks": amount})
        self.go.get()
        return 0.0


def _failure(error: Exception) -> dict[str, Any]:
    return {"error": _pack_error(classified(error, lambda _: None, "engine"))}


def _map_by_first_batch(mapping: ColumnMapping, unit: str) -> Apply:
    """The mapping, compiled from the first batch: asking for the schema again would cost a round trip."""
    compiled: list[Apply | None] = []

    def apply(batch: Any) -> Any:
        if not compiled:
            compiled.append(compile_mapping(batch.schema, mapping, unit)[1])
        return compiled[0](batch) if compiled[0] else batch

    return apply


def main() -> None:
    """Entry point of a child process."""
    # Ctrl-C reaches the whole group; it is the parent that decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Drivers and plugins may print; standard output is the protocol's alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    hello = json.loads(sys.stdin.readline())
    os.environ.update(hello.get("environment", {}))
    _send(out, {"protocol": PROTOCOL})
    child: _Child | None = None
    try:
        child = _Child(hello, out)
    except Exception as error:  # noqa: BLE001 - the parent decides
        refusal = _failure(error)
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "go" not in message:
                jobs.put(message)
            elif child is not None:
                child.paced.go.put(None)
        # The parent has gone or wants us gone, also in the middle of a driver's call.
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        job = jobs.get()
        if child is None:
            _send(out, refusal)
        else:
            child.answer(job)


if __name__ == "__main__":
    main()
