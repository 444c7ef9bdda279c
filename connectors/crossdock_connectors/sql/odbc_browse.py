"""Looking into a database: schemas, tables and views, columns with the database's own types."""

from __future__ import annotations

from crossdock import Entry, EntryPage, NotFoundError, Reached

from . import odbc_catalog as catalog
from .odbc_connection import Connection


def reached(connection: Connection) -> Reached:
    version = f"{connection.traits.dbms} {connection.traits.version} through {connection.traits.driver}"
    return Reached(connection.where, version.strip(), connection.traits.user)


def level(connection: Connection, path: str, after: str | None, most: int) -> EntryPage:
    """The schemas; of ``schema.`` its tables and views; of a table its columns. Raises NotFoundError.

    A database without schemas has its tables at the top.
    """
    if path and not path.endswith("."):
        name = catalog.parse(connection.database, path, "")
        return EntryPage(
            tuple(
                Entry(column.name, "column", type=column.type, nullable=column.nullable)
                for column in catalog.columns(connection, name)
            )
        )
    if path:
        found = _tables(connection, connection.traits.names.parse(path[:-1], 1)[0])
    else:
        found = _schemas(connection) if connection.traits.schemas else _tables(connection, "")
    left = [entry for entry in found if after is None or entry.name > after]
    return EntryPage(tuple(left[:most]), left[most - 1].name if len(left) > most else None)


def _schemas(connection: Connection) -> list[Entry]:
    names = {name.schema for name in catalog.tables(connection, kinds=catalog.READABLE)}
    return [Entry(name, "schema", connection.traits.written((name,)) + ".") for name in sorted(names)]


def _tables(connection: Connection, schema: str) -> list[Entry]:
    found = catalog.kinds_of(connection, schema)
    if not found and not catalog.has_schema(connection, schema):
        raise NotFoundError(f"{connection.where} has no schema {schema!r}")
    parts = (schema,) if schema else ()
    return [
        Entry(name, "view" if "VIEW" in kind else "table", connection.traits.written((*parts, name)))
        for name, kind in sorted(found.items())
    ]
