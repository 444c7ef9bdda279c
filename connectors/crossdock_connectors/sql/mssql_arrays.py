"""Rows as arrays of parameters (pyodbc's ``fast_executemany``), for a server that refuses a bulk copy.

Values become Python's, and those that Python or the driver would round go as texts, which the server
converts.
"""

# ruff: noqa: S608 - names go through MSSQL.quote(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock import NotSupportedError

from .array_width import fitting
from .identifiers import MSSQL
from .mssql_driver import DriverConnection
from .mssql_types import Type
from .odbc_drivers import is_freetds, odbc, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_connection import Server

# A longer one is bound as one without a limit, in UTF-16 or bytes.
_LONGEST_TEXT, _LONGEST_BYTES = 4000, 8000
# YYYY-MM-DDThh:mm:ss.nnnnnnn and hh:mm:ss.nnnnnnn: the server takes no more digits.
_MOMENT, _CLOCK = 27, 16


def insert(
    server: Server, table: str, columns: Mapping[str, Type], batches: Iterator[pa.RecordBatch], timeout: int
) -> int:
    """Put the rows into the columns; returns how many that were. ``timeout``: seconds of a round trip.

    They are not in one transaction. Raises as the statements of a connection.
    """
    count, listed = 0, ", ".join(map(MSSQL.quote, columns))
    with _connected(server) as connection, _limited(connection, timeout).cursor() as cursor:
        cursor.fast_executemany = True
        for batch in batches:
            plain = [_plain(column) for column in batch.columns]
            values = ", ".join(map(_marked, plain, columns.values()))
            sql = f"INSERT INTO {table} ({listed}) VALUES ({values})"
            size = fitting(batch)
            for start in range(0, batch.num_rows, size):
                part = [column.slice(start, size) for column in plain]
                cursor.setinputsizes([_bound(column) for column in part])
                cursor.executemany(sql, list(zip(*(column.to_pylist() for column in part), strict=True)))
            count += batch.num_rows
    return count


def _limited(connection: DriverConnection, timeout: int) -> DriverConnection:
    connection.limit(timeout)
    return connection


def _connected(server: Server) -> DriverConnection:
    """By the driver of the wheel, whichever one statements go through: not each takes arrays."""
    path = quoted(_library(), "msodbcsql", "Driver")
    return server.listed(DriverConnection(server, f"Driver={path};{server.text}"))


def _library() -> str:
    """The path of Microsoft's ODBC driver in the wheel that mssql-python needs."""
    from mssql_python import ddbc_bindings
    from mssql_python_odbc import get_libs_dir

    find = getattr(ddbc_bindings, "GetDriverPathCpp", None)
    found = str(find(str(Path(get_libs_dir()).parent))) if find else ""
    if not Path(found).is_file() or is_freetds(found):
        raise NotSupportedError(
            "the server refuses bulk copies, and mssql-python has no driver for arrays here"
        )
    return found


def _plain(column: pa.Array) -> pa.Array:
    """Values that Python has as they are; others as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_timestamp(kind):
        zoned, plain = kind.tz is not None, column.cast(pa.timestamp(kind.unit))
        text = pc.replace_substring(plain.cast(pa.string()), " ", "T", max_replacements=1)
        text = pc.utf8_slice_codeunits(text, 0, _MOMENT)
        return pc.binary_join_element_wise(text, "+00:00", "") if zoned else text
    if pa.types.is_time(kind):
        return pc.utf8_slice_codeunits(column.cast(pa.string()), 0, _CLOCK)
    if pa.types.is_decimal(kind) or pa.types.is_date(kind):
        return column.cast(pa.string())
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    return column


def _marked(column: pa.Array, kind: Type) -> str:
    import pyarrow as pa

    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return f"CAST(? AS {kind})" if is_text and "char" not in kind.name else "?"


def _bound(column: pa.Array) -> tuple[Any, int, int]:
    """The type of a parameter as ODBC has it, wide enough for all values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        return odbc().SQL_BIGINT, 0, 0
    if pa.types.is_floating(column.type):
        return odbc().SQL_DOUBLE, 0, 0
    size = max(1, pc.max(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return odbc().SQL_WVARCHAR, size if size <= _LONGEST_TEXT else 0, 0
    return odbc().SQL_VARBINARY, size if size <= _LONGEST_BYTES else 0, 0
