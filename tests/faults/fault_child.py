"""A copy in a process of its own that fails where it is told to; it answers with one line of JSON.

Nothing in the product knows of this: real methods are wrapped, and SIGKILL is what a power switch
is to a process. A point is written ``name:before:3`` or ``name:after:3``: at the third call. The name
``any`` counts the calls of all points together.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flaky_store

import crossdock
import crossdock.prepare
from crossdock import retry
from crossdock.carry import Carrier
from crossdock.files import tabular
from crossdock.files.stage import StageSource
from crossdock.journal import Journal
from crossdock.plugins import registry
from crossdock_connectors.stores import file_store, file_upload
from crossdock_connectors.tables import sqlite_database, sqlite_source

JOURNAL = ("add_units", "begin", "add_receipts", "set_state", "set", "finish", "forget_splits")
LOG = ("add_lines", "leave_out", "end_units", "seal_lines")
STORE = ("open_upload", "write_block", "copy_block", "commit", "abort")
SYSTEM = ("link", "replace", "unlink", "ftruncate", "rmdir")
SINK = ("begin", "commit", "cleanup")


class Failpoints:
    """Counts the calls of wrapped functions; at the chosen one it does ``then``."""

    def __init__(self, point: str, then: Callable[[], None]) -> None:
        self.name, self.when, nth = point.split(":")
        self._left = int(nth)
        self._then = then
        self._mutex = threading.Lock()

    def _pass(self, name: str, when: str) -> None:
        if self.name != "any" and (self.name, self.when) != (name, when):
            return
        with self._mutex:
            self._left -= 1
            reached = not self._left
        if reached:
            self._then()

    def wrap(self, owner: Any, method: str, name: str) -> None:
        real = getattr(owner, method)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._pass(name, "before")
            result = real(*args, **kwargs)
            self._pass(name, "after")
            return result

        setattr(owner, method, wrapped)

    def install(self) -> None:
        for owner, names, prefix in (
            (Journal, JOURNAL + LOG, "journal"),
            (file_store.FileStore, STORE, "store"),
            (os, SYSTEM, "os"),
            (sqlite_database.Connection, ("run",), "sqlite"),
            (sqlite_database.Transaction, ("commit",), "sqlite"),
        ):
            for name in names:
                self.wrap(owner, name, f"{prefix}.{name}")
        self.wrap(Journal, "create", "journal.create")
        self.wrap(Carrier, "attempt", "attempt")
        if self.name == "making":
            self._watch_statements()
        real = crossdock.prepare.open_sink
        crossdock.prepare.open_sink = lambda resolved: self._watch(real(resolved))
        self._tear("write_at", lambda fd, data, at: (fd, data[: len(data) // 2], at))
        self._tear("copy_range", lambda *args: (*args[:-1], args[-1] // 2))

    def _watch_statements(self) -> None:
        """The point ``making``: at the statement of that number which the journal gives to SQLite."""
        real = sqlite3.connect

        class Watched(sqlite3.Connection):
            def execute(watched, *args: Any) -> sqlite3.Cursor:
                self._pass("making", "before")
                return super().execute(*args)

        sqlite3.connect = lambda *args, **kwargs: real(*args, factory=Watched, **kwargs)  # type: ignore[assignment]

    def _watch(self, sink: Any) -> Any:
        for name in SINK:
            self.wrap(sink, name, f"sink.{name}")
        make = sink.writer

        def writer(*args: Any) -> Any:
            made = make(*args)
            self.wrap(made, "finish", "writer.finish")
            return made

        sink.writer = writer
        return sink

    def _tear(self, name: str, half: Callable[..., tuple[Any, ...]]) -> None:
        """At ``torn.name`` half of the bytes are written, then the process ends."""
        for module in (file_store, file_upload):
            real = getattr(module, name, None)
            if real is None:
                continue

            def torn(*args: Any, real: Callable[..., Any] = real) -> Any:
                if self.name == f"torn.{name}" and self._left == 1:
                    real(*half(*args))
                self._pass(f"torn.{name}", "before")
                return real(*args)

            setattr(module, name, torn)


def _no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


ACTIONS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "fail": _no_space,
}


def _write_groups_of(rows: int) -> None:
    """Parquet as another release might write it: the same rows, other bytes."""
    spec = registry().by_name("parquet")
    real = crossdock.prepare.open_sink

    def open_sink(resolved: Any) -> Any:
        sink = real(resolved)
        sink.format = spec.open_format(spec.config(row_group_rows=rows))
        return sink

    crossdock.prepare.open_sink = open_sink


def _record(carried: list[list[Any]], pause: float, change: dict[str, Any]) -> None:
    """Note each split that really goes from source to sink, and take ``pause`` seconds for it.

    Before attempt number ``change["at"]`` somebody changes the file ``change["path"]``; with
    ``change["open"]`` when it has just been opened for that number of times.
    """
    if change.get("open"):
        _change_when_open(change)
        change = {}
    real = Carrier.attempt
    numbers = itertools.count(1)

    def attempt(self: Carrier, job: Any, attempt: Any, worker: Any) -> Any:
        if next(numbers) == change.get("at"):
            change_file(Path(change["path"]), change["how"])
        if pause:
            time.sleep(pause)
        answer = real(self, job, attempt, worker)
        hop = "staged " if isinstance(self.source, StageSource) else ""
        carried.append([hop + job.split.unit, job.split.index])
        return answer

    Carrier.attempt = attempt  # type: ignore[method-assign]


def _change_when_open(change: dict[str, Any]) -> None:
    real = file_store.FileStore.open_read
    numbers = itertools.count(1)

    def open_read(self: Any, path: str, info: Any = None) -> Any:
        reader = real(self, path, info)
        if next(numbers) == change["at"]:
            change_file(Path(change["path"]), change["how"])
        return reader

    file_store.FileStore.open_read = open_read  # type: ignore[method-assign]


def change_file(path: Path, how: str) -> None:
    """What others do to a file while it is read."""
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes()[::-1])
        os.replace(other, path)
    else:
        with path.open("r+b") as file:
            file.write(b"!" * 100)


def _set_up(given: dict[str, Any], carried: list[list[Any]]) -> None:
    registry().add(flaky_store, "flaky")
    flaky_store.PLAN.update(given.get("flaky", {}))
    smallest = given.get("smallest_split")
    if smallest:
        tabular.SMALLEST_SPLIT = tabular.LARGEST_SPLIT = smallest
        sqlite_source._SMALLEST, sqlite_source._PER_WORKER = 1000, 12
    if given.get("stream"):
        file_store.FileStore.can_copy_from = lambda self, source: False  # type: ignore[method-assign]
    if given.get("boot_id"):
        file_upload.boot_id = lambda: given["boot_id"]
    retry.FIRST_WAIT = 0.01
    _record(carried, given.get("pause", 0), given.get("change", {}))
    if given.get("rows_per_group"):
        _write_groups_of(given["rows_per_group"])
    for name, then in ACTIONS.items():
        if given.get(name):
            Failpoints(given[name], then).install()


def main(given: dict[str, Any]) -> int:
    carried: list[list[Any]] = []
    _set_up(given, carried)
    print("ready", file=sys.stderr, flush=True)
    try:
        if given["do"] == "copy":
            result = crossdock.copy(given["source"], given["sink"], run_id=given["run"], **given["options"])
        else:
            result = crossdock.resume(given["run"])
    except crossdock.CrossdockError as error:
        answer = {"error": error.code, "message": str(error), "exit": error.exit_code}
        answer |= {"resumable": error.resumable, "run_id": error.run_id, "carried": carried}
        print(json.dumps(answer), flush=True)
        return error.exit_code
    answer = {"status": result.status, "skipped": result.splits_skipped, "done": result.splits_done}
    answer |= {"files_skipped": result.files_skipped, "verified": result.verified, "carried": carried}
    answer |= {"retries": result.retries, "bytes_read": result.bytes_read, "rows": result.rows_copied}
    print(json.dumps(answer), flush=True)
    return result.exit_code
