"""Looking into a database of SQL Server: schemas, tables and views, columns with the server's own types."""

# ruff: noqa: S608 - names and texts go through MSSQL.text(); SQL has no parameters for names.

from __future__ import annotations

from crossdock import Entry, EntryPage, NotFoundError, Reached

from .identifiers import MSSQL
from .mssql_columns import PREFIX, columns_of, parts_of
from .mssql_connection import Connection


def reached(connection: Connection) -> Reached:
    version, user = connection.run("SELECT @@VERSION AS v, SUSER_SNAME() AS u")[0]
    return Reached(connection.where, str(version).splitlines()[0].strip(), str(user or ""))


def level(connection: Connection, path: str, default: str, after: str | None, most: int) -> EntryPage:
    """The schemas; of ``schema.`` its tables and views; of a table its columns. Raises NotFoundError.

    ``default`` is the schema of tables that are named without one.
    """
    if path and not path.endswith("."):
        return EntryPage(
            tuple(
                Entry(column.name, "column", type=str(column.type), nullable=column.nullable)
                for column in columns_of(connection, parts_of(path, default))
            )
        )
    found = _tables(connection, MSSQL.parse(path[:-1], 1)[0]) if path else _schemas(connection)
    left = [entry for entry in found if after is None or entry.name > after]
    return EntryPage(tuple(left[:most]), left[most - 1].name if len(left) > most else None)


def _schemas(connection: Connection) -> list[Entry]:
    """Those with something in them: a database has a dozen of its own that are empty."""
    rows = connection.run(
        "SELECT DISTINCT s.name AS name FROM sys.objects AS o JOIN sys.schemas AS s "
        "ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0"
    )
    return [
        Entry(name, "schema", MSSQL.written((name,)) + ".") for name in sorted(str(row[0]) for row in rows)
    ]


def _tables(connection: Connection, schema: str) -> list[Entry]:
    rows = connection.run(
        "SELECT o.name AS name, o.type AS kind FROM sys.objects AS o JOIN sys.schemas AS s "
        f"ON s.schema_id = o.schema_id WHERE s.name = {MSSQL.text(schema)} AND o.type IN ('U', 'V') "
        "AND o.is_ms_shipped = 0"
    )
    if not rows and not connection.run(f"SELECT name FROM sys.schemas WHERE name = {MSSQL.text(schema)}"):
        raise NotFoundError(f"{connection.where} has no schema {schema!r}")
    return [
        Entry(name, "view" if kind.strip() == "V" else "table", MSSQL.written((schema, name)))
        for name, kind in sorted((str(name), str(kind)) for name, kind in rows)
        if not name.startswith(PREFIX)
    ]
