"""What a job may have of the machine: one that wants more fails, and no other one with it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from typing import Any

NAMES = ("memory", "cores")


def divided(policy: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a job may reach, and what it may have."""
    return (
        {name: value for name, value in policy.items() if name not in NAMES},
        {name: value for name, value in policy.items() if name in NAMES and value},
    )


def no_core() -> None:
    """A crash of this process, or of one that it starts, leaves no file of its memory: secrets are in it."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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
