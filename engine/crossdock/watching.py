"""Threads beside the one that runs a copy: they show how far it is, and end what it waits for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import CancelledError, CrossdockError
from .forking import DISPLAY
from .redact import RedactingFilter
from .report import Snapshot
from .team import LOOK

log = logging.getLogger(__name__)
log.addFilter(RedactingFilter())
# Else Python writes the failure of a display to stderr where nobody has asked for a log.
log.addHandler(logging.NullHandler())
Progress = Callable[[Snapshot], None]


@contextmanager
def cancellable(cancel: threading.Event, interrupt: Callable[[], None]) -> Iterator[None]:
    """End a call of a connector in which this thread is blocked when somebody cancels meanwhile."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK):
            if cancel.is_set():
                interrupt()

    watcher = threading.Thread(target=watch, name="crossdock-cancel", daemon=True)
    watcher.start()
    try:
        yield
    except CrossdockError:
        if cancel.is_set():
            raise CancelledError from None
        raise
    finally:
        ended.set()
        watcher.join()


@contextmanager
def observed(progress: Progress | None, snapshot: Callable[[], Snapshot]) -> Iterator[None]:
    """Show how far the run is, ten times a second and once at its end."""
    if progress is None:
        yield
        return
    ended = threading.Event()

    def shown() -> bool:
        try:
            progress(snapshot())
        except Exception:
            # A display that fails is no reason to stop copying.
            log.exception("the progress display failed")
            ended.set()
            return False
        return True

    def observe() -> None:
        while not ended.wait(0.1) and shown():
            pass

    thread = threading.Thread(target=observe, name=DISPLAY, daemon=True)
    thread.start()
    try:
        yield
    finally:
        failed = ended.is_set()
        ended.set()
        thread.join()
        if not failed:
            shown()
