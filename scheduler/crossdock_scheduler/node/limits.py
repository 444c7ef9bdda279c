"""How many jobs a node takes at once unless somebody says otherwise."""

from __future__ import annotations

import os

# Memory that one copy may take by default, and what the machine itself needs.
_COPY = 512 << 20
_REST = 1 << 30


def default_jobs(cores: int | None = None, memory: int | None = None) -> int:
    """Two for each core, as far as memory for so many copies is there; at least one."""
    cores, memory = cores or _cores(), memory or _memory()
    return max(1, min(2 * cores, (memory - _REST) // _COPY))


def most_jobs(cores: int | None = None, memory: int | None = None) -> int:
    """What the limit may be raised to: eight times the default."""
    return 8 * default_jobs(cores, memory)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
