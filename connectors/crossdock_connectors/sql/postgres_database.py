"""Connections to one PostgreSQL database through its ADBC driver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from crossdock import CrossdockError

from ..adbc import AdbcConnection
from .identifiers import POSTGRES
from .postgres_errors import fault

if TYPE_CHECKING:
    import pyarrow as pa

quote, literal = POSTGRES.quote, POSTGRES.text
# Whatever the user or the database has set, texts of values are the same.
_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",
    "idle_in_transaction_session_timeout": "0",
}


@dataclass
class Database:
    """A database and how to open it. ``shown`` names it in messages, without secrets.

    ``open`` are the server's numbers of the sessions that are open, for ``cancel``. ``answered``: the
    server has let us in before.
    """

    uri: str = field(repr=False)
    shown: str
    settings: Mapping[str, str] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    answered: bool = field(default=False, init=False)
    _first: Any = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def connect(self, *, listed: bool = True) -> Connection:
        """Open a session in autocommit mode. Raises what ``fault`` makes of the driver's error."""
        connection = Connection(self)
        try:
            pairs = (_SETTINGS | dict(self.settings)).items()
            calls = ", ".join(f"set_config({literal(key)}, {literal(value)}, false)" for key, value in pairs)
            connection.process = connection.run(f"SELECT pg_backend_pid(), {calls}")[0][0]
            if listed:
                with self._lock:
                    self.open.add(connection.process)
        except BaseException:
            connection.close()
            raise
        return connection

    def session(self) -> Any:
        """A session of the driver. Only the first asks the server for all its types, which takes long."""
        from adbc_driver_postgresql import dbapi

        with self._lock:
            if self._first is None:
                self._first = dbapi.connect(self.uri, autocommit=True)
                self.answered = True
        session = self._first.adbc_clone()
        session.adbc_connection.set_autocommit(True)
        return session

    def closed(self, process: int) -> None:
        with self._lock:
            self.open.discard(process)

    def close(self) -> None:
        """Let go of what later sessions would have in common. May be called twice."""
        with self._lock:
            first, self._first = self._first, None
        if first is not None:
            first.close()

    def cancel(self) -> None:
        """End what the open sessions are doing, over a session of its own."""
        with self._lock:
            processes = sorted(self.open)
        if processes:
            self.end(processes)

    def end(self, processes: Sequence[int]) -> None:
        """End what these sessions are doing; they stay open."""
        with self.connect(listed=False) as connection:
            connection.run(f"SELECT pg_cancel_backend(p) FROM unnest(ARRAY{list(processes)}) AS p")  # noqa: S608 - numbers


class Connection(AdbcConnection):
    """One session in autocommit mode. Not for several threads at once."""

    process = 0

    def __init__(self, database: Database) -> None:
        super().__init__(database.shown)
        self.database = database
        with self.explained():
            self._connection = database.session()

    def fault(self, error: BaseException) -> CrossdockError | None:
        if self._connection is None:
            return fault(error, f"PostgreSQL at {self.shown}", first=not self.database.answered)
        return fault(error, self.shown)

    def change(self, sql: str) -> int:
        """Run one statement; returns how many rows it changed."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def explain(self, sql: str) -> Any:
        """The server's plan for a query, which is not run."""
        with self.cursor() as cursor:
            # The driver would put the statement within COPY, which takes queries only.
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            (plan,) = cursor.fetchone()
        return json.loads(plan)[0]["Plan"]

    def describe(self, sql: str) -> pa.Schema:
        """The columns of a query, with the server's types in the metadata; it is not run."""
        with self.cursor() as cursor:
            return cursor.adbc_execute_schema(sql)

    @contextmanager
    def batches(self, sql: str, size: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as record batches of about ``size`` bytes."""
        with self.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(size)})
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                try:
                    yield reader
                except BaseException:
                    # Closing would first fetch all the rows that nobody wants any more.
                    with suppress(Exception):
                        self.database.end([self.process])
                    raise

    def ingest(self, schema: str, table: str, reader: pa.RecordBatchReader) -> None:
        """Load rows into a table with COPY; all or none."""
        with self.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)

    @contextmanager
    def transaction(self, how: Sequence[str] = ()) -> Iterator[Self]:
        """``BEGIN`` and ``COMMIT``, or ``ROLLBACK`` where the block raises."""
        self.run(" ".join(["BEGIN", *how]))
        try:
            yield self
        except BaseException:
            with suppress(Exception):
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def close(self) -> None:
        self.database.closed(self.process)
        super().close()
