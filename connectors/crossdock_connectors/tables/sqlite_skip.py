"""Rows that a table refuses, at the commit: noted beside the staging table, and told until the cleanup."""

# ruff: noqa: S608 - names go through quote(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from crossdock import DataError

from .sqlite_columns import find_table
from .sqlite_database import Connection, Database, literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from .sqlite_staging import Rows, Staging

# What is wrong with a row, not with the database.
_OF_A_ROW = ("constraint failed", "datatype mismatch", "too big")


def table_of(staged: str) -> str:
    """The table of the rows that were left out; none where there are none."""
    return f"{staged}_left"


def insert_fitting(
    connection: Connection, staged: str, rows: Rows, insert: Callable[[int, int], None]
) -> None:
    """Insert rows by their places. What the target refuses is halved until the rows are found."""
    ranges = [(rows.first, rows.last)]
    while ranges:
        first, last = ranges.pop()
        try:
            # A statement that fails changes nothing, and the transaction goes on.
            insert(first, last)
        except DataError as error:
            if not any(words in error.detail.lower() for words in _OF_A_ROW):
                raise
            if first == last:
                _leave_out(connection, staged, first, error.message)
            else:
                middle = (first + last) // 2
                ranges += [(middle + 1, last), (first, middle)]


def _leave_out(connection: Connection, staged: str, place: int, reason: str) -> None:
    name = quote(table_of(staged))
    connection.run(f"CREATE TABLE IF NOT EXISTS main.{name} (place INTEGER PRIMARY KEY, reason TEXT)")
    connection.run(f"INSERT INTO main.{name} VALUES ({place}, {literal(reason)})")


def left_out(database: Database, staging: Staging) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
    left = table_of(staging.staged)
    columns = ", ".join(f"CAST(s.{quote(name)} AS TEXT) AS {quote(name)}" for name in staging.schema.names)
    with database.connect() as connection:
        if find_table(connection, left) is None:
            return
        sql = (
            f"SELECT {columns}, k.reason FROM main.{quote(left)} k JOIN main.{quote(staging.staged)} s "
            f"ON s.{staging.rowid} = k.place ORDER BY k.place"
        )
        with connection.batches(sql) as reader:
            for batch in reader:
                reasons = batch.column(batch.num_columns - 1).to_pylist()
                yield batch.select(range(batch.num_columns - 1)), reasons
