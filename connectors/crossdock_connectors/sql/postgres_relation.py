"""Tables of a database: finding, listing and measuring them."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from crossdock import NotFoundError

from .identifiers import POSTGRES
from .postgres_database import Connection, literal
from .ranges import restricted

PREFIX = "_crossdock_"
_TABLES = "r", "p"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view (``kind`` is pg_class.relkind), or a query (``oid`` 0). ``sql`` goes behind FROM.

    ``file`` is the number of its file: another one means that it was emptied or rewritten.
    """

    name: str
    sql: str
    oid: int = 0
    kind: str = ""
    file: int = 0

    def rows(self, condition: str = "") -> str:
        return restricted(self.sql, condition)

    @property
    def stored(self) -> bool:
        """Whether its rows have places (ctid) and a sample can be taken."""
        return self.kind in ("r", "p", "m")


def current_schema(connection: Connection) -> str:
    """The schema of names without one. Raises NotFoundError where none exists."""
    found = connection.value("SELECT current_schema()::text")
    if found is None:
        raise NotFoundError(f"{connection.shown} has none of the schemas in search_path; name one")
    return str(found)


def tables(connection: Connection, schema: str, after: str = "") -> list[str]:
    """The tables of a schema by name: not views, not partitions of others, not ours."""
    if not connection.run(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"):
        raise no_schema(connection, schema)
    rows = connection.run(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(schema)} AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        f"AND NOT starts_with(c.relname::text, {literal(PREFIX)}) "
        f'AND c.relname::text COLLATE "C" > {literal(after)} ORDER BY c.relname::text COLLATE "C"'
    )
    return [name for (name,) in rows]


def no_schema(connection: Connection, schema: str) -> NotFoundError:
    """The error for a schema that is not there, with the name of one that is close."""
    schemas = [name for (name,) in connection.run("SELECT nspname::text FROM pg_namespace")]
    return NotFoundError(
        f"{connection.shown} has no schema {schema!r}", hint=_near(schema, schemas, "its schemas")
    )


def find(connection: Connection, schema: str, table: str) -> Relation | None:
    """The table or view of that name; None where there is none."""
    rows = connection.run(
        "SELECT c.oid::bigint, c.relkind::text, coalesce(pg_relation_filenode(c.oid), 0)::bigint "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(schema)} AND c.relname = {literal(table)} AND c.relkind IN "
        "('r', 'p', 'v', 'm', 'f')"
    )
    if not rows:
        return None
    oid, kind, file = rows[0]
    return Relation(table, POSTGRES.quoted((schema, table)), oid, kind, file)


def named(connection: Connection, schema: str, table: str) -> Relation:
    """The table or view of that name. Raises NotFoundError, with what there is."""
    found = find(connection, schema, table)
    if found is not None:
        return found
    rows = connection.run(
        "SELECT c.relname::text, n.nspname::text FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
        f"AND NOT starts_with(c.relname::text, {literal(PREFIX)}) ORDER BY 1 LIMIT 10000"
    )
    elsewhere = sorted({there for name, there in rows if name == table and there != schema})
    if elsewhere:
        hint = f"did you mean {elsewhere[0]}.{table}?"
    else:
        hint = _near(table, [name for name, there in rows if there == schema], "there are")
    raise NotFoundError(f"{connection.shown} has no table {table!r} in the schema {schema}", hint=hint)


def _near(name: str, known: list[str], words: str) -> str:
    by_lower = {each.lower(): each for each in reversed(known)}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean {by_lower[near[0]]}?" if near else f"{words}: {', '.join(known[:10]) or 'none'}"


def pages(connection: Connection, relation: Relation) -> tuple[int, int, float]:
    """Pages of the table's longest file (one for each partition), pages in all, and about how many rows."""
    rows = connection.run(
        "WITH RECURSIVE part(oid) AS ("
        f"SELECT {relation.oid}::oid UNION "
        "SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid) "
        "SELECT coalesce(max(pg_relation_size(c.oid)), 0)::bigint / current_setting('block_size')::bigint, "
        "coalesce(sum(pg_relation_size(c.oid)), 0)::bigint / current_setting('block_size')::bigint, "
        "coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, coalesce(sum(c.relpages), 0)::bigint "
        "FROM part JOIN pg_class c ON c.oid = part.oid WHERE c.relkind IN ('r', 'm', 'p')"
    )
    longest, everything, tuples, counted = rows[0]
    # Never analysed: about as many rows as fit.
    return (
        int(longest),
        int(everything),
        float(everything * (tuples / counted if counted and tuples else 50.0)),
    )
