"""The database behind the TDS server: an SQLite file with a catalogue that looks like SQL Server's."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import uuid4
from zlib import crc32

from .tds_tsql import SqlError, quote
from .tds_types import Kind, Value, cast

TYPES = (
    "bigint", "binary", "bit", "char", "date", "datetime", "datetime2", "datetimeoffset", "decimal",
    "float", "int", "money", "nchar", "nvarchar", "real", "smalldatetime", "smallint", "smallmoney",
    "time", "timestamp", "tinyint", "uniqueidentifier", "varbinary", "varchar", "xml", "sql_variant",
)  # fmt: skip
_CATALOGUE = """
CREATE TABLE "sys.schemas" (schema_id "int", name "nvarchar(128)");
CREATE TABLE "sys.objects" (object_id INTEGER PRIMARY KEY AUTOINCREMENT, name "nvarchar(128)",
    schema_id "int", type "char(2)", is_ms_shipped "bit" DEFAULT 0);
CREATE VIEW "sys.tables" AS SELECT * FROM "sys.objects" WHERE type = 'U';
CREATE TABLE "sys.table_types" (type_table_object_id "int", name "nvarchar(128)", schema_id "int");
CREATE TABLE "sys.types" (user_type_id "int", system_type_id "int", name "nvarchar(128)");
CREATE TABLE "sys.columns" (object_id "int", column_id "int", name "nvarchar(128)", user_type_id "int",
    system_type_id "int", max_length "smallint", precision "tinyint", scale "tinyint", is_nullable "bit",
    is_identity "bit", is_computed "bit" DEFAULT 0, is_hidden "bit" DEFAULT 0,
    collation_name "nvarchar(128)", declared "nvarchar(128)");
CREATE TABLE "sys.default_constraints" (parent_object_id "int", parent_column_id "int",
    definition "nvarchar(4000)");
CREATE TABLE "sys.foreign_keys" (name "nvarchar(128)", parent_object_id "int",
    referenced_object_id "int");
CREATE TABLE "sys.triggers" (name "nvarchar(128)", parent_id "int", is_disabled "bit");
CREATE TABLE "sys.indexes" (object_id "int", index_id "int", type "tinyint", is_primary_key "bit",
    is_unique "bit", is_disabled "bit" DEFAULT 0, has_filter "bit" DEFAULT 0,
    data_space_id "int" DEFAULT 1);
CREATE TABLE "sys.partition_schemes" (data_space_id "int", function_id "int");
CREATE TABLE "sys.partition_functions" (function_id "int", name "nvarchar(128)");
CREATE TABLE "sys.index_columns" (object_id "int", index_id "int", column_id "int",
    key_ordinal "tinyint", partition_ordinal "tinyint" DEFAULT 0);
CREATE TABLE "sys.partitions" (object_id "int", index_id "int", partition_number "int", rows "bigint",
    hobt_id "bigint");
CREATE VIEW "sys.allocation_units" AS SELECT hobt_id AS container_id, 1 AS type,
    (rows + 99) / 100 AS used_pages FROM "sys.partitions";
CREATE TABLE "sys.dm_exec_sessions" (session_id "smallint", host_name "nvarchar(128)");
CREATE TABLE test_faults (part, number, times);
CREATE TABLE test_waits (part);
CREATE TABLE test_denied (part);
CREATE TABLE test_procedures (name, parameters, body);
CREATE TABLE test_quiet (triggers);
CREATE TABLE test_stores (host, address, ca);
CREATE TABLE test_copies (options);
INSERT INTO "sys.schemas" VALUES (1, 'dbo'), (4, 'sys');
"""


@dataclass
class Database:
    """A database file, which the server and the tests share."""

    path: Path

    def create(self) -> None:
        connection = self.open()
        connection.executescript(f"PRAGMA journal_mode = wal; {_CATALOGUE}")
        connection.executemany(
            'INSERT INTO "sys.types" VALUES (?, ?, ?)', [(i, i, name) for i, name in enumerate(TYPES, 1)]
        )
        connection.close()

    def fail(self, part: str, number: int, times: int = 1) -> None:
        """Statements with ``part`` in them meet an error, so many times."""
        self._put("INSERT INTO test_faults VALUES (?, ?, ?)", part, number, times)

    def wait(self, part: str) -> None:
        """Statements with ``part`` in them wait as for a lock, until ``release``."""
        self._put("INSERT INTO test_waits VALUES (?)", part)

    def release(self, part: str = "") -> None:
        """Let go those that wait, or only those with ``part`` in them."""
        self._put("DELETE FROM test_waits WHERE instr(part, ?)", part)

    def waiting(self) -> list[str]:
        """What statements wait for still."""
        connection = self.open()
        try:
            return [part for (part,) in connection.execute("SELECT part FROM test_waits")]
        finally:
            connection.close()

    def deny(self, part: str) -> None:
        """HAS_PERMS_BY_NAME says no where ``part`` is in its arguments; KILL is refused as a whole."""
        self._put("INSERT INTO test_denied VALUES (?)", part)

    def fetches(self, host: str, address: str, ca: Path) -> None:
        """COPY INTO finds the blobs of ``host`` at another address."""
        self._put("INSERT INTO test_stores VALUES (?, ?, ?)", host, address, str(ca))

    def copies(self) -> list[str]:
        """The names of the options of each COPY INTO that there was."""
        connection = self.open()
        try:
            return [options for (options,) in connection.execute("SELECT options FROM test_copies")]
        finally:
            connection.close()

    def forget(self) -> None:
        """What tests wished for is over."""
        for table in ("test_faults", "test_waits", "test_denied", "test_stores", "test_copies"):
            self._put(f"DELETE FROM {table}")

    def _put(self, sql: str, *values: str | int) -> None:
        connection = self.open()
        try:
            connection.execute(sql, values)
        finally:
            connection.close()

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA synchronous = off")
        connection.create_function(
            "tsql_cast", 2, lambda v, kind: cast(v, Kind.parse(kind)), deterministic=True
        )
        connection.create_function("tsql_datepart", 2, _datepart, deterministic=True)
        connection.create_function("tsql_iso", 1, _iso, deterministic=True)
        connection.create_function("tsql_page", 3, _page, deterministic=True)
        connection.create_function("newid", 0, lambda: str(uuid4()))
        connection.create_function("checksum", -1, _checksum, deterministic=True)
        connection.create_collation("tsql_decimal", lambda a, b: _order(Decimal(a), Decimal(b)))
        connection.create_collation("tsql_offset", lambda a, b: _order(_utc(a), _utc(b)))
        return connection

    def rows(self, table: str) -> list[tuple[Value, ...]]:
        """All rows of ``schema.table``, for a test to look at."""
        connection = self.open()
        try:
            return connection.execute(f"SELECT * FROM {quote(table)}").fetchall()
        finally:
            connection.close()

    def tables(self) -> list[str]:
        connection = self.open()
        try:
            found = connection.execute(
                "SELECT s.name || '.' || o.name FROM \"sys.tables\" o "
                'JOIN "sys.schemas" s USING (schema_id) ORDER BY 1'
            )
            return [name for (name,) in found]
        finally:
            connection.close()


def _datepart(part: str, value: str | None) -> int | None:
    if value is None:
        return None
    if part.lower() != "nanosecond":
        raise ValueError(part)
    return int(value.partition(".")[2].partition(" ")[0].ljust(9, "0")[:9] or 0)


def _page(seed: int, row: int, percent: float) -> bool:
    """Whether TABLESAMPLE takes the page of a row: whole pages, by chance."""
    return crc32(f"{seed} {row // 100}".encode()) < percent / 100 * 2**32


def _checksum(*values: Value) -> int:
    return crc32(repr(values).encode()) - 2**31


def _iso(value: Value) -> Value:
    """Style 126 of CONVERT."""
    return value.replace(" ", "T", 1).replace(" ", "") if isinstance(value, str) else value


def _order(a: object, b: object) -> int:
    return (a > b) - (a < b)  # type: ignore[operator]


def _utc(text: str) -> bytes:
    raw = Kind("datetimeoffset", scale=7).encode(text)
    return raw[6:9][::-1] + raw[1:6][::-1]


def explained(error: sqlite3.Error) -> SqlError:
    """The server's error for one of SQLite's."""
    text = str(error)
    if found := re.match(r"no such table: (.*)", text):
        return SqlError(208, f"Invalid object name '{found[1]}'.")
    if found := re.match(r"no such column: (.*)", text):
        return SqlError(207, f"Invalid column name '{found[1]}'.")
    if "UNIQUE constraint" in text:
        return SqlError(2627, f"Violation of PRIMARY KEY constraint: {text}.", 14)
    if "NOT NULL constraint" in text:
        return SqlError(515, f"Cannot insert the value NULL: {text}.")
    if "locked" in text:
        return SqlError(1222, "Lock request time out period exceeded.")
    return SqlError(102, f"Incorrect syntax: {text}", 15)
