"""One SQLite database file: connections, write transactions, names.

Everything goes through the ADBC driver. A second SQLite library in the process (``sqlite3``), or opening
the file by hand, would drop the driver's locks: POSIX takes a file's locks away from the process
as soon as it closes any descriptor of that file.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote as quote_url

from crossdock import ConfigError, CrossdockError, DataError, Location, NotFoundError, TransientError

from ..adbc import AdbcConnection
from .sqlite_errors import fault

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "_crossdock_"
_BATCH = 4096
_TRIES = 20

_writing: dict[str, threading.Lock] = defaultdict(threading.Lock)
_read_here: Counter[str] = Counter()
_written_here: Counter[str] = Counter()


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


class Connection(AdbcConnection):
    """One connection in autocommit mode. Not for several threads at once."""

    def __init__(self, path: str, mode: Literal["ro", "rw", "rwc"], settings: Sequence[str]) -> None:
        from adbc_driver_sqlite import dbapi

        super().__init__(path)
        with self.explained():
            self._connection = dbapi.connect(f"file:{quote_url(path)}?mode={mode}", autocommit=True)
        try:
            for setting in settings:
                self.run(f"PRAGMA {setting}")
        except BaseException:
            self.close()
            raise

    def fault(self, error: BaseException) -> CrossdockError | None:
        return fault(error, self.shown)

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return super().run(sql)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.shown} holds text that is not UTF-8", detail=str(error)) from error

    @contextmanager
    def batches(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as record batches, whose errors are the driver's own."""
        with self.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_BATCH)})
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                yield reader


@dataclass(frozen=True)
class Database:
    """A database file by its real path, and how to open it."""

    path: str
    busy_timeout: float
    synchronous: str = "full"

    @property
    def exists(self) -> bool:
        """A database that was only opened, never written, is an empty file."""
        try:
            return os.stat(self.path).st_size > 0
        except OSError:
            return False

    def connect(self, mode: Literal["ro", "rw", "rwc"] = "ro") -> Connection:
        """Raises NotFoundError where there is no database, unless ``mode`` makes one."""
        if mode != "rwc" and not os.path.exists(self.path):
            raise NotFoundError(f"{self.path} does not exist")
        settings = [f"busy_timeout = {int(self.busy_timeout * 1000)}"]
        if mode != "ro":
            settings += [f"synchronous = {self.synchronous}", "foreign_keys = off", "legacy_alter_table = on"]
        return Connection(self.path, mode, settings)

    def stamp(self) -> str:
        """Changes whenever somebody writes to the database (and when the log is folded into it)."""
        parts = []
        for name in (self.path, self.path + "-wal"):
            try:
                found = os.stat(name)
            except OSError:
                continue
            if found.st_size:
                parts.append(f"{found.st_size:x}-{found.st_mtime_ns:x}")
        return " ".join(parts)

    def write(self, *, create: bool = False) -> Transaction:
        """Begin a write transaction, waiting for others; it ends with ``commit`` or ``rollback``."""
        lock = self._acquire()
        try:
            with _door(self.path, exclusive=False):
                connection, created = self._begin(create)
        except BaseException:
            lock.release()
            raise
        return Transaction(connection, lock, created)

    @contextmanager
    def alone(self, mode: Literal["rw", "rwc"] = "rw") -> Iterator[Connection]:
        """A connection without a transaction, while nobody of ours opens the database to write."""
        lock = self._acquire()
        try:
            with _door(self.path, exclusive=True), self.connect(mode) as connection:
                yield connection
        finally:
            lock.release()

    def _acquire(self) -> threading.Lock:
        # Threads of ours queue here: SQLite itself would only poll.
        lock = _writing[self.path]
        if not lock.acquire(timeout=self.busy_timeout):
            raise TransientError(f"{self.path} is being written to by another split of this process")
        return lock

    def _begin(self, create: bool) -> tuple[Connection, bool]:
        for _ in range(_TRIES):
            existed, before = self.exists, _number(self.path)
            connection = self.connect("rwc" if create else "rw")
            try:
                connection.run("BEGIN IMMEDIATE")
                after = _number(self.path)
                if after and before in (None, after):
                    return connection, not existed
            except BaseException:
                connection.close()
                raise
            # A cleanup removed the file between opening and locking: ours has no name any more.
            connection.close()
        raise TransientError(f"{self.path} is removed again and again")


class Transaction:
    """A write transaction. ``created``: the database did not exist before it."""

    def __init__(self, connection: Connection, lock: threading.Lock, created: bool) -> None:
        self.connection, self.created = connection, created
        self._lock: threading.Lock | None = lock

    def commit(self) -> None:
        try:
            self.connection.run("COMMIT")
        except BaseException:
            self.rollback()
            raise
        self._end()

    def rollback(self) -> None:
        """May be called twice, and after ``commit``."""
        if self._lock is not None:
            try:
                with suppress(Exception):
                    self.connection.run("ROLLBACK")
            finally:
                self._end()

    def _end(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            try:
                self.connection.close()
            finally:
                lock.release()

    def __enter__(self) -> Connection:
        return self.connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._lock is not None:
            self.commit()
        else:
            self.rollback()


class Presence:
    """Notes that this process reads or writes a database as long as a source or sink of it is open.

    A copy within one database needs to know: reader and writer would wait for each other.
    """

    def __init__(self, path: str, *, writes: bool) -> None:
        self._path: str | None = path
        self._count = _written_here if writes else _read_here
        self._count[path] += 1

    def end(self) -> None:
        if self._path is not None:
            self._count[self._path] -= 1
            self._path = None


def is_read_here(path: str) -> bool:
    return _read_here[path] > 0


def is_written_here(path: str) -> bool:
    return _written_here[path] > 0


@contextmanager
def _door(path: str, *, exclusive: bool) -> Iterator[None]:
    """Keep processes of ours from removing a database that another one is opening.

    SQLite cannot tell that its file has gone: it would take the journal of a new one in its place for its
    own. The lock is the folder's, so that no file stays behind; where there is none, we do without.
    """
    fd = -1
    with suppress(ImportError, OSError):
        import fcntl

        fd = os.open(os.path.dirname(path), os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    try:
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def _number(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def path_of(location: Location) -> str:
    """The file that an address means: ``sqlite:///relative.db``, ``sqlite:////absolute.db``."""
    if location.authority:
        raise ConfigError(
            f"{location.url}: write sqlite:///{location.authority}{location.path} for a file in this "
            "folder, and four slashes for an absolute path"
        )
    if location.query:
        raise ConfigError(f"{location.url}: options are not part of the address; give them as key=value")
    path = location.path[1:]
    if not path or path.endswith("/") or path == ":memory:" or "\0" in path:
        raise ConfigError(f"{location.url} names no database file, as sqlite:///data.db does")
    return os.path.realpath(path)
