"""The child process that carries out one job: ``python -m crossdock_scheduler.node.worker``.

It reads JSON objects from its standard input, one a line: the work, then ``{"confirmed": ...}`` whenever the
service has confirmed that the job is this node's, and ``{"known": true}`` when the service knows its end. It
writes such objects to its standard output: now and then ``{"progress": ...}``, ``{"confirm": true}`` where it
has to know now, at the end ``{"outcome": ..., "result": ...}``. A job that was given up because its lease had
run out is ``lost``. What is kept for whoever would do the job again is removed when the end is known. SIGTERM
cancels, and so does the end of the input. Work with a ``look`` is of no pipeline: somebody waits for what a
store or a database has, and it changes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from crossdock import CancelledError, redacted
from crossdock.fencing import fenced

from .. import telemetry
from ..pipeline.activity_types import ActivityType, Attempt, activity_types
from ..pipeline.looking import looked
from ..pipeline.policy import Policy
from ..pipeline.run.failure import ActivityFailed, problem_of
from ..pipeline.run.shipping import unpacked
from .caps import cap, no_core
from .lease import Lease
from .proxy import put

# Seconds for which the last traces may hold up the end.
_FLUSH = 2.0
_CHUNK = 1 << 20
_LOST = (
    "the node that had begun it was lost, and nobody knows whether it was done; it is not done again by "
    "itself: look at what it has changed, or give its policy a retry"
)


def main() -> None:
    # What drivers print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    cancel, lock = threading.Event(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: cancel.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(message: dict[str, Any]) -> None:
        with lock:
            answers.write(line(message))
            answers.flush()

    heard = _lines()
    work = json.loads(next(heard))
    # Started anew, it does not have from the agent that it leaves no core.
    no_core(watched=not work["policy"].get("private", True))
    cap(**work["caps"])
    seconds, confirmed = work["lease"]
    put(work["environment"])
    lease = Lease(seconds, confirmed, lambda: say({"confirm": True}))
    known: SimpleQueue[bool] = SimpleQueue()
    threading.Thread(target=_hear, args=(heard, lease, cancel, known), daemon=True).start()
    if "look" in work["work"]:
        # Nothing has to be put in order before the end.
        threading.Thread(target=_end_when, args=(cancel,), daemon=True).start()
    if work["policy"].get("private", True):
        # Held to public addresses, it would be refused the collector; the agent's span is there all the same.
        telemetry.start("crossdock-node")
    job = _Job(work, cancel, say)
    with (
        telemetry.span("worker", work["work"].get("trace", "")) as span,
        fenced(lease.check, work["epoch"]),
    ):
        said = job.done()
        if said["outcome"] != "succeeded":
            span.failed(said["result"]["error"]["errorCode"])
            if lease.given_up:
                said |= {"outcome": "lost"}
    say(said)
    # What is left of a job that is another node's by now is that node's.
    if (said["outcome"] == "succeeded" or not lease.is_over()) and known.get():
        job.settle()
    telemetry.finish(_FLUSH)


def line(message: Mapping[str, Any]) -> bytes:
    """What the agent can send on: names that are no text, and halves of a character, are none in JSON."""
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _lines() -> Iterator[bytes]:
    """Of standard input, without a buffer of Python's: its lock would be held when the process ends."""
    rest = b""
    while chunk := os.read(0, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _hear(heard: Iterator[bytes], lease: Lease, cancel: threading.Event, known: SimpleQueue[bool]) -> None:
    for line in heard:
        said = json.loads(line)
        if "known" in said:
            known.put(True)
        else:
            lease.confirm(said["confirmed"], said["lease"])
    # The agent is gone: nobody would hear how it ended.
    cancel.set()
    known.put(False)


def _end_when(cancel: threading.Event) -> None:
    cancel.wait()
    os._exit(1)


@dataclass
class _Job:
    message: dict[str, Any]
    cancel: threading.Event
    say: Callable[[dict[str, Any]], None]
    _attempt: Attempt | None = None

    def done(self) -> dict[str, Any]:
        """How it ended, for the agent."""
        name = ""
        try:
            policy = Policy(**self.message["policy"], looks_up=True)
            if "look" in self.message["work"]:
                return {"outcome": "succeeded", "result": {"output": looked(self.message["work"], policy)}}
            attempt = replace(
                unpacked(self.message["work"], policy),
                cancel=self.cancel,
                progress=lambda made: self.say({"progress": made}),
            )
            name, kind = attempt.activity.name, _type_of(attempt)
            telemetry.current().call(f"{attempt.activity.type} {name} on the node")
            if self.message["epoch"] > 1 and not kind.repeats(attempt):
                raise ActivityFailed("NodeLost", _LOST, "SystemError")
            self._attempt = attempt
            output = kind.run(attempt)
        except CancelledError as error:
            return {"outcome": "cancelled", "result": {"error": problem_of(error, name).as_json()}}
        except Exception as error:  # noqa: BLE001 - whatever it is ends the job, and is told
            problem = problem_of(error, name).as_json()
            return {
                "outcome": "failed",
                "result": {"error": problem | {"message": redacted(problem["message"])}},
            }
        return {"outcome": "succeeded", "result": {"output": dict(output)}}

    def settle(self) -> None:
        if self._attempt is not None:
            _type_of(self._attempt).settle(self._attempt)


def _type_of(attempt: Attempt) -> ActivityType:
    return activity_types()[attempt.activity.type.lower()]


if __name__ == "__main__":
    main()
