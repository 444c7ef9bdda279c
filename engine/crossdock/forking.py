"""Whether processes are forked for the units of a copy; ``forked`` is imported only then."""

from __future__ import annotations

import os
import sys
import threading

from .context import Context
from .dispatch import SMALL

WORTH = 500  # units a process; to start one takes as long as to carry some 50
MOST = 8

DISPLAY = "crossdock-progress"


def worth(context: Context, units: int, size: int | None) -> int:
    """How many processes are worth it; 0 where this one does it all."""
    resolved, request, carrier = context.resolved, context.request, context.carrier
    remote = any(spec.capabilities.parallel for spec in (context.source_spec, context.sink_spec))
    small = size is not None and size <= units * SMALL
    staged = resolved.source.stage or resolved.sink.stage or resolved.source.merge
    if resolved.payload != "binary" or not (remote and small) or staged:
        return 0
    # One limit or log for all, and calls that cost this machine next to nothing, stay in one process.
    if request.bandwidth or context.log or carrier.children or carrier.copier:
        return 0
    # Beside other threads a fork may find a lock taken that nobody gives back; the display's are its own.
    others = [thread for thread in threading.enumerate() if thread.name != DISPLAY]
    if sys.platform != "linux" or len(others) > 1:
        return 0
    count = min(len(os.sched_getaffinity(0)), units // WORTH, context.parallel, MOST)
    return count if count > 1 else 0
