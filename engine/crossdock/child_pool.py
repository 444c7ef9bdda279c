"""The child processes of a run: lent to attempts, watched, held to their caps, replaced when they end.

The parent writes one JSON line per job to the child's standard input and reads JSON lines from its
standard output: progress, then a receipt or an error. Where bandwidth is limited the child asks
before each item, so that all children share one limit. Nothing secret is on the command line. A
child ends when its input does, so none outlives its parent; one that crashes costs one attempt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from .carry import Job
from .error_wire import unpack_error
from .errors import CancelledError, CrossdockError, TransientError
from .files.tabular import packed
from .isolation import Caps, Watch
from .mapping import ColumnMapping
from .meter import Worker
from .redact import secret_variables
from .request import Resolved
from .skips import Line, Lines
from .spi.data import Attempt, Receipt
from .worker import PROTOCOL, other_protocol, send


class ChildPool:
    """Lends each attempt a child; children are started when needed and reused."""

    def __init__(
        self,
        resolved: Resolved,
        mapping: ColumnMapping | None,
        cancel: threading.Event,
        *,
        logged: bool = False,
        caps: Caps | None = None,
    ) -> None:
        columns = None if mapping is None else mapping.dump()
        self._caps = caps or Caps()
        self._hello = {
            "protocol": PROTOCOL, "resolved": resolved.dump(), "map": columns, "logged": logged,
            "caps": self._caps.dump(),
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
        child, ended, watch = self._take(), threading.Event(), Watch(self._caps.silence)
        threading.Thread(target=self._look_after, args=(child, ended, watch, worker), daemon=True).start()
        answer = None
        try:
            send(child.stdin, _pack(job, attempt) | {"paced": pace is not None})
            tell = None if lines is None else partial(lines.add_lines, job.seq, job.split.index)
            with worker.waits_for("source"):
                answer = self._answer(child, worker, pace, tell, watch)
        finally:
            ended.set()
            self._give_back(child, alive=answer is not None)
        if answer is None:
            if self._cancel.is_set():
                raise CancelledError()
            raise self._lost(job, child, watch)
        if isinstance(answer, CrossdockError):
            raise answer
        return answer

    def _lost(self, job: Job, child: subprocess.Popen[str], watch: Watch) -> TransientError:
        why = f"ended with status {child.returncode}"
        if reason := watch.reason or self._caps.refusal(child.returncode):
            why = f"was ended: {reason}"
        return TransientError(f"the process that carried {job.split.unit} {why}")

    def _answer(
        self,
        child: subprocess.Popen[str],
        worker: Worker,
        pace: Callable[[int, Worker], None] | None,
        tell: Callable[[Sequence[Line]], None] | None,
        watch: Watch,
    ) -> tuple[Receipt, str] | CrossdockError | None:
        """What becomes of the job; None when the child has died."""
        for answer in _answers(child):
            if child not in self._known:
                if refusal := other_protocol(answer.get("protocol")):
                    return refusal
                self._known.add(child)
            elif "progress" in answer:
                watch.begins()
                worker.in_flight, worker.rows_in_flight = answer["progress"]
                if worker.first is None and worker.in_flight:
                    worker.first_byte()
            elif "asks" in answer:
                if pace is not None:
                    pace(answer["asks"], worker)
                send(child.stdin, {"go": True})
            elif "lines" in answer:
                if tell is not None:
                    tell([Line(*line) for line in answer["lines"]])
            elif "error" in answer:
                if answer.get("spent"):
                    child.kill()
                    child.wait()
                return unpack_error(answer["error"])
            else:
                token, items, size, rows, visible, skipped, digest, *carried = answer["receipt"]
                worker.in_flight, worker.rows_in_flight = carried
                worker.spent(answer["seconds"])
                return Receipt(b64decode(token), items, size, rows, visible, skipped), digest
        return None

    def _look_after(
        self, child: subprocess.Popen[str], ended: threading.Event, watch: Watch, worker: Worker
    ) -> None:
        """End the child when the run is cancelled, or when nothing comes of it."""
        while not ended.wait(0.1):
            if self._cancel.is_set() or watch.silent(worker):
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
        send(child.stdin, self._hello | {"environment": secret})
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
