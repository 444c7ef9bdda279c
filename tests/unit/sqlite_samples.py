"""Small copies into and out of SQLite, and the raw rows of a database, for the tests of the connector."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_sqlite import dbapi

from crossdock import (
    Attempt,
    Location,
    PlanHint,
    Receipt,
    Split,
    Target,
    Unit,
    WriteMode,
)
from crossdock_connectors.tables.sqlite import SPEC
from crossdock_connectors.tables.sqlite_config import SqliteConfig
from crossdock_connectors.tables.sqlite_sink import SqliteSink
from crossdock_connectors.tables.sqlite_source import SqliteSource

ERROR, APPEND, OVERWRITE = WriteMode.ERROR, WriteMode.APPEND, WriteMode.OVERWRITE
Staged = tuple[Split, Receipt]


def url(db: Path, table: str = "") -> Location:
    path = str(db).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    return Location.parse(f"sqlite:///{path}" + (f"#{table}" if table else ""))


def source(db: Path, table: str = "", **options: Any) -> SqliteSource:
    assert SPEC.open_source is not None
    opened = SPEC.open_source(SqliteConfig(**options), url(db, table))
    assert isinstance(opened, SqliteSource)
    return opened


def sink(db: Path, table: str = "", **options: Any) -> SqliteSink:
    assert SPEC.open_sink is not None
    opened = SPEC.open_sink(SqliteConfig(**options), url(db, table))
    assert isinstance(opened, SqliteSink)
    return opened


def uri(db: Path) -> str:
    """The database as SQLite's driver wants it named."""
    return "file:" + str(db).replace("?", "%3f").replace("#", "%23")


def sql(db: Path, *statements: str) -> list[tuple[Any, ...]]:
    """By the same SQLite library: a second one in this process would drop the first one's locks."""
    rows: list[tuple[Any, ...]] = []
    with dbapi.connect(uri(db), autocommit=True) as connection:
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                rows = cursor.fetchall()
    return rows


def read(opened: SqliteSource, name: str = "t", **hint: Any) -> pa.Table:
    with closing(opened):
        unit = Unit(name)
        schema = opened.schema(unit)
        batches = []
        for split in opened.plan(unit, PlanHint(**hint)):
            with opened.read(split) as items:
                batches += list(items)
    return pa.Table.from_batches(batches, schema)


def stage(into: SqliteSink, handle: bytes, table: pa.Table, index: int = 0, attempt: int = 1) -> Staged:
    split = Split("t", index, b"")
    writer = into.writer(handle, split, Attempt("run", attempt))
    try:
        writer.consume(iter(table.to_batches(max_chunksize=1000)))
        return split, writer.finish()
    except BaseException:
        writer.abort()
        raise


def copy(db: Path, table: pa.Table, mode: WriteMode = ERROR, name: str = "t", **options: Any) -> None:
    with closing(sink(db, **options)) as into:
        unit, target = Unit(name), Target(mode, table.schema)
        into.check(unit, target)
        handle = into.begin(unit, target, "run").handle
        try:
            into.commit(handle, [stage(into, handle, table)])
        finally:
            into.cleanup(handle)


def names(db: Path) -> list[str]:
    return [name for (name,) in sql(db, "SELECT name FROM sqlite_schema ORDER BY name")]


def numbers(start: int, stop: int) -> pa.Table:
    return pa.table({"a": pa.array(range(start, stop), pa.int64())})


def fill(db: Path, *ranges: tuple[int, int, int], table: str = "t") -> int:
    """Rows with the rowids ``start, start + step, ...``, ``count`` of them per range."""
    statements = [f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, v TEXT)"]
    for start, step, count in ranges:
        statements.append(
            f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1}) "
            f"INSERT INTO {table} SELECT {start} + i * {step}, 'v' || i FROM n"
        )
    sql(db, *statements)
    return sum(count for _, _, count in ranges)


def begun(into: SqliteSink, mode: WriteMode = ERROR, run: str = "run") -> bytes:
    return into.begin(Unit("t"), Target(mode, numbers(0, 0).schema), run).handle


def values(db: Path) -> list[int]:
    return [a for (a,) in sql(db, "SELECT a FROM t ORDER BY rowid")]
