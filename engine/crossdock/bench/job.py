"""``python -m crossdock.bench.job``: one copy in a process of its own, as a node carries its jobs.

Reads a JSON object from standard input (addresses may hold secrets, which belong on no command line) and
writes one: the report and the CPU time, or the error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Exit code 0, also for a copy that failed: the answer says so."""
    from ..cli.termination import Termination
    from ..errors import CancelledError, CrossdockError

    asked = json.load(sys.stdin)
    try:
        with Termination():
            answer = _copy(asked)
    except KeyboardInterrupt:
        answer = _failed(CancelledError())
    except CrossdockError as error:
        answer = _failed(error)
    json.dump(answer, sys.stdout, default=str)


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


def _failed(error: Any) -> dict[str, Any]:
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "detail": error.detail,
            "side": error.side,
        }
    }


if __name__ == "__main__":
    from ..__main__ import spare

    spare()
    main()
