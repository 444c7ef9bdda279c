"""What a job may have of the machine: one that wants more fails, and no other one with it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("memory", "cores")
# Which kinds of mappings a core has; those who are started inherit it.
_MAPPINGS_OF_CORES = Path("/proc/self/coredump_filter")
_SET_DUMPABLE = 4


def divided(policy: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a job may reach, and what it may have."""
    return (
        {name: value for name, value in policy.items() if name not in NAMES},
        {name: value for name, value in policy.items() if name in NAMES and value},
    )


def no_core(*, watched: bool = False) -> None:
    """A crash of this process, or of one that it starts, leaves nothing of its memory: secrets are in it.

    Its own leaves no core at all, unless it is ``watched``: a guard that is not root could not read it then.
    """
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    import ctypes

    # The limit is for files only: a program that is to have the core (core(5)) would get it whole.
    with suppress(OSError):
        _MAPPINGS_OF_CORES.write_text("0")
    if not watched:
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def cap(memory: int | None = None, cores: int | None = None) -> None:
    """Hold this process, and each that it starts, to so many bytes of data, and to so many cores.

    Linux counts private mappings that may be written to, touched or not; elsewhere nothing is held.
    """
    if sys.platform != "linux":
        return
    if cores:
        allowed = sorted(os.sched_getaffinity(0))
        # Not all jobs on the same ones.
        os.sched_setaffinity(0, random.sample(allowed, min(cores, len(allowed))))
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
