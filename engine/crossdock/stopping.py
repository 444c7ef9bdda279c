"""Ending a connector's blocked call from another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .errors import CancelledError
from .spi.endpoints import Cancellable

_LOOK = 0.05


@contextmanager
def stopping(end: object, cancel: threading.Event) -> Iterator[None]:
    """End what ``end`` does in the block once ``cancel`` is set, as far as it can; then CancelledError."""
    if cancel.is_set():
        raise CancelledError
    done = threading.Event()

    def watch(able: Cancellable) -> None:
        while not done.is_set():
            if cancel.wait(_LOOK):
                with suppress(Exception):
                    able.cancel()
                return

    able = isinstance(end, Cancellable)
    watcher = threading.Thread(target=watch, args=(end,), daemon=True) if able else None
    if watcher:
        watcher.start()
    try:
        yield
    except Exception as error:
        if cancel.is_set() and not isinstance(error, CancelledError):
            raise CancelledError from error
        raise
    finally:
        done.set()
        if watcher:
            watcher.join()
