"""Connections to one database: pyodbc for statements and the catalogue, arrow-odbc for rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossdock import (
    CancelledError,
    ConfigError,
    CrossdockError,
    DataError,
    MissingDependencyError,
    NotFoundError,
    ShortReadError,
    TransientError,
    UnreachableError,
)

from .odbc_dialects import Traits, traits
from .odbc_drivers import INSTALL, odbc
from .odbc_errors import TOO_LARGE, fault

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 16 << 20
_BATCH_ROWS = 65_536


def _arrow_odbc() -> Any:
    try:
        import arrow_odbc
    except OSError as error:
        raise MissingDependencyError(INSTALL, detail=str(error)) from error
    return arrow_odbc


@dataclass
class Database:
    """A database and how to open it. ``text`` is the connection string, ``given`` its attributes' names.

    ``limits``: characters and bytes of the longest values. ``answered``: it has, here or when the copy was
    planned; to go away is then no reason to stop.
    """

    text: str = field(repr=False)
    where: str
    given: frozenset[str] = frozenset()
    login_timeout: int = 15
    query_timeout: int = 0
    limits: tuple[int, int] = (65_536, 65_536)
    cancelled: bool = False
    answered: bool = False
    _traits: Traits | None = None
    _schema: str | None = None
    _sessions: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def traits(self) -> Traits:
        if self._traits is None:
            try:
                with self.explaining():
                    inner = odbc().connect(self.text, autocommit=True, timeout=self.login_timeout)
            except TransientError as error:
                if self.answered or not error.detail.startswith(("01", "08", "HYT")):
                    raise
                # Trying again does not help: its address is wrong, say.
                raise UnreachableError(error.message, detail=error.detail) from error
            self.answered = True
            with self.explaining():
                try:
                    found = traits(inner, odbc())
                finally:
                    inner.close()
            self._traits = found
        return self._traits

    @property
    def full_text(self) -> str:
        """The connection string with what the driver has to be told besides."""
        known = self.traits.known.attributes
        more = {
            key: value.format(text=self.limits[0]) for key, value in known.items() if key not in self.given
        }
        return self.text + "".join(f"{key}={value};" for key, value in more.items())

    @property
    def default_schema(self) -> str:
        """The schema of names without one; empty where the database says none."""
        if self._schema is None:
            known = self.traits.known.schema
            found = ""
            if known:
                with self.connect() as connection:
                    found = connection.value(known) or ""
            elif self.traits.schemas:
                found = self.traits.user
            self._schema = str(found)
        return self._schema

    @contextmanager
    def connect(self, *, autocommit: bool = True, listed: bool = True) -> Iterator[Connection]:
        """A connection for statements; without ``autocommit`` one transaction, committed at the end."""
        text = self.full_text
        with self.explaining():
            inner = odbc().connect(text, autocommit=autocommit, timeout=self.login_timeout)
        connection = Connection(inner, self)
        try:
            with suppress(odbc().Error):
                inner.timeout = self.query_timeout
            with self._listed(lambda: connection.value(self.traits.known.session), listed):
                try:
                    yield connection
                except BaseException:
                    if not autocommit:
                        with suppress(Exception):
                            inner.rollback()
                    raise
                if not autocommit:
                    with self.explaining():
                        inner.commit()
        finally:
            with suppress(Exception):
                inner.close()

    def rehearse(self, *statements: str) -> None:
        """Run statements and take them back, where the database can; else nothing."""
        if self.traits.transactions == 0:
            return
        with self.connect(autocommit=False) as connection:
            for sql in filter(None, statements):
                connection.run(sql)
            with self.explaining():
                connection.inner.rollback()

    @contextmanager
    def rows(self, *, autocommit: bool = True, first: str = "") -> Iterator[Rows]:
        """A connection that carries record batches. What it did is rolled back without its ``commit``.

        ``first`` is the first statement of it.
        """
        text = self.full_text
        with self.explaining():
            inner = _arrow_odbc().connect(text, login_timeout_sec=self.login_timeout, autocommit=autocommit)
        rows = Rows(inner, self, autocommit)
        try:
            if first:
                rows.run(first)
            with self._listed(lambda: rows.value(self.traits.known.session)):
                yield rows
        finally:
            rows.close()

    @contextmanager
    def _listed(self, number: Any, listed: bool = True) -> Iterator[None]:
        """While the block runs, ``cancel`` can end the session."""
        session = int(number()) if listed and self.traits.known.session else 0
        with self._lock:
            self._sessions.add(session)
        try:
            if self.cancelled and listed:
                raise CancelledError
            yield
        finally:
            with self._lock:
                self._sessions.discard(session)

    def cancel(self) -> None:
        """End what the open sessions are doing, over a connection of its own, where it is known how."""
        with self._lock:
            self.cancelled = True
            sessions = sorted(self._sessions - {0})
        if not sessions:
            return
        with self.connect(listed=False) as connection:
            for session in sessions:
                with suppress(CrossdockError):
                    connection.run(self.traits.known.end.format(session))

    @contextmanager
    def explaining(self, where: str = "") -> Iterator[None]:
        """Within the block the drivers' errors become crossdock's."""
        try:
            yield
        except CrossdockError as error:
            if self.cancelled and not isinstance(error, CancelledError):
                raise CancelledError from error
            raise
        except Exception as error:
            if self.cancelled:
                raise CancelledError from error
            if mapped := fault(error, where or self.where):
                raise mapped from error
            raise


class Connection:
    """A connection of pyodbc. Not for several threads at once."""

    def __init__(self, inner: Any, database: Database) -> None:
        self.inner, self.database = inner, database
        self.where, self.traits = database.where, database.traits

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement to its end; returns its rows."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def change(self, sql: str) -> int:
        """Run one statement; returns how many rows it changed, -1 where the driver does not tell."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def value(self, sql: str) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.run(sql) if sql else []
        return rows[0][0] if rows else None

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        with self.database.explaining():
            cursor = self.inner.cursor()
            try:
                yield cursor
            finally:
                with suppress(Exception):
                    cursor.close()


class Rows:
    """A connection of arrow-odbc. Not for several threads at once."""

    def __init__(self, inner: Any, database: Database, autocommit: bool) -> None:
        self._inner, self._database, self._autocommit = inner, database, autocommit

    def run(self, sql: str) -> None:
        with self._database.explaining():
            self._inner.execute(sql, query_timeout_sec=self._database.query_timeout or None)

    def value(self, sql: str) -> Any:
        """The first column of the first row; None where there is no row."""
        found = [batch for batch in self._reader(sql, None, 1) if batch.num_rows] if sql else []
        return found[0].column(0)[0].as_py() if found else None

    def schema(self, sql: str, values: Sequence[str] = ()) -> pa.Schema:
        """The columns of a query, as arrow-odbc would read them. ``values``: for its marks."""
        with self._database.explaining():
            return self._reader(sql, None, 1, values).schema

    def batches(
        self, sql: str, schema: pa.Schema, too_long: Any, values: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query as batches of this schema. ``too_long`` makes the error for a longer value."""
        with self._database.explaining():
            reader = self._reader(sql, schema, _BATCH_ROWS, values)
        while True:
            with self._database.explaining():
                try:
                    batch = next(reader, None)
                except Exception as error:
                    if TOO_LARGE in str(error):
                        raise too_long() from error
                    raise
            if batch is None:
                break
            yield batch
        self._check_alive()

    def _check_alive(self) -> None:
        """Microsoft's driver ends a result whose connection breaks as if it were complete."""
        try:
            self.run(self._database.traits.known.session or "SELECT 1")
        except (ConfigError, NotFoundError):
            return  # another SQL: somebody has answered
        except CancelledError:
            raise
        except CrossdockError as error:
            raise ShortReadError(
                f"{self._database.where}: the connection broke off before the last row", detail=str(error)
            ) from error

    def _reader(self, sql: str, schema: pa.Schema | None, rows: int, values: Sequence[str] = ()) -> Any:
        text, binary = self._database.limits
        return self._inner.read_arrow_batches(
            sql, batch_size=rows, max_bytes_per_batch=BATCH_BYTES, max_text_size=text, max_binary_size=binary,
            schema=schema, fetch_concurrently=rows > 1, parameters=list(values) or None,
            query_timeout_sec=self._database.query_timeout or None,
            # What a narrow encoding can hold depends on the process's locale.
            payload_text_encoding=_arrow_odbc().TextEncoding.UTF16,
        )  # fmt: skip

    def insert(self, table: str, reader: Any, rows: int) -> None:
        """Insert the reader's rows by arrays of parameters, so many at once."""
        with self._database.explaining():
            self._inner.insert_into_table(reader, table, rows)

    def commit(self) -> None:
        if not self._autocommit:
            with self._database.explaining():
                self._inner.commit()

    def close(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None and not self._autocommit:
            with suppress(Exception):
                inner.rollback()


def named(columns: Sequence[str], option: str, limit: int, where: str) -> DataError:
    """The error for a value that is longer than an option allows."""
    which = f"the column {columns[0]}" if len(columns) == 1 else f"one of the columns {', '.join(columns)}"
    return DataError(
        f"{where}: a value of {which} is longer than the {limit:,} of {option}",
        hint=f"-s {option}=... reads longer ones, in smaller batches",
    )
