"""Waiting for what becomes true."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(what: Callable[[], bool], within: float = 150) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "it never became true"
        time.sleep(0.05)
