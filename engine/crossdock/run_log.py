"""The log of a copy: CSV files in a folder of a store, which say what was read, written and left out.

Lines are in the journal until their file is full. A file is written anew with each flush, under a name that
follows from the run and its first line, so that whoever goes on writes the same lines to the same file.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .credentials import public_url
from .errors import ConfigError, CrossdockError
from .opening import blaming, open_store
from .options import sort_options
from .plugins import registry
from .request import CopyRequest, SinkEnd
from .skips import Line
from .spi.spec import Location
from .spi.store import Block, ObjectStore, UploadRequest

if TYPE_CHECKING:
    from .journal import Journal
    from .spi.data import Unit

log = logging.getLogger(__name__)
HEADER = ("Timestamp", "Level", "OperationName", "OperationItem", "Message")
EVERY = 10.0
"""Seconds between two flushes where the log need not be reliable."""
_FULL, _FULL_RELIABLE = 4 << 20, 256 << 10
_PAGE = 500


def log_end(request: CopyRequest) -> SinkEnd | None:
    """The folder of the log as an end. Raises ConfigError for what is no store, or one that is only read."""
    if request.log is None:
        return None
    if not request.log:
        raise ConfigError("the log is empty; give a folder of a store")
    location = Location.parse(request.log)
    spec = registry().by_scheme(location.scheme, location.authority)
    if spec.kind != "store" or not spec.capabilities.write_modes:
        raise ConfigError(f"{spec.name} cannot hold a log: it needs a folder of a store that can be written")
    location = spec.absolute(location)
    location = location.with_path(location.path.rstrip("/") + "/")
    options, _ = sort_options(request.log_options, spec, None, "log")
    return SinkEnd(spec.name, location.url, options)


def log_path(end: SinkEnd | None) -> str:
    """The folder's path within its store."""
    return "" if end is None else Location.parse(end.root).path


@dataclass(eq=False, repr=False)
class RunLog:
    """Writes what the journal has ready. ``flush`` may be called by any thread."""

    end: SinkEnd
    journal: Journal
    name: str
    reliable: bool = False
    info: bool = False
    _store: ObjectStore | None = None
    _written: int = -1
    _due: float = 0.0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def flush_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write all lines that are ready. The first one makes a file even where there is none."""
        with self._mutex, blaming(self.end.connector, "log"):
            while self._write():
                pass
            self._due = time.monotonic() + EVERY

    def try_flush(self) -> None:
        """For a run that ends early: it ends for another reason."""
        try:
            self.flush()
        except CrossdockError as error:
            log.warning("lines are missing from the log %s: %s", public_url(self.end.root), error)

    def _write(self) -> bool:
        """Write the file that is not full yet; whether there may be more lines behind it."""
        import uuid  # late: most copies have no log

        sealed = self.journal.get("log_sealed", 0)
        content, last, full = self._content(sealed)
        if last == self._written or (not last and self._written == sealed and not full):
            return False
        self._put(f"{uuid.uuid5(uuid.NAMESPACE_URL, f'crossdock:{self.name}/{sealed}')}.csv", content, last)
        self._written = last
        if full:
            self.journal.seal_lines(last)
        return full

    def _content(self, sealed: int) -> tuple[bytes, int, bool]:
        """The file's content, the number of its last line, and whether it is full."""
        most = _FULL_RELIABLE if self.reliable else _FULL
        out, last = [",".join(HEADER) + "\n"], sealed
        size = 0
        while page := self.journal.ready_lines(last, _PAGE):
            for number, line in page:
                out.append(csv_of(line))
                size, last = size + len(out[-1]), number
                if size >= most:
                    return "".join(out).encode(), last, True
        return "".join(out).encode(), last, False

    def _put(self, path: str, content: bytes, version: int) -> None:
        if self._store is None:
            self._store = open_store(registry().by_name(self.end.connector), self.end.root, self.end.options)
        # A version of its own: a store takes a second upload of the same run for the first one.
        run = f"{self.name}-log-{version}-{os.urandom(4).hex()}"
        upload = self._store.open_upload(path, UploadRequest(run, overwrite=True, size=len(content)))
        try:
            block = Block(0, 1, 0, 0, len(content), 0)
            if content:
                self._store.write_block(upload, block, memoryview(content))
            self._store.commit(upload, [block])
        finally:
            with suppress(CrossdockError):
                self._store.abort(upload)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    # -- lines ------------------------------------------------------------------------------------

    def copied(self, unit: Unit, written: Sequence[str], began: float, sides: Sequence[str]) -> list[Line]:
        """The lines of what was copied into files. ``sides``: which of both ends have files."""
        if not self.info:
            return []
        found, now = [], time.time()
        for at, is_end in ((began, False), (now, True)):
            if "source" in sides:
                text = "Complete reading file successfully." if is_end else _started(unit)
                found.append(Line(at, "Info", "FileRead", unit.name, text))
            if "sink" in sides:
                text = f"file from source file: {unit.name}."
                text = (
                    f"Complete writing {text} File is successfully copied."
                    if is_end
                    else f"Start to write {text}"
                )
                found += (Line(at, "Info", "FileWrite", path, text) for path in written)
        return found


def skipped_line(unit: Unit, error: CrossdockError, read: int = 0) -> Line:
    message = f"File is skipped after read {read} bytes: ErrorCode={error.code}, {error.message}"
    return Line(time.time(), "Warning", "FileSkip", unit.name, message)


def _started(unit: Unit) -> str:
    from .files.listing import info_of

    info = info_of(unit) if unit.token else None
    about = {
        "Path": unit.name,
        "ItemType": "File",
        "Size": unit.size,
        "LastModified": f"{datetime.fromtimestamp(info.modified, UTC):%Y-%m-%dT%H:%M:%SZ}" if info else None,
        "ETag": info.etag if info else None,
        "ContentMD5": None,
        "ObjectName": None,
    }
    return f"Start to read file: {json.dumps(about)}"


def csv_of(line: Line) -> str:
    """A line as text. Timestamps are UTC with seven digits, as Data Factory writes them."""
    stamp = f"{datetime.fromtimestamp(line.at, UTC):%Y-%m-%d %H:%M:%S.%f}0"
    out = io.StringIO()
    plain = csv.writer(out, lineterminator="")
    plain.writerow([stamp, line.level, line.operation])
    out.write(",")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow([line.item, line.message])
    return out.getvalue()
