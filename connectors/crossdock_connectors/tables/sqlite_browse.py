"""Looking into a database file: tables and views, columns with their declared types."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from crossdock import Entry, EntryPage, Reached

from .sqlite_columns import relation
from .sqlite_database import PREFIX, Connection, literal


def reached(connection: Connection) -> Reached:
    # The file is only read where its schema is asked for.
    connection.run("SELECT count(*) FROM sqlite_schema")
    return Reached(connection.shown, f"SQLite {connection.value('SELECT sqlite_version()')}")


def level(connection: Connection, path: str, after: str | None, most: int) -> EntryPage:
    """The tables and views; of one its columns. Raises NotFoundError."""
    if path:
        name = relation(connection, path).name
        rows = connection.run(
            f"SELECT name, type, \"notnull\" FROM pragma_table_xinfo({literal(name)}, 'main') "
            "WHERE hidden <> 1 ORDER BY cid"
        )
        return EntryPage(
            tuple(
                Entry(each, "column", type=kind or "", nullable=not required) for each, kind, required in rows
            )
        )
    rows = connection.run(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' "
        "AND type IN ('table', 'view', 'virtual') "
        f"AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND substr(name, 1, {len(PREFIX)}) <> {literal(PREFIX)} "
        f"AND name > {literal(after or '')} ORDER BY name LIMIT {most + 1}"
    )
    found = tuple(Entry(name, "view" if kind == "view" else "table", name) for name, kind in rows[:most])
    return EntryPage(found, found[-1].name if len(rows) > most else None)
