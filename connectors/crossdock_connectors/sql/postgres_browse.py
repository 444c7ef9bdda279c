"""Looking into a database: schemas, tables and views, columns with the server's own types."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from crossdock import Entry, EntryPage, Reached

from .identifiers import POSTGRES
from .postgres_database import Connection, literal
from .postgres_relation import PREFIX, current_schema, named, no_schema

_VIEWS = ("v", "m")


def reached(connection: Connection) -> Reached:
    version, user, encrypted = connection.run(
        "SELECT current_setting('server_version'), current_user::text, "
        "coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), '')"
    )[0]
    said = f"PostgreSQL {version}" + (f", {encrypted}" if encrypted else "")
    return Reached(connection.shown, said, user)


def level(connection: Connection, path: str, after: str | None, most: int) -> EntryPage:
    """The schemas; of ``schema.`` its tables and views; of a table its columns. Raises NotFoundError."""
    if not path:
        return _page(_schemas(connection, after or "", most + 1), most)
    if path.endswith("."):
        (schema,) = POSTGRES.parse(path[:-1], 1)
        return _page(_tables(connection, schema, after or "", most + 1), most)
    *schema_, table = POSTGRES.parse(path)
    return EntryPage(
        tuple(_columns(connection, schema_[0] if schema_ else current_schema(connection), table))
    )


def _page(found: list[Entry], most: int) -> EntryPage:
    return EntryPage(tuple(found[:most]), found[most - 1].name if len(found) > most else None)


def _schemas(connection: Connection, after: str, most: int) -> list[Entry]:
    rows = connection.run(
        "SELECT nspname::text FROM pg_namespace WHERE nspname <> 'information_schema' "
        "AND nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(oid, 'USAGE') "
        f'AND nspname::text COLLATE "C" > {literal(after)} ORDER BY nspname::text COLLATE "C" LIMIT {most}'
    )
    return [Entry(name, "schema", POSTGRES.written((name,)) + ".") for (name,) in rows]


def _tables(connection: Connection, schema: str, after: str, most: int) -> list[Entry]:
    """Not the partitions of others, and not ours."""
    rows = connection.run(
        "SELECT c.relname::text, c.relkind::text, c.reltuples::bigint, "
        "CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) END "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(schema)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        f"AND NOT c.relispartition AND NOT starts_with(c.relname::text, {literal(PREFIX)}) "
        f'AND c.relname::text COLLATE "C" > {literal(after)} ORDER BY c.relname::text COLLATE "C" '
        f"LIMIT {most}"
    )
    if not rows and not connection.run(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"):
        raise no_schema(connection, schema)
    return [
        Entry(
            name, "view" if kind in _VIEWS else "table", POSTGRES.written((schema, name)), size,
            # Never analysed, it is not known; a view has none of its own.
            rows=count if kind in ("r", "p", "m") and count >= 0 else None,
        )
        for name, kind, count, size in rows
    ]  # fmt: skip


def _columns(connection: Connection, schema: str, table: str) -> list[Entry]:
    relation = named(connection, schema, table)
    rows = connection.run(
        "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute "
        f"WHERE attrelid = {relation.oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return [Entry(name, "column", type=kind, nullable=nullable) for name, kind, nullable in rows]
