"""``python -m crossdock.bench.job``: one copy in a process of its own, as a node carries its jobs.

Reads a JSON object from standard input (addresses may hold secrets, which belong on no command line) and
writes one: the report and the CPU time, or the error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Exit code 0, also for a copy that failed: the answer says so."""
    from ..cli.termination import Termination
    from ..error_wire import pack_error
    from ..errors import CancelledError, CrossdockError
    from ..parent import end_with

    # Drivers and plugins may print; standard output is the answer's alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    try:
        with Termination():
            end_with(asked["parent"], signal.SIGTERM)
            answer = _copy(asked)
    except KeyboardInterrupt:
        answer = {"error": pack_error(CancelledError())}
    except CrossdockError as error:
        answer = {"error": pack_error(error)}
    with out:
        json.dump(answer, out, default=str)


def _copy(asked: dict[str, Any]) -> dict[str, Any]:
    from .. import api
    from ..usage import cpu_seconds

    before = cpu_seconds()
    result = api.copy(
        asked["source"], asked["sink"], **asked["options"], run_id=asked["run_id"], home=Path(asked["home"])
    )
    return {
        "report": result.output(),
        "started": result.started.timestamp(),
        "seconds": result.duration,
        "cpu": cpu_seconds() - before,
    }


if __name__ == "__main__":
    from ..__main__ import spare

    spare()
    main()
