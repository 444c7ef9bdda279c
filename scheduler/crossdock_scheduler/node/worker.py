"""The child process that carries out one job: ``python -m crossdock_scheduler.node.worker``.

It reads one JSON object from its standard input: the work. It writes JSON objects to its standard output, one
a line: ``{"progress": ...}`` now and then, at the end ``{"outcome": ..., "result": ...}``. SIGTERM cancels.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import Any

from crossdock import CancelledError, redacted

from ..pipeline.activity_types import activity_types
from ..pipeline.policy import Policy
from ..pipeline.run.failure import problem_of
from ..pipeline.run.shipping import unpacked


def main() -> None:
    # What drivers print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    cancel, lock = threading.Event(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: cancel.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(message: dict[str, Any]) -> None:
        with lock:
            answers.write(json.dumps(message) + "\n")

    say(_done(json.loads(sys.stdin.readline()), cancel, say))


def _done(message: dict[str, Any], cancel: threading.Event, say: Any) -> dict[str, Any]:
    name = ""
    try:
        policy = Policy(**message["policy"])
        attempt = replace(
            unpacked(message["work"], policy), cancel=cancel, progress=lambda made: say({"progress": made})
        )
        name = attempt.activity.name
        output = activity_types()[attempt.activity.type.lower()].run(attempt)
    except CancelledError as error:
        return {"outcome": "cancelled", "result": {"error": problem_of(error, name).as_json()}}
    except Exception as error:  # noqa: BLE001 - whatever it is ends the job, and is told
        problem = problem_of(error, name).as_json()
        return {"outcome": "failed", "result": {"error": problem | {"message": redacted(problem["message"])}}}
    return {"outcome": "succeeded", "result": {"output": dict(output)}}


if __name__ == "__main__":
    main()
