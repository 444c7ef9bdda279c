"""The process that began this one."""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with(pid: int, how: signal.Signals) -> None:
    """Get that signal once the parent, process ``pid``, has ended, where the system can do that."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != pid:
            os._exit(1)
