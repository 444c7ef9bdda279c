"""Connectors whose splits are carried apart: which, and what each of their processes may use.

The network policy of a node holds for these processes too: the kernel holds a job with all it starts
(``crossdock_scheduler.node.confined``).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from .errors import ConfigError, TransientError
from .limits import parse_size
from .meter import Worker
from .plugins import Registry
from .spi.spec import ConnectorSpec

WHICH = "CROSSDOCK_ISOLATE"
MEMORY, CPU, SILENCE = f"{WHICH}_MEMORY", f"{WHICH}_CPU", f"{WHICH}_SILENCE"
THIRD_PARTY = "third-party"
# What an interpreter with Arrow and a driver takes, beside the buffers of a run.
_REST = 1 << 30
_SILENCE = 900.0
_START = 60.0


@dataclass(frozen=True, slots=True)
class Caps:
    """What one child process may use: ``memory`` in bytes, ``cpu`` in seconds of the processor for one split,
    ``silence`` in seconds without an item. None: as much as it likes.
    """

    memory: int | None = None
    cpu: int | None = None
    silence: float | None = None

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, said: dict[str, Any]) -> Self:
        return cls(**said)

    def hold_memory(self) -> None:
        """This process from now on: what it asks for beyond that is a MemoryError."""
        if self.memory is not None:
            _limit("RLIMIT_DATA", self.memory)

    def hold_cpu(self) -> None:
        """This process from now on: it is ended by a signal when it has used that much more."""
        if self.cpu is not None:
            used = time.process_time()
            _limit("RLIMIT_CPU", int(used) + self.cpu + 1)

    def refusal(self, status: int | None) -> str:
        """Why a process with these caps has ended with that status, where that tells."""
        if self.cpu is not None and status == -getattr(signal, "SIGXCPU", 0):
            return f"it used more than {self.cpu} seconds of the processor ({CPU})"
        return ""

    def short_of_memory(self, error: BaseException | None) -> TransientError | None:
        """What to tell of an error that comes of the memory cap: a new process may do with less."""
        seen: list[BaseException] = []  # an error may be its own cause
        while error is not None and error not in seen:
            if isinstance(error, MemoryError) and self.memory is not None:
                return TransientError(
                    "the process that carried the split needed more than "
                    f"{self.memory >> 20} MiB of memory ({MEMORY})"
                )
            seen.append(error)
            error = error.__cause__ or error.__context__
        return None


def _limit(name: str, value: int) -> None:
    """The soft limit; where the system has none, or a lower one, that is how it is."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(number := getattr(resource, name))
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (allowed, hard))


class Watch:
    """Whether a split makes progress. ``silent`` is asked now and then; ``reason``: why it has been ended."""

    def __init__(self, limit: float | None) -> None:
        self.reason = ""
        self._limit = limit
        self._seen, self._since = (0, 0), time.monotonic() + _START

    def begins(self) -> None:
        """The process is there and at work. Until then it may take as long again as a start takes."""
        self._since = min(self._since, time.monotonic())

    def silent(self, worker: Worker) -> bool:
        """Whether no item has come for too long. A worker that is throttled is waiting for us."""
        now, seen = time.monotonic(), (worker.in_flight, worker.rows_in_flight)
        if seen != self._seen or worker.state == "throttle":
            self._seen, self._since = seen, now
        if self._limit is None or now - self._since <= self._limit:
            return False
        self.reason = f"no row or byte came for {self._limit:g} seconds ({SILENCE})"
        return True


def isolated(specs: Iterable[ConnectorSpec], known: Registry, memory: int) -> Caps | None:
    """The caps of the processes that carry for these connectors; None where none of them is isolated.

    ``memory`` is what the run may use for buffers. Raises ConfigError for what the environment says wrongly.
    """
    specs = list(specs)
    asked = _asked(specs, known)
    if not asked and not any(spec.capabilities.isolated for spec in specs):
        return None
    given = os.environ.get(MEMORY)
    # Who isolates itself knows what its driver sets aside, and how long its server thinks.
    most = memory + _REST if asked else None
    return Caps(
        parse_size(given, MEMORY) if given else most,
        round(seconds) if (seconds := _seconds(CPU)) else None,
        _seconds(SILENCE, _SILENCE if asked else None),
    )


def _asked(specs: Iterable[ConnectorSpec], known: Registry) -> bool:
    """Whether the operator wants one of these to be isolated."""
    names = {each.strip() for each in os.environ.get(WHICH, "").split(",")} - {""}
    unknown = names - {THIRD_PARTY, *known.specs}
    if unknown:
        raise ConfigError(
            f"{WHICH} names {', '.join(sorted(unknown))}, which is no connector here; it takes "
            f"{THIRD_PARTY} and names of connectors, with commas between them"
        )
    theirs = known.third_party if THIRD_PARTY in names else frozenset()
    return any(spec.name in names or spec.name in theirs for spec in specs)


def _seconds(name: str, usual: float | None = None) -> float | None:
    """0 is no limit."""
    given = os.environ.get(name)
    if not given:
        return usual
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{name}={given} is no number of seconds")
    return seconds or None
