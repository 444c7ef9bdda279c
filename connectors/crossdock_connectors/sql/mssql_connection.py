"""Connections to one database of SQL Server, through mssql-python."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

from crossdock import (
    AuthError,
    CancelledError,
    ConfigError,
    CrossdockError,
    Location,
    NotFoundError,
    UnreachableError,
)
from crossdock_connectors import entra

from .identifiers import MSSQL
from .mssql_bulk import BulkLoad
from .mssql_errors import TOO_LONG, UNOPENED, UNREACHED, fault
from .mssql_instance import port_of

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_config import MssqlConfig

_CONTROL = frozenset(map(chr, (*range(32), 127)))
_once = threading.Lock()
C = TypeVar("C", bound="Connection")


def _braced(value: str) -> str:
    """A value in a connection string, whatever is in it."""
    return "{" + value.replace("}", "}}") + "}"


@dataclass(frozen=True)
class _GivenToken:
    """A token of Entra ID as azure-identity would give it."""

    token: str = field(repr=False)
    expires_on: int = 2**31

    def get_token(self, *_scopes: str, **_options: Any) -> _GivenToken:
        return self


@dataclass(frozen=True)
class Server:
    """How to open a connection. ``where`` is what messages call it; ``text`` holds the password.

    ``statements``: the connection string of another driver for statements, or empty. ``refused``: whether
    the server has refused a bulk copy.
    """

    where: str
    text: str = field(repr=False)
    connect_timeout: int
    query_timeout: int
    credential: Any = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    statements: str = field(default="", repr=False)
    _open: set[Connection] = field(default_factory=set, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    _answered: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)
    port: int = 1433
    refused: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)
    _editions: list[int] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(cls, config: MssqlConfig, location: Location) -> Server:
        """Raises ConfigError for an address that is none, AuthError without a password, UnreachableError for
        an instance whose port nobody tells."""
        if location.query:
            raise ConfigError(
                f"{_shown(location)}: options are not part of the address; give them as key=value"
            )
        parts = urlsplit(f"//{location.authority}")
        database = location.path.strip("/")
        try:
            port = parts.port
        except ValueError:
            raise ConfigError(f"{_shown(location)}: the port is not a number from 1 to 65535") from None
        host = parts.hostname or ""
        values = (host, database, unquote(parts.username or ""), unquote(parts.password or ""))
        if not host or "/" in database or _CONTROL & set("".join(values)) or set(host) & set(";,={}\\"):
            raise ConfigError(
                f"{_shown(location)} names no database, as mssql://user@host:1433/database#schema.table does"
            )
        if port is None:
            port = port_of(host, config.instance, config.connect_timeout) if config.instance else 1433
        settings = {
            "Server": f"tcp:{host},{port}",
            "Database": database or "master",
            "Encrypt": config.encrypt,
            "TrustServerCertificate": "yes" if config.trust_server_certificate else "no",
            # Retrying is the engine's.
            "ConnectRetryCount": "0",
        }
        credential = _sign_in(config, values[2], values[3], settings)
        text = ";".join(f"{key}={_braced(value)}" for key, value in settings.items())
        where = f"{host}:{port}/{settings['Database']}"
        notes = []
        if config.trust_server_certificate:
            notes.append(f"the certificate of {host}:{port} was not verified (trust_server_certificate)")
        if config.encrypt == "no":
            notes.append(f"{host}:{port} was not asked to encrypt (encrypt=no)")
        statements = ""
        if config.driver:
            from .mssql_driver import connection_string

            statements = connection_string(config.driver, settings)
            notes.append(f"statements went through the driver {config.driver}, rows through mssql-python")
        timeouts = config.connect_timeout, config.query_timeout
        return cls(where, text, *timeouts, credential, tuple(notes), statements, port=port)

    def connect(self) -> Connection:
        """Raises AuthError, NotFoundError, UnreachableError or TransientError."""
        if not self.statements:
            return self.carrier()
        from .mssql_driver import DriverConnection

        try:
            connection = DriverConnection(self, self.statements)
        except CrossdockError as error:
            raise self._unreached(error) from error
        return self.listed(connection)

    def carrier(self) -> Connection:
        """A connection of mssql-python, which carries rows. Raises as ``connect``."""
        import mssql_python

        with _once:
            # Its pool keeps a session's isolation level, and a forked child would share its sockets.
            mssql_python.pooling(enabled=False)
        options: dict[str, Any] = {"token_provider": self.credential} if self.credential else {}
        try:
            inner = mssql_python.connect(self.text, autocommit=True, timeout=self.connect_timeout, **options)
        except Exception as error:
            if mapped := fault(error, self.where):
                raise self._unreached(mapped) from error
            raise
        return self.listed(Connection(inner, self))

    def listed(self, connection: C) -> C:
        """The connection, which ``cancel`` ends too from now on."""
        self._answered.set()
        connection.limit(self.query_timeout)
        with self._lock:
            self._open.add(connection)
        return connection

    def _unreached(self, error: CrossdockError) -> CrossdockError:
        """Trying again does not help where a server has never answered: its address is wrong, say."""
        if self._answered.is_set():
            return error
        if UNOPENED in error.message:
            return NotFoundError(
                f"{self.where} lacks the database, or the login may not open it", detail=error.detail
            )
        if UNREACHED in error.message:
            return UnreachableError(error.message, detail=error.detail)
        return error

    def edition(self, connection: Connection) -> int:
        """What the server says that it is: 6 is a dedicated SQL pool of Synapse, 11 Fabric's warehouse."""
        if not self._editions:
            self._editions.append(
                int(connection.value("SELECT CONVERT(int, SERVERPROPERTY('EngineEdition')) AS edition") or 0)
            )
        return self._editions[0]

    def closed(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)

    def cancel(self) -> None:
        """End what all connections are doing, from any thread; what they do next raises CancelledError.

        A bulk copy works on a connection of its own, which is cut. Where that is not known the server is told
        to end the session, which takes the right ALTER ANY CONNECTION.
        """
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.cancel()
        loads = [load for connection in connections if (load := connection.load) and not load.cut()]
        if loads:
            with suppress(CrossdockError), self.connect() as connection:
                for (session,) in connection.run(
                    "SELECT session_id FROM sys.dm_exec_sessions "  # noqa: S608 - names of our own
                    f"WHERE host_name IN ({', '.join(MSSQL.text(load.session) for load in loads)})"
                ):
                    with suppress(CrossdockError):
                        connection.run(f"KILL {int(session)}")


def _shown(location: Location) -> str:
    """The address without what may be a password."""
    return f"mssql://{location.authority.rpartition('@')[2]}{location.path}"


def _sign_in(config: MssqlConfig, user: str, password: str, settings: dict[str, str]) -> Any:
    """Put what signs in into the settings; returns the credential for Entra ID, if it is that."""
    auth = config.auth
    if auth == "auto":
        auth = "sql" if user else "entra"
    if config.access_token is not None:
        return _GivenToken(config.access_token.get_secret_value())
    if auth == "entra":
        return entra.sign_in(config, bundle=os.environ.get("SSL_CERT_FILE", ""))
    if auth == "integrated":
        settings["Trusted_Connection"] = "yes"
        return None
    if config.password is not None:
        password = config.password.get_secret_value()
    password = password or os.environ.get("MSSQL_PASSWORD", "")
    if not user or not password or "\0" in password:
        missing = (
            "password; give password=... or set MSSQL_PASSWORD" if user else "login: mssql://login@host/..."
        )
        raise AuthError(f"signing in to {settings['Server'][4:]} needs a {missing}")
    settings.update(UID=user, PWD=password)
    return None


class Connection:
    """One connection in autocommit mode. Not for several threads at once, but for ``cancel``.

    ``load`` is the bulk copy that is going on.
    """

    def __init__(self, inner: Any, server: Server) -> None:
        self._inner, self._server, self.where = inner, server, server.where
        self._running: Any = None
        self._cancelled = False
        self.load: BulkLoad | None = None

    def limit(self, seconds: int) -> None:
        """How long each statement from now on may take; 0: for ever."""
        self._inner.timeout = seconds

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a batch to its end; returns the rows of its first result, where it has one."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            # Errors of later statements come with their results.
            while cursor.nextset():
                pass
            return rows

    def value(self, sql: str) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.run(sql)
        return rows[0][0] if rows else None

    @contextmanager
    def batches(self, sql: str, rows: int) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """Run a query; its rows come as record batches of at most ``rows``."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            reader = cursor.arrow_reader(rows)
            try:
                yield reader.schema, self._batches(reader)
            finally:
                reader.close()

    def _batches(self, reader: Any) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except Exception as error:
                raise self.explained(error) from error
            yield batch

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor, in whose block the driver's errors become crossdock's."""
        self._go_on()
        try:
            cursor = self._inner.cursor()
        except Exception as error:
            raise self.explained(error) from error
        self._running = cursor
        try:
            yield cursor
            # The driver ends what is cancelled as if it were complete.
            self._go_on()
        except Exception as error:
            if self._cancelled:
                raise CancelledError from error
            raise self.explained(error) from error
        finally:
            self._running = None
            with suppress(Exception):
                cursor.close()

    def _go_on(self) -> None:
        if self._cancelled:
            raise CancelledError

    def explained(self, error: Exception) -> Exception:
        """The crossdock error for the driver's; others as they are."""
        if isinstance(error, CrossdockError):
            return error
        first = fault(error, self.where)
        if first is None:
            return error
        return ended_by_limit(fault(error, self.where, self._number()) or first)

    def _number(self) -> int:
        """The number of the last error, which the driver's exceptions lack; 0 where nobody answers."""
        with suppress(Exception):
            cursor = self._inner.cursor()
            try:
                return int(cursor.execute("SELECT @@ERROR").fetchval())
            finally:
                cursor.close()
        return 0

    def bulk_load(
        self, table: str, items: pa.RecordBatchReader, names: Sequence[str], timeout: int, **options: Any
    ) -> int:
        """Load the items into a table through a connection of its own; returns how many rows that were.

        ``options`` are those of the driver: ``batch_size``, ``keep_identity``, ...
        """
        self._go_on()
        cursor = self._inner.cursor()
        self.load = BulkLoad(self._server.port, self._server.connect_timeout)
        try:
            return self.load.run(cursor, table, items, names, timeout, **options)
        finally:
            self.load = None
            cursor.close()

    def cancel(self) -> None:
        """Make a blocked call return soon; for another thread."""
        self._cancelled = True
        cursor = self._running
        with suppress(Exception):
            if cursor is not None and cursor.hstmt is not None:
                cursor.hstmt._cancel()

    def close(self) -> None:
        self._server.closed(self)
        with suppress(Exception):
            self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ended_by_limit(error: CrossdockError) -> CrossdockError:
    """The same statement would take as long again: ConfigError."""
    if TOO_LONG not in error.message:
        return error
    return ConfigError(error.message, detail=error.detail)
