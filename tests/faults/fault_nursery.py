"""Starts the processes of the fault tests: imports once what all need, then forks one for each order.

An order is a line of JSON on standard input: a process to start, or a signal for one. A line ``pid status``
on standard output answers each start (status: started) and each end (as ``Popen.returncode``). When
the input ends, so do all.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback
from importlib import import_module
from pkgutil import walk_packages

import fault_child

import crossdock_connectors
from crossdock.plugins import registry

LATE = ("adbc_driver_sqlite.dbapi", "crossdock.digest", "crossdock.run", "pyarrow.csv", "pyarrow.parquet")


def import_all() -> None:
    """What a copy would import when it first needs it."""
    for module in walk_packages(crossdock_connectors.__path__, "crossdock_connectors."):
        import_module(module.name)
    for name in LATE:
        import_module(name)
    registry()


class Nursery:
    """Forks and reaps; has one thread only, so that forking is safe."""

    def __init__(self) -> None:
        self._answers = os.dup(1)
        self._alive: set[int] = set()

    def serve(self) -> None:
        rest = b""
        while True:
            if select.select([0], [], [], 0.01 if self._alive else None)[0]:
                piece = os.read(0, 1 << 16)
                if not piece:
                    break
                *orders, rest = (rest + piece).split(b"\n")
                for order in map(json.loads, orders):
                    if "signal" in order:
                        self._signal(order["pid"], order["signal"])
                    else:
                        self._start(order)
            self._reap()
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)

    def _signal(self, pid: int, number: int) -> None:
        # Only here it is known that nobody else has the number by now.
        if pid in self._alive:
            os.kill(pid, number)

    def _start(self, order: dict[str, str]) -> None:
        pid = os.fork()
        if not pid:
            os.close(self._answers)
            os._exit(_carry_out(order))
        self._alive.add(pid)
        self._answer(f"{pid} started")

    def _reap(self) -> None:
        while self._alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._alive.discard(pid)
            self._answer(f"{pid} {os.waitstatus_to_exitcode(status)}")

    def _answer(self, line: str) -> None:
        os.write(self._answers, f"{line}\n".encode())


def _carry_out(order: dict[str, str]) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, order["out"]), (2, order["errors"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ["CROSSDOCK_HOME"] = order["home"]
    try:
        return fault_child.main(json.loads(order["given"]))
    except BaseException:  # noqa: BLE001 - nothing of it may get back into the nursery
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    import_all()
    Nursery().serve()
