"""What this process has used of the machine."""

from __future__ import annotations

import os


def cpu_seconds() -> float:
    """CPU seconds of this process and of children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def peak_memory() -> int:
    """Peak resident memory of this process in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
