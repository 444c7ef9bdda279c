"""The agent of a state folder: that there is one at most, how it is found, and how it fares.

It holds ``agent.lock`` as long as it lives; ``agent.json`` is what it said last.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crossdock import ConfigError, NotFoundError
from crossdock.journal_lock import hold, is_running

from .keeping import write

_SAID = "agent.json"
_LOCKED = "agent.db"
_STEP = 0.1
_UNDERSTANDS = 10.0


@dataclass
class Said:
    """What an agent last said of itself; times are seconds since 1970.

    ``tried``: its last heartbeat. ``heard``: the last one that was answered. ``problem``: why a later one was
    not. ``pause``: seconds between two, as the service wants them. ``vault`` is the version of the runtime's
    vault, ``opens`` the one that the node can open. ``relay``: why the relay does not work, where it should.
    """

    pid: int
    started: float
    tried: float | None = None
    heard: float | None = None
    problem: str = ""
    pause: float = 0.0
    vault: int = 0
    opens: int = 0
    relay: str = ""
    limit: int = 0
    latest: str = ""
    updating: str = ""
    jobs: list[str] = field(default_factory=list)
    stopping: bool = False

    def keep(self, folder: Path) -> None:
        """For those who ask. A full disk ends no job: the next heartbeat says it again."""
        with suppress(OSError):
            write(folder / _SAID, json.dumps(asdict(self)).encode())


@contextmanager
def alone(folder: Path) -> Iterator[Said]:
    """Be the agent of the folder. Raises ConfigError where another process is."""
    try:
        lock = hold(folder / _LOCKED)
    except ConfigError:
        other = heard_of(folder)
        who = f"process {other.pid}" if other else "another process"
        raise ConfigError(
            f"{who} carries out the jobs of the node in {folder} already", hint="crossdock node status"
        ) from None
    said = Said(os.getpid(), time.time())
    try:
        said.keep(folder)
        yield said
    finally:
        (folder / _SAID).unlink(missing_ok=True)
        lock.close()


def running(folder: Path) -> Said | None:
    """The live agent of the folder; None without one."""
    return heard_of(folder) if folder.is_dir() and is_running(folder / _LOCKED) else None


def heard_of(folder: Path) -> Said | None:
    try:
        return Said(**json.loads((folder / _SAID).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def tell(folder: Path, number: signal.Signals) -> Said:
    """Send the live agent a signal. Raises NotFoundError without one."""
    found = running(folder)
    if found is None:
        raise NotFoundError(
            f"no agent carries out the jobs of the node in {folder}",
            hint="start it with: crossdock node start",
        )
    with suppress(ProcessLookupError):
        os.kill(found.pid, number)
    return found


def end_jobs(folder: Path, said: Said) -> None:
    """Have an agent that was told to stop end its jobs too, once it has understood the first signal."""
    until = time.monotonic() + _UNDERSTANDS
    while (now := running(folder)) is not None and not now.stopping and time.monotonic() < until:
        time.sleep(_STEP)
    if now is not None and now.started == said.started:
        tell(folder, signal.SIGTERM)


def gone(folder: Path, said: Said, within: float | None) -> bool:
    """Wait until the agent has ended or has made room for another, ``within`` seconds at most."""
    until = None if within is None else time.monotonic() + within
    while True:
        now = heard_of(folder)
        if not is_running(folder / _LOCKED) or (now is not None and now.started != said.started):
            return True
        if until is not None and time.monotonic() > until:
            return False
        time.sleep(_STEP)
