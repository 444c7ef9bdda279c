"""Statements through an ODBC driver that the user names; rows go through mssql-python all the same."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from crossdock import ConfigError, CrossdockError

from .mssql_connection import Connection, Server, ended_by_limit
from .mssql_errors import by_text
from .odbc_drivers import check_driver, is_freetds, odbc, quoted

if TYPE_CHECKING:
    import pyarrow as pa

# Of Microsoft's drivers: an attribute of a connection, which is set before it is opened.
_ACCESS_TOKEN = 1256
_SCOPE = "https://database.windows.net/.default"
_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)")


def connection_string(driver: str, settings: Mapping[str, str]) -> str:
    """For pyodbc, from the settings for mssql-python. Raises ConfigError where that must not be."""
    check_driver(driver, odbc().drivers())
    found = {"Driver": driver, **settings}
    if is_freetds(driver):
        host, _, port = settings["Server"].removeprefix("tcp:").rpartition(",")
        if settings["TrustServerCertificate"] != "yes":
            raise ConfigError(
                f"the driver {driver} does not verify the server's certificate; "
                "trust_server_certificate=true accepts that"
            )
        found |= {"Server": host, "Port": port, "TDS_Version": "7.4", "ClientCharset": "UTF-8"}
        found |= {"Encryption": "off" if settings["Encrypt"] == "no" else "require"}
        for key in ("Encrypt", "TrustServerCertificate", "ConnectRetryCount"):
            del found[key]
    return "".join(f"{key}={quoted(value, driver, key)};" for key, value in found.items())


class DriverConnection(Connection):
    """As ``Connection``. An isolation level that is set holds for the rows as well."""

    def __init__(self, server: Server, text: str) -> None:
        super().__init__(self._opened(server, text), server)
        self._settings: list[str] = []
        self._carrier: Connection | None = None

    def _opened(self, server: Server, text: str) -> Any:
        before: dict[int, bytes] = {}
        if server.credential is not None:
            token = server.credential.get_token(_SCOPE).token.encode("utf-16-le")
            before[_ACCESS_TOKEN] = struct.pack(f"<I{len(token)}s", len(token), token)
        try:
            return odbc().connect(text, autocommit=True, timeout=server.connect_timeout, attrs_before=before)
        except odbc().Error as error:
            raise _fault(error, server.where) from error

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        rows = super().run(sql)
        if sql.startswith("SET TRANSACTION ISOLATION LEVEL"):
            self._settings.append(sql)
        return rows

    @contextmanager
    def batches(self, sql: str, rows: int) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        with self._rows().batches(sql, rows) as found:
            yield found

    def bulk_load(self, *arguments: Any, **options: Any) -> int:
        return self._rows().bulk_load(*arguments, **options)

    def _rows(self) -> Connection:
        self._go_on()
        if self._carrier is None:
            self._carrier = self._server.carrier()
            for sql in self._settings:
                self._carrier.run(sql)
        return self._carrier

    def explained(self, error: Exception) -> Exception:
        if isinstance(error, odbc().Error):
            return ended_by_limit(_fault(error, self.where))
        return super().explained(error)

    def cancel(self) -> None:
        self._cancelled = True
        cursor = self._running
        with suppress(Exception):
            if cursor is not None:
                cursor.cancel()

    def close(self) -> None:
        super().close()
        if self._carrier is not None:
            self._carrier.close()


def _fault(error: Exception, where: str) -> CrossdockError:
    """pyodbc's errors have the server's number."""
    text = str(error.args[-1]) if error.args else ""
    found = _NATIVE.search(text)
    reason = _NATIVE.sub("", re.sub(r"^(\[[^\]]*\])+", "", text)).strip()
    return by_text(int(found[1]) if found else 0, reason, where, text)
