"""SIGTERM, as service managers send it: the run stops as on Ctrl-C, and the exit code says why."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

TERMINATED = 128 + signal.SIGTERM


class Termination:
    """Within the block SIGTERM interrupts the main thread; ``arrived`` says that it came."""

    def __init__(self) -> None:
        self.arrived = False
        self._before: Any = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        raise KeyboardInterrupt

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; one that is ignored on purpose stays so.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGTERM)
            if self._before is not signal.SIG_IGN:
                signal.signal(signal.SIGTERM, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
