"""Runs a program to its end, with the end of what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress

from crossdock import CancelledError, ConfigError, CrossdockError, NotFoundError, UserError
from crossdock.redact import redacted, secret_variables

_LINES, _WIDTH = 200, 1000
_POLL, _GRACE = 0.1, 5.0
# What dtexec's exit codes mean.
_MEANING: dict[int, tuple[type[CrossdockError], str]] = {
    1: (UserError, "the package failed"),
    3: (UserError, "the package was cancelled"),
    4: (NotFoundError, "dtexec does not find the package"),
    5: (UserError, "dtexec cannot load the package"),
    6: (ConfigError, "dtexec does not understand its options"),
}


def ran(command: list[str], cancel: threading.Event) -> str:
    """The end of its output. Raises an error for another exit code than 0, CancelledError after its end."""
    # Secrets for connectors are none of a package's business.
    secret = secret_variables(os.environ)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CROSSDOCK_") and name not in secret
    }
    try:
        process = subprocess.Popen(
            [each for each in command if each], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=kept, start_new_session=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be started: {error.strerror}") from error
    lines: deque[str] = deque(maxlen=_LINES)
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL)
            break
        if cancel.is_set():
            _end(process)
            reader.join(_GRACE)
            raise CancelledError
    reader.join(_GRACE)
    log = redacted("".join(lines))
    if process.returncode:
        kind, what = _MEANING.get(process.returncode, (UserError, f"dtexec ended with {process.returncode}"))
        last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it says nothing")
        raise kind(f"{what} (exit code {process.returncode}): {last}", detail=log)
    return log


def _read(process: subprocess.Popen[str], lines: deque[str]) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe
    with process.stdout as output:
        while line := output.readline(_WIDTH):
            lines.append(line)


def _end(process: subprocess.Popen[str]) -> None:
    """The program and those that it started."""
    for how in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, how)
            else:
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
