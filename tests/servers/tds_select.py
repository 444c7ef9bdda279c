"""Answers to SELECT at the TDS server: the types of the columns, and what describes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from .tds_tsql import SqlError, Token, declared
from .tds_types import Kind, TdsError, Value

if TYPE_CHECKING:
    from .tds_engine import Result, Session

_DESCRIBED = """
CREATE TEMP TABLE dm_described (column_ordinal "int", name "nvarchar(128)", is_nullable "bit",
    system_type_name "nvarchar(256)", is_identity_column "bit", is_computed_column "bit",
    collation_name "nvarchar(128)", error_number "int", error_message "nvarchar(4000)")
"""


class Reading:
    """The SELECTs of one session."""

    def __init__(self, session: Session) -> None:
        self._session, self._connection = session, session.connection
        self._connection.execute(_DESCRIBED)

    def select(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        from .tds_engine import Result

        if any(token.word == "PARTITIONS" for token in tokens):
            self._session.catalogue.count_rows()
        sql = self._session.scalars(tokens, variables)
        kinds = self._kinds(sql)
        kinds.update(declared(tokens))
        only = self._session.only_metadata
        cursor = self._connection.execute(f"SELECT * FROM ({sql}) LIMIT 0" if only else sql)
        names = [each[0] for each in cursor.description]
        first = cursor.fetchone()
        columns = [
            ("" if i not in kinds and "(" in name else name,
             kinds.get(i) or _guess(first[i] if first else None))
            for i, name in enumerate(names)
        ]  # fmt: skip
        return Result(columns, _behind(first, cursor))

    def _kinds(self, sql: str) -> dict[int, Kind]:
        """The types of columns that come from a table as they are."""
        self._connection.execute("DROP VIEW IF EXISTS temp.tsql_kinds")
        self._connection.execute(f"CREATE TEMP VIEW tsql_kinds AS {sql}")
        found = {}
        rows = self._connection.execute("PRAGMA temp.table_xinfo(tsql_kinds)").fetchall()
        for index, row in enumerate(rows):
            with suppress(TdsError, ValueError):
                if row[2] not in ("", "INTEGER", "NUM", "TEXT", "BLOB"):
                    found[index] = Kind.parse(row[2])
        self._connection.execute("DROP VIEW temp.tsql_kinds")
        return found

    def function(self, name: str, arguments: Sequence[Sequence[Token]]) -> str:
        """The table that a function of tables gives."""
        if name != "dm_exec_describe_first_result_set":
            raise SqlError(208, f"Invalid object name '{name}'.")
        self._connection.execute("DELETE FROM dm_described")
        described = arguments[0][0].value
        rows: list[tuple[Value, ...]]
        try:
            results = list(self._session.batch(described, {}))
            result = next((each for each in results if each.columns), results[-1])
            flags = self._session.catalogue.flags(described)
            rows = [
                (i, column, 1, str(kind), *_flags(flags.get(column), kind), None, None)
                for i, (column, kind) in enumerate(result.columns, 1)
            ]
        except SqlError as error:
            rows = [(0, None, None, None, 0, 0, None, error.number, error.message)]
        self._connection.executemany("INSERT INTO dm_described VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return "dm_described"


def _flags(known: tuple[bool, str | None] | None, kind: Kind) -> tuple[bool, bool, str | None]:
    identity, collation = known or (False, None)
    return identity, False, collation if "char" in kind.name else None


def _behind(first: Sequence[Value] | None, cursor: sqlite3.Cursor) -> Iterator[Sequence[Value]]:
    if first is not None:
        yield first
        yield from cursor


def _guess(value: Value) -> Kind:
    if isinstance(value, int):
        return Kind("int" if abs(value) < 1 << 31 else "bigint")
    if isinstance(value, float):
        return Kind("float")
    if isinstance(value, bytes):
        return Kind("varbinary", 8000)
    return Kind("nvarchar", 4000)
