"""What a dedicated SQL pool of Synapse does otherwise: what it refuses, and ``COPY INTO`` of Parquet.

A client that signs in to the database ``pool`` gets one. Its numbers are the real one's, where known.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient

from .tds_tsql import SqlError, Token, chain, closing, quote, split, table_name
from .tds_types import Kind, Value, cast

NAME, EDITION = "pool", 6
_HINTS = {"TABLOCK", "TABLOCKX", "UPDLOCK", "HOLDLOCK"}
_TABLES_OF_SESSIONS = {"dm_exec_sessions", "triggers", "foreign_keys"}
_IDENTITIES = {"Storage Account Key": "account key", "Shared Access Signature": "sas"}


def check(tokens: Sequence[Token], *, in_transaction: bool) -> None:
    """Raises SqlError for a statement that a pool does not take."""
    words = [token.word for token in tokens]
    verb = words[0]
    if in_transaction and verb in ("CREATE", "DROP", "TRUNCATE", "ALTER", "COPY"):
        raise SqlError(111212, "Operation cannot be performed within a transaction.")
    refused = (
        (_HINTS & set(words) and words[:2] != ["INSERT", "BULK"])
        or verb in ("ENABLE", "DISABLE", "KILL")
        or words[:2] in (["CREATE", "TYPE"], ["CREATE", "TRIGGER"], ["SET", "PARSEONLY"])
        or (verb == "UPDATE" and ("JOIN" in words or words[chain(tokens, 1)[1]] != "SET"))
        or any(token.name.lower() in _TABLES_OF_SESSIONS for token in tokens if token.is_name())
    )
    if refused:
        raise SqlError(103010, f"Parse error: Incorrect syntax near '{refused}'.", 15)
    if "PRIMARY" in words and "ENFORCED" not in words:
        raise SqlError(104467, "Enforced unique constraints are not supported.")
    if words[:2] == ["CREATE", "TABLE"] and "HEAP" not in words and "MAX" in words:
        raise SqlError(35343, "A column has a data type that cannot participate in a columnstore index.")


def copy_into(connection: sqlite3.Connection, tokens: Sequence[Token]) -> int:
    """``COPY INTO table (column 1, ...) FROM 'address' WITH (...)``; returns how many rows that were."""
    parts, at = chain(tokens, 2)
    end = closing(tokens, at)
    columns = [(item[0].name, int(item[1].text)) for item in split(tokens[at + 1 : end])]
    address = tokens[end + 2].value
    given = split(tokens[end + 5 : closing(tokens, end + 4)])
    options = {item[0].word: item[2:] for item in given}
    connection.execute("INSERT INTO test_copies VALUES (?)", [" ".join(sorted(options))])
    table = pq.read_table(io.BytesIO(_fetched(connection, address, options.get("CREDENTIAL", []))))
    kinds = _kinds(connection, table_name(parts))
    lists = [_values(table.column(place - 1), kinds[name.lower()]) for name, place in columns]
    names, marks = ", ".join(quote(name) for name, _ in columns), ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO {quote(table_name(parts))} ({names}) VALUES ({marks})", zip(*lists, strict=True)
    )
    return int(table.num_rows)


def _kinds(connection: sqlite3.Connection, table: str) -> dict[str, Kind]:
    rows = connection.execute(f"PRAGMA table_info({quote(table)})").fetchall()
    if not rows:
        raise SqlError(208, f"Invalid object name '{table}'.")
    return {row[1].lower(): Kind.parse(row[2]) for row in rows}


def _values(column: pa.ChunkedArray, kind: Kind) -> list[Value]:
    """As the type keeps them; as strict as COPY INTO, which converts nothing."""
    fits = {
        "bit": pa.types.is_boolean, "tinyint": lambda t: t == pa.uint8(), "int": pa.types.is_integer,
        "smallint": pa.types.is_integer, "bigint": pa.types.is_integer, "float": lambda t: t == pa.float64(),
        "real": lambda t: t == pa.float32(), "date": pa.types.is_date, "datetime2": pa.types.is_timestamp,
        "time": pa.types.is_time, "decimal": pa.types.is_decimal, "nvarchar": _is_text,
        "varchar": _is_text, "varbinary": _is_binary, "binary": _is_binary,
    }.get(kind.name)  # fmt: skip
    if fits is None or not fits(column.type):
        raise SqlError(13812, f"Column: unexpected type {column.type} in Parquet, expected {kind}.")
    if pa.types.is_timestamp(column.type) or pa.types.is_time(column.type):
        column = pc.cast(column, pa.string())
    found: list[Any] = column.to_pylist()
    too_long = kind.length > 0 and any(each is not None and len(each) > kind.length for each in found)
    if too_long:
        raise SqlError(2628, "String or binary data would be truncated while reading column.")
    return [cast(each, kind) for each in found]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _fetched(connection: sqlite3.Connection, address: str, credential: Sequence[Token]) -> bytes:
    """The bytes of a blob, read with what the statement says."""
    host, _, path = address.removeprefix("https://").partition("/")
    found = connection.execute("SELECT address, ca FROM test_stores WHERE host = ?", [host]).fetchone()
    if found is None:
        raise SqlError(13807, f"Content of directory on path '{address}' cannot be listed.")
    said = {item[0].word: item[2].value for item in split(credential[1:-1]) if len(item) == 3}
    kind = _IDENTITIES.get(said.get("IDENTITY", ""))
    container, _, name = path.partition("/")
    key: Any = said.get("SECRET")
    if kind == "account key":
        key = {"account_name": host.partition(".")[0], "account_key": key}
    try:
        with BlobClient(found[0], container, name, credential=key, connection_verify=found[1]) as blob:
            return bytes(blob.download_blob().readall())
    except (AzureError, ValueError) as error:
        raise SqlError(105019, f"COPY statement failed: {type(error).__name__} at {address}") from error
