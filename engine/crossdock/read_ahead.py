"""Reading in a thread of its own while the caller writes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def read_ahead(items: Iterator[Any], depth: int = 2) -> Iterator[Iterator[Any]]:
    """Read in a thread of its own while the caller writes; at most ``depth`` items wait.

    For units with fewer splits than workers: crossing threads costs 10 us an item, which only pays
    when another core would idle. Only for items that stay valid (record batches, not buffers).
    """
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[bool, Any]) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put(entry, timeout=0.2)
                return

    def pump() -> None:
        try:
            for item in items:
                put((True, item))
                if stop.is_set():
                    return
            put((False, None))
        except BaseException as error:  # noqa: BLE001 - raised where it is taken
            put((False, error))

    def take() -> Iterator[Any]:
        while True:
            more, value = waiting.get()
            if more:
                yield value
            elif value is None:
                return
            else:
                raise value

    thread = threading.Thread(target=pump, name="crossdock-read-ahead", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stop.set()
        thread.join()
