"""What the tests of PostgreSQL look at, with a session of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from adbc_driver_postgresql import dbapi

ROWS = 1000
BIG = 120_000


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; returns the rows of the last."""
    found: list[tuple[Any, ...]] = []
    with dbapi.connect(url, autocommit=True) as connection:
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                found = cursor.fetchall()
    return found


def stored(url: str, table: str) -> list[tuple[Any, ...]]:
    return sql(url, f"SELECT * FROM {table} ORDER BY 1")


def tables(url: str) -> list[str]:
    """All of them, staged ones too."""
    query = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    return sorted(name for (name,) in sql(url, query))


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Somebody else holds the table's strongest lock."""
    with dbapi.connect(url) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
