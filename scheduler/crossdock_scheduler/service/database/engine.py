"""Connections to the database, and what a transaction is on each kind of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from crossdock import ConfigError

from ... import clock
from .together import A, Many, Together

T = TypeVar("T")
_KINDS = ("sqlite", "postgresql+psycopg")
# Seconds that a statement waits for another process's transaction on SQLite.
_PATIENCE = 30
# Of a connection to PostgreSQL: when it was used, and for how many seconds it is taken for granted.
_USED, _FRESH = "crossdock.used", 1.0
# For so many seconds what the database has said of its time is gone by.
_TOLD = 3.0
_TIME: sa.Select[Any] = sa.select(sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double()))


class Database:
    """One database. Its methods block; connections are pooled and belong to one thread at a time."""

    FILE = "service.db"

    def __init__(self, url: str) -> None:
        """Opens nothing yet. Raises ConfigError for an address that is none."""
        try:
            found = sa.make_url(url)
        except ArgumentError:
            raise ConfigError(
                f"--database is no address; it is of the form {' or '.join(_forms())}"
            ) from None
        if found.drivername not in _KINDS:
            raise ConfigError(f"--database: {found.drivername!r} is not known; use {' or '.join(_forms())}")
        self.is_sqlite = found.drivername == "sqlite"
        self.engine = sa.create_engine(found, **self._options())
        # SQLite has one writer: threads of this process wait in turn instead of trying again and again.
        self._turn: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()
        self._together = Together(self.write, apart=not self.is_sqlite)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare)
            sa.event.listen(self.engine, "begin", _begin)
        else:
            sa.event.listen(self.engine, "checkin", _used)
            sa.event.listen(self.engine, "checkout", self._check)

    @classmethod
    def embedded(cls, folder: Path) -> Database:
        """The SQLite database of a state folder."""
        return cls(f"sqlite:///{folder / cls.FILE}")

    def _options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"connect_args": {"timeout": _PATIENCE, "check_same_thread": False}, "pool_size": 40}
        # Else a server that has vanished without a word is waited for as long as the kernel likes. It is
        # given up so soon that there is time to renew leases at the next one before they run out.
        gone = {
            "connect_timeout": 3,
            "keepalives_idle": 3,
            "keepalives_interval": 1,
            "keepalives_count": 2,
            "tcp_user_timeout": 5_000,
        }
        return {"pool_size": 20, "max_overflow": 20, "pool_timeout": 5, "connect_args": gone}

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: committed at the end of the block, rolled back when that raises.

        On SQLite it excludes all others from its start; on PostgreSQL rows are locked as they are touched.
        """
        with self._turn, self.engine.connect() as connection:
            connection.execution_options(crossdock_writes=True)
            with connection.begin():
                yield connection

    async def together(self, key: str, work: Callable[[sa.Connection], T]) -> T:
        """As ``work`` in a ``write``, committed with others that wait for the database; of one event loop.

        ``work`` may be called twice, when it was undone. What it raises concerns nobody else. Those with a
        greater ``key`` lock their rows later: nobody waits for each other.
        """
        return await self._together.run(key, work)

    async def alike(self, key: str, asked: A, many: Many[A, T], pause: float = 0.0) -> T:
        """As ``together``, for what ``many`` does with all that were asked at once: one result for each, or
        the error of one that has changed nothing. It is called every ``pause`` seconds at most."""
        return await self._together.run_alike(key, asked, many, pause)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view. Nothing may be changed in it."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def tell_time(self) -> None:
        """Have the ``clock`` go by that of the database, by which all replicas go. SQLite has none."""
        if self.is_sqlite:
            return
        with self.read() as connection:
            _follow(connection)

    def know_time(self, connection: sa.Connection) -> None:
        """As ``tell_time``, where that was a while ago: before anybody gets a lease by it."""
        if not self.is_sqlite and clock.followed() > _TOLD:
            _follow(connection)

    def _check(self, connection: Any, entry: ConnectionPoolEntry, _: Any) -> None:
        """Whether a connection that nobody has used for a while still is one. One that was is not asked."""
        if time.monotonic() - entry.info.get(_USED, 0.0) > _FRESH:
            dialect = self.engine.dialect
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError from error

    def close(self) -> None:
        self.engine.dispose()


def _forms() -> tuple[str, str]:
    return "sqlite:///FILE", "postgresql+psycopg://user@host/database"


def _follow(connection: sa.Connection) -> None:
    asked = clock.passing()
    theirs = connection.execute(_TIME).scalar_one()
    clock.follow(theirs, asked, clock.passing())


def _used(_: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED] = time.monotonic()


def _prepare(connection: Any, _: ConnectionPoolEntry) -> None:
    # Transactions are begun below: the driver would begin them late and without a lock.
    connection.isolation_level = None
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("crossdock_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
