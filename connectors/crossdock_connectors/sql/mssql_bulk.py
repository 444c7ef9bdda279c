"""One bulk copy of record batches.

The driver opens a connection of its own for it, which nothing of the driver can end while it works: to close
it waits for what the copy holds, and never returns.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from traceback import clear_frames
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from crossdock import CancelledError

if TYPE_CHECKING:
    import pyarrow as pa

_FILES = "/dev/fd"
# Azure SQL sends a client on to another port.
_REDIRECTED = range(11000, 12000)


@dataclass(frozen=True, slots=True)
class Line:
    """A TCP connection of this process: its file and both of its ends."""

    file: int
    here: Any
    there: Any

    def cut(self) -> None:
        """End it as a network that fails does; nothing where the file is another one by now."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.file)) as held:
            if (held.getsockname(), held.getpeername()) == (self.here, self.there):
                held.shutdown(socket.SHUT_RDWR)


def _lines(port: int) -> set[Line]:
    """The connections to a port; none on a system that does not list them."""
    found = set()
    with suppress(OSError):
        for name in os.listdir(_FILES):
            with suppress(OSError):
                if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as held:
                    there = held.getpeername()
                    if isinstance(there, tuple) and (there[1] == port or there[1] in _REDIRECTED):
                        found.add(Line(int(name), held.getsockname(), there))
    return found


class BulkLoad:
    """``run`` once, ``cut`` from any thread. ``session``: the host name by which the server lists it."""

    def __init__(self, port: int, connect_timeout: int) -> None:
        self.session = f"crossdock-{uuid4().hex}"
        self._port, self._connect_timeout = port, connect_timeout
        self._lines: set[Line] = set()
        self._cancelled = False

    def run(
        self,
        cursor: Any,
        table: str,
        items: pa.RecordBatchReader,
        names: Sequence[str],
        timeout: int,
        **options: Any,
    ) -> int:
        """Load the items into a table; returns how many rows that were. ``cursor`` is of mssql-python."""
        try:
            return self._run(cursor, table, items, names, timeout, **options)
        except BaseException as error:
            # Its frames hold the driver's runtime, which panics when it is collected during another load.
            clear_frames(error.__traceback__)
            raise

    def _run(
        self, cursor: Any, table: str, items: Any, names: Sequence[str], timeout: int, **options: Any
    ) -> int:
        # The driver would take the time that a statement may take for connecting.
        context = cursor._build_pycore_context() | {
            "workstation_id": self.session,
            "connect_timeout": self._connect_timeout,
        }
        connection = loading = None
        try:
            connection = self._open(context)
            loading = connection.cursor()
            done = loading.bulkcopy_arrow(
                table, items, timeout=timeout, column_mappings=list(names), use_internal_transaction=False,
                **options,
            )  # fmt: skip
            return int(done["rows_copied"])
        finally:
            context.clear()
            self._lines = set()
            for each in filter(None, (loading, connection)):
                with suppress(Exception):
                    each.close()

    def _open(self, context: dict[str, Any]) -> Any:
        from mssql_py_core import PyCoreConnection

        before = _lines(self._port)
        connection = PyCoreConnection(context)
        # More than one where another connection to the server was opened at the same moment: mostly by the
        # same copy, which is cancelled as a whole; to any other that is a network that failed once.
        self._lines = _lines(self._port) - before
        if self._cancelled:
            connection.close()
            raise CancelledError
        return connection

    def cut(self) -> bool:
        """End it; False where its connection is not known, or not open yet."""
        self._cancelled = True
        lines = self._lines
        for line in lines:
            line.cut()
        return bool(lines)
