"""Updates of a node by a command that its operator has given: ``update.json`` in the state folder.

The service says when it is the node's turn; what is run is never the service's.
"""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import crossdock
from crossdock import ConfigError, redacted

from .keeping import write

_LOG = logging.getLogger(__name__)
_FILE = "update.json"
_LONGEST, _SOON = 1800.0, 60.0


@dataclass(frozen=True, slots=True)
class Updates:
    """``back`` is run where ``command`` has failed. ``failed`` is the version that it did not lead to."""

    on: bool = False
    command: str = ""
    back: str = ""
    failed: str = ""

    def wish(self, latest: str) -> Literal["no", "wanted", "failed"]:
        """What a heartbeat says, where ``latest`` is the version of the service."""
        if not (self.on and self.command) or latest in {"", crossdock.__version__}:
            return "no"
        return "failed" if self.failed == latest else "wanted"


def updates(folder: Path) -> Updates:
    """Raises ConfigError for a file that is not understood."""
    try:
        return Updates(**json.loads((folder / _FILE).read_text()))
    except FileNotFoundError:
        return Updates()
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            f"{folder / _FILE} is not understood", hint="delete it and set it with: crossdock node update"
        ) from None


def watched(folder: Path) -> Callable[[], Updates]:
    """What holds now. Raises ConfigError if it is not understood; later on, there are no updates then."""
    updates(folder)
    problem = ""

    def now() -> Updates:
        nonlocal problem
        try:
            found, said = updates(folder), ""
        except ConfigError as error:
            found, said = Updates(), error.message
            if said != problem:
                _LOG.warning("no updates: %s", said)
        problem = said
        return found

    return now


def set_updates(folder: Path, found: Updates) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(folder / _FILE, json.dumps(asdict(found)).encode())


def update(folder: Path, target: str) -> None:
    """Run the command, unless that was switched off meanwhile; where it does not lead to the version
    ``target``, go back.

    Raises ConfigError where there is no crossdock afterwards that runs.
    """
    try:
        known = updates(folder)
    except ConfigError as error:
        _LOG.warning("no update to %s: %s", target, error.message)
        return
    if not (known.on and known.command):
        return
    _LOG.info("updating from %s to %s", crossdock.__version__, target)
    why = _run(known.command)
    found = "" if why else _version(folder)
    if found == target:
        set_updates(folder, replace(known, failed=""))
        return
    why = why or f"it led to {found or 'nothing that runs'}"
    _LOG.error("the update to %s failed: %s", target, why)
    set_updates(folder, replace(known, failed=target))
    if known.back and (problem := _run(known.back)):
        _LOG.error("going back failed: %s", problem)
    if not _version(folder):
        raise ConfigError(
            f"after the update to {target} no crossdock runs any more: {why}", hint="install it anew"
        )


def _run(command: str) -> str:
    """Why it failed; empty where it did not."""
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST,
            check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return redacted(str(error))
    if not done.returncode:
        return ""
    last = (done.stderr or done.stdout).strip().splitlines()[-1:]
    return redacted(f"{shlex.split(command)[0]} ended with {done.returncode}: {' '.join(last)}")


def _version(folder: Path) -> str:
    """Of what is installed by now, if it runs and understands the node's state."""
    for arguments in (["node", "status", "--output", "json", "--state", str(folder)], ["--version"]):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "crossdock", *arguments], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=_SOON, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if not done.stdout.strip():
            return ""
    return done.stdout.split()[-1]
