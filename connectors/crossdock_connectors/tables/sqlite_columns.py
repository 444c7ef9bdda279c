"""The columns of a table, view or query as they are read: names, types, and what guards the types."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossdock import DataError, NotFoundError

from .sqlite_database import PREFIX, Connection, literal, quote
from .sqlite_types import (
    LARGEST_EXACT,
    Affinity,
    Sample,
    affinity,
    arrow_type,
    code_of,
    needs_sample,
    stored_as,
)

if TYPE_CHECKING:
    import pyarrow as pa

QUERY = "query"
_SAMPLE = 1000
Guard = Literal["none", "blobs", "all"]
_GUARDS: dict[Affinity, Guard] = {"INTEGER": "none", "REAL": "none", "TEXT": "blobs"}
_LITERALS = {"integer": "1", "real": "1.5", "text": "'x'", "blob": "x'00'", "null": "NULL"}
# SQLite has no way to raise an error in a query; this overflows.
_RAISE = "abs(-9223372036854775807 - 1)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``guard``: which values of another type neither SQLite nor the driver refuse in it."""

    name: str
    code: str
    guard: Guard

    @property
    def literal(self) -> str:
        """A value that makes the driver give the column the right type, whatever comes first."""
        return _LITERALS[stored_as(self.code)]

    @property
    def guarded(self) -> str:
        """The quickest SQL condition for what has to be guarded against; empty for nothing.

        A blob is greater than any text, and that than any number.
        """
        value, stored = f"{quote(self.name)} COLLATE BINARY", stored_as(self.code)
        if self.guard == "all" and stored == "text":
            return f"{value} < '' OR {value} >= x''"
        if self.guard == "all":
            return f"{value} < x''" if stored == "blob" else self.misfit
        return f"{value} >= x''" if self.guard == "blobs" else ""

    @property
    def misfit(self) -> str:
        """The SQL condition that a value is not of the column's type."""
        name, stored = quote(self.name), stored_as(self.code)
        if stored == "real":
            inexact = (
                f"typeof({name}) = 'integer' AND {name} NOT BETWEEN -{LARGEST_EXACT} AND {LARGEST_EXACT}"
            )
            return f"(typeof({name}) NOT IN ('real', 'integer', 'null') OR {inexact})"
        return f"typeof({name}) NOT IN ('{stored}', 'null')"


@dataclass(frozen=True, slots=True)
class Relation:
    """Something with rows: ``sql`` names it in a query, ``name`` in messages; ``prepare`` comes first."""

    name: str
    sql: str
    prepare: str = ""
    rowid: str = ""
    """The name of the rowid where there is one."""


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(column.name, arrow_type(column.code)) for column in columns])


def tables(connection: Connection, after: str = "") -> list[str]:
    """The ordinary tables, by name; not SQLite's own and not ours."""
    rows = connection.run(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
        f"AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name > {literal(after)} ORDER BY name"
    )
    return [name for (name,) in rows if not name.startswith(PREFIX)]


def find_table(connection: Connection, name: str) -> tuple[str, str] | None:
    """Name as it is written and type (table, view, virtual, shadow) of what ``name`` means; None: nothing."""
    rows = connection.run(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' "
        f"AND name = {literal(name)} COLLATE NOCASE"
    )
    return (rows[0][0], rows[0][1]) if rows else None


def relation(connection: Connection, name: str, query: str = "") -> Relation:
    """The table or view ``name``, or the query. Raises NotFoundError, with what there is."""
    if query:
        view = f"temp.{quote(PREFIX + 'query')}"
        return Relation(name, view, f"CREATE TEMP VIEW IF NOT EXISTS {quote(PREFIX + 'query')} AS {query}\n")
    found = find_table(connection, name)
    if found is None:
        from difflib import get_close_matches

        known = tables(connection)
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known[:10]) or 'none'}"
        raise NotFoundError(f"{connection.shown} has no table {name!r}; {hint}")
    written, kind = found
    rowid = _rowid(connection, written) if kind == "table" else ""
    return Relation(written, f"main.{quote(written)}", "", rowid)


def _rowid(connection: Connection, table: str) -> str:
    """A name of the rowid that no column hides; empty where the table has none."""
    without = connection.value(
        f"SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = {literal(table)}"
    )
    rows = connection.run(f"SELECT name FROM pragma_table_xinfo({literal(table)})")
    return "" if without else free_rowid([name for (name,) in rows])


def free_rowid(columns: Sequence[str]) -> str:
    """A name of the rowid that is not a column's as well; empty where all are taken."""
    taken = {name.lower() for name in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), "")


def columns_of(connection: Connection, source: Relation) -> list[Column]:
    """The columns of a relation that was prepared. Reads up to a thousand rows."""
    temporary = bool(source.prepare)
    table = literal(PREFIX + "query" if temporary else source.name)
    schema = "temp" if temporary else "main"
    rows = connection.run(
        f"SELECT name, type FROM pragma_table_xinfo({table}, '{schema}') WHERE hidden <> 1 ORDER BY cid"
    )
    return [_column(connection, source, name, declared or "") for name, declared in rows]


def _column(connection: Connection, source: Relation, name: str, declared: str) -> Column:
    sample = _sample(connection, source, name) if needs_sample(declared) else None
    # With some affinities SQLite lets in only such values as the driver refuses by itself, or blobs.
    guard = _GUARDS.get(affinity(declared), "all") if source.rowid else "all"
    return Column(name, code_of(declared, sample), guard)


def _sample(connection: Connection, source: Relation, name: str) -> Sample:
    rows = connection.run(
        f"SELECT DISTINCT typeof(v), CASE typeof(v) WHEN 'blob' THEN NULL ELSE CAST(v AS TEXT) END "
        f"FROM (SELECT {quote(name)} AS v FROM {source.sql} LIMIT {_SAMPLE}) WHERE v IS NOT NULL"
    )
    storages = {storage for storage, _ in rows}
    return Sample(storages, [int(text) if storage == "integer" else text for storage, text in rows])


def select(source: Relation, columns: Sequence[Column], where: str) -> str:
    """A query for the columns; its first row only sets the types and is to be dropped.

    The driver types a column by its first rows, and would turn a column of nulls that goes on with
    text into an error, and a number among texts into text.
    """
    conditions = [f"({where})"] if where else []
    guards = [column.guarded for column in columns if column.guarded]
    if guards:
        conditions.append(f"CASE WHEN {' OR '.join(guards)} THEN {_RAISE} ELSE 1 END")
    names = ", ".join(quote(column.name) for column in columns)
    literals = ", ".join(column.literal for column in columns)
    query = f"SELECT {literals} UNION ALL SELECT {names} FROM {source.sql}"
    return query + (f" WHERE {' AND '.join(conditions)}" if conditions else "")


def misfit_error(
    connection: Connection, source: Relation, columns: Sequence[Column], where: str
) -> DataError | None:
    """The first value that is not of its column's type; None where all are."""
    for column in columns:
        row = source.rowid or "NULL"
        rows = connection.run(
            f"SELECT {row}, typeof({quote(column.name)}), substr(quote({quote(column.name)}), 1, 60) "
            f"FROM {source.sql} WHERE {f'({where}) AND ' if where else ''}{column.misfit} LIMIT 1"
        )
        if rows:
            number, stored, value = rows[0]
            return value_error(source, column, value, f"({stored})", number)
    return None


def value_error(source: Relation, column: Column, value: str, stored: str, rowid: int | None) -> DataError:
    where = f"{source.name}.{column.name}" + (f", rowid {rowid}" if rowid is not None else "")
    return DataError(
        f"{where}: {value} {stored} is not {column.code}".replace("  ", " "),
        hint="to read it all the same, convert it in a query: -s query='SELECT CAST(... AS TEXT) ...'",
    )
