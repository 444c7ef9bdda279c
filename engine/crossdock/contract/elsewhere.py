"""Running a function in a fresh interpreter, as a resumed run or another machine would."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

_BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from crossdock.contract.elsewhere import main; main()"
)
_LIMIT = 100.0


def elsewhere(function: Callable[..., Any], *args: object) -> Any:
    """Call ``function(*args)`` in another process; returns its result or raises its exception.

    Nothing but the pickled arguments crosses. Spec factories are found by their module and name.
    """
    try:
        job = pickle.dumps((function, args))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"another process cannot find the connector: its factories must be module-level ({error})"
        ) from error
    done = subprocess.run(
        [sys.executable, "-c", _BOOT],
        input=pickle.dumps(sys.path) + job,
        capture_output=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"the other process died:\n{done.stderr.decode(errors='replace')}")
    kind, value = pickle.loads(done.stdout)  # noqa: S301 - our own child wrote it
    if kind == "error":
        raise value
    return value


def main() -> None:
    """The other process: one job from stdin, its outcome to stdout."""
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    function, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    try:
        outcome = ("value", function(*args))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        outcome = ("error", error)
    out.write(pickle.dumps(outcome))
    out.flush()
