"""Rows that a table refuses, at the commit: kept in a table beside the staging tables until the cleanup."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .identifiers import MSSQL
from .mssql_columns import Column, exists, listed
from .mssql_connection import Connection, Server
from .mssql_source import pack, read
from .mssql_staging import Staging, create_table
from .mssql_types import Type

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER, _REASON = "crossdock_number", "crossdock_reason"


def _left(staging: Staging) -> str:
    return f"{staging.prefix}left"


@dataclass
class Fitting:
    """Finds the rows that fit, of one staging table after the other: each sees those that came before."""

    connection: Connection
    staging: Staging
    _tables: int = 0

    def __post_init__(self) -> None:
        names, kinds = [*self.staging.schema.names, _REASON], [*self.staging.staged, "nvarchar(400)"]
        self.connection.run(create_table(self.staging.table(_left(self.staging)), names, kinds))

    def of(self, name: str) -> str:
        """A table of those rows of a staging table that the target takes; the others are left out."""
        source = dict(zip(map(str.lower, self.staging.columns), self.staging.schema.names, strict=True))
        needed = [
            MSSQL.quote(source[column.name.lower()])
            for column in listed(self.connection, self.staging.parts)
            if not (column.nullable or column.identity) and column.name.lower() in source
        ]
        if needed:
            missing = " OR ".join(f"s.{each} IS NULL" for each in needed)
            name = self._without(name, missing, "a column that may not be null has no value")
        for keys in self._keys():
            if set(map(str.lower, keys)) <= source.keys():
                pairs = [(MSSQL.quote(key), MSSQL.quote(source[key.lower()])) for key in keys]
                name = self._without_taken(name, pairs)
        return name

    def _without_taken(self, name: str, keys: Sequence[tuple[str, str]]) -> str:
        """Without rows whose key the target has, or an earlier row of the same table."""
        ours = ", ".join(own for _, own in keys)
        numbered = self._make(_NUMBER)
        # Numbered once and kept: equal rows have no order that two statements would agree on.
        self._insert(
            numbered, name, f", ROW_NUMBER() OVER (PARTITION BY {ours} ORDER BY {ours})", into=_NUMBER
        )
        same = " AND ".join(f"t.{key} = s.{own}" for key, own in keys)
        taken = f"EXISTS (SELECT 1 FROM {self.staging.target} AS t WHERE {same})"
        return self._without(numbered, f"s.{_NUMBER} > 1 OR {taken}", f"the key ({ours}) is taken")

    def _without(self, name: str, refused: str, reason: str) -> str:
        kept = self._make()
        more = f", {MSSQL.text(reason)}"
        self._insert(_left(self.staging), name, more, into=_REASON, where=refused)
        self._insert(kept, name, where=f"NOT ({refused})")
        return kept

    def _make(self, *numbers: str) -> str:
        self._tables += 1
        name = f"{self.staging.prefix}fit{self._tables}"
        names, kinds = (
            [*self.staging.schema.names, *numbers],
            [*self.staging.staged, *["bigint"] * len(numbers)],
        )
        self.connection.run(create_table(self.staging.table(name), names, kinds))
        return name

    def _insert(self, table: str, name: str, more: str = "", *, into: str = "", where: str = "") -> None:
        names = ", ".join(map(MSSQL.quote, self.staging.schema.names))
        given = f"{names}, {into}" if into else names
        condition = f" WHERE {where}" if where else ""
        self.connection.run(
            f"INSERT INTO {self.staging.table(table)} ({given}) SELECT {names}{more} "
            f"FROM {self.staging.table(name)} AS s{condition}"
        )

    def _keys(self) -> list[list[str]]:
        """The columns of each unique index that counts for all rows."""
        rows = self.connection.run(
            "SELECT i.index_id AS id, c.name AS name FROM sys.indexes AS i "
            "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
            "AND k.key_ordinal > 0 "
            "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
            f"WHERE i.object_id = OBJECT_ID({MSSQL.text(self.staging.target)}) AND i.is_disabled = 0 "
            "AND i.has_filter = 0 AND i.is_unique = 1 ORDER BY i.index_id, k.key_ordinal"
        )
        found: dict[int, list[str]] = {}
        for number, column in rows:
            found.setdefault(int(number), []).append(str(column))
        return list(found.values())


def left_out(server: Server, staging: Staging) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
    names = [*staging.schema.names, _REASON]
    items = ", ".join(f"CAST({MSSQL.quote(each)} AS nvarchar(max)) AS {MSSQL.quote(each)}" for each in names)
    columns = [Column(each, Type("nvarchar", -1)) for each in names]
    with server.connect() as connection:
        if not exists(connection, (staging.within, _left(staging))):
            return
        sql = f"SELECT {items} FROM {staging.table(_left(staging))}"
        with read(connection, pack(staging.shown, sql, columns), "ns", "utc") as batches:
            for batch in batches:
                reasons = batch.column(batch.num_columns - 1).to_pylist()
                yield batch.select(range(batch.num_columns - 1)), reasons
