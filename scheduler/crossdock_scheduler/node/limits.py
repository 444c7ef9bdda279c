"""How many jobs a node takes at once unless somebody says otherwise."""

from __future__ import annotations

from crossdock import machine

from ..wire.node import MOST_JOBS

# Memory that one copy may take by default, and what the machine itself needs.
_COPY = 512 << 20
_REST = 1 << 30


def default_jobs(cores: int | None = None, memory: int | None = None) -> int:
    """``max(1, min(1000, 2 * cores, (memory - 1 GiB) // 512 MiB))``: docs/how-to/nodes.md publishes it.

    Cores and bytes of memory are those that this process may use, the limits of its container included.
    """
    cores, memory = cores or int(machine.cores()), memory or machine.memory()
    return max(1, min(MOST_JOBS, 2 * cores, (memory - _REST) // _COPY))


def most_jobs(cores: int | None = None, memory: int | None = None) -> int:
    """What the limit may be raised to: eight times the default, and 1000 at most."""
    return min(MOST_JOBS, 8 * default_jobs(cores, memory))
