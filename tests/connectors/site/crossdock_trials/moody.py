"""A table that does to its process whatever the file ``mood`` in its folder says.

``reads`` in that folder has a line for each split that was opened: its index and the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossdock import Location, Split
from crossdock.template import table


def _crash() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    time.sleep(1000)


def _loop() -> None:
    while True:
        pass


def _leak() -> None:
    kept = []
    while True:
        kept.append(bytearray(32 << 20))


def _connect() -> None:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 5).close()


_MOODS = {"crash": _crash, "hang": _hang, "loop": _loop, "leak": _leak, "connect": _connect}


class MoodySource(table.SampleSource):
    def read(self, split: Split) -> AbstractContextManager[Any]:
        here = self._folder.path
        with (here / "reads").open("a") as log:
            log.write(f"{split.index} {os.getpid()}\n")
        _live_out(here / "mood", split.index)
        return super().read(split)


def _live_out(mood: Path, index: int) -> None:
    """``mood``: what, at which split, how often."""
    if not mood.exists():
        return
    what, at, times = json.loads(mood.read_text())
    if index == at and times:
        mood.write_text(json.dumps([what, at, times - 1]))
        _MOODS[what]()


def open_moody(config: Any, location: Location) -> MoodySource:
    return MoodySource(table.Folder(location.path))


SPEC = replace(table.SPEC, name="moody", schemes=("moody",), open_source=open_moody)
