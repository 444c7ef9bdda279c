"""What SQL Server says of its tables: names, columns, keys, partitions."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

from crossdock import ConfigError, NotFoundError, NotSupportedError, SchemaMismatchError

from .identifiers import MSSQL
from .mssql_connection import Connection
from .mssql_errors import by_number
from .mssql_types import MOMENTS, WHOLE, Type

PREFIX = "_crossdock_"


@dataclass(frozen=True, slots=True)
class Column:
    """``type`` is the declared one. ``generated``: the server fills it. ``collation`` is that of texts."""

    name: str
    type: Type
    nullable: bool = True
    generated: bool = False
    identity: bool = False
    collation: str = ""

    @property
    def staged(self) -> str:
        """The type of a staging table's column for it, in which each value stays what it is until then."""
        kind = self.type.unpadded
        return f"{kind} COLLATE {self.collation}" if self.collation and "char" in kind.name else str(kind)


def parts_of(name: str, schema: str) -> tuple[str, str]:
    """Schema and table that an address names. Raises ConfigError."""
    found = MSSQL.parse(name)
    return found if len(found) == 2 else (schema, found[0])


def unit_parts(name: str, schema: str) -> tuple[str, str]:
    """Schema and table that a unit's name stands for: ``table`` or ``schema/table``."""
    first, slash, rest = name.partition("/")
    return (first, rest) if slash else (schema, name)


def unit_name(parts: tuple[str, str], schema: str) -> str:
    """The other way round."""
    return parts[1] if parts[0] == schema and "/" not in parts[1] else "/".join(parts)


def tables(connection: Connection) -> list[tuple[str, str]]:
    """Schemas and names of the tables, in order; none of ours, and none of the server's own."""
    rows = connection.run(
        "SELECT s.name AS schema_name, t.name AS table_name FROM sys.tables AS t "
        "JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0"
    )
    return sorted((schema, table) for schema, table in rows if not table.startswith(PREFIX))


def exists(connection: Connection, parts: tuple[str, str]) -> bool:
    return bool(connection.value(f"SELECT OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AS found"))


def missing(connection: Connection, parts: tuple[str, str]) -> NotFoundError:
    """The error for a table that is not there, with the name of one that is close."""
    wanted = ".".join(parts)
    there = [".".join(each) for each in tables(connection)]
    near = get_close_matches(wanted.lower(), [each.lower() for each in there], 1, 0.6)
    found = next((each for each in there if near and each.lower() == near[0]), "")
    return NotFoundError(
        f"{connection.where} has no table {wanted}", hint=f"did you mean {found}?" if found else ""
    )


def describe(connection: Connection, sql: str) -> list[Column]:
    """The columns of a statement's first result; it is not run. Raises the error that it would meet, and
    NotSupportedError where the server describes no statements."""
    try:
        rows = connection.run(
            "SELECT name, system_type_name, is_nullable, is_identity_column, is_computed_column, "
            "collation_name, error_number, error_message FROM "
            f"sys.dm_exec_describe_first_result_set({MSSQL.text(sql)}, NULL, 0) ORDER BY column_ordinal"
        )
    except NotFoundError as error:
        raise NotSupportedError(
            f"{connection.where} does not tell what a query or procedure gives: it lacks "
            "sys.dm_exec_describe_first_result_set",
            hint="name a table",
            detail=error.detail,
        ) from error
    for *_, number, message in rows:
        if number is not None:
            raise by_number(int(number), str(message), connection.where)
    if not rows:
        raise ConfigError(f"{connection.where}: the statement has no result to read")
    found = []
    for name, kind, nullable, identity, computed, collation, *_ in rows:
        declared = Type.parse(kind or "a type of the user's own")
        generated = bool(computed) or declared.name in ("timestamp", "rowversion")
        found.append(Column(name or "", declared, bool(nullable), generated, bool(identity), collation or ""))
    return found


def columns_of(connection: Connection, parts: tuple[str, str]) -> list[Column]:
    """The columns of a table or view. Raises NotFoundError."""
    try:
        return describe(connection, f"SELECT * FROM {MSSQL.quoted(parts)}")
    except (NotFoundError, NotSupportedError):
        if found := listed(connection, parts):
            return found
        raise missing(connection, parts) from None


def listed(connection: Connection, parts: tuple[str, str]) -> list[Column]:
    """The columns of a table or view as the catalogue lists them; none where it is not there."""
    rows = connection.run(
        "SELECT c.name AS name, t.name AS kind, c.max_length AS max_length, c.precision AS digits, "
        "c.scale AS scale, c.is_nullable AS nullable, c.is_identity AS counted, c.is_computed AS computed, "
        "c.collation_name AS collation FROM sys.columns AS c "
        "LEFT JOIN sys.types AS t ON t.user_type_id = c.system_type_id "
        f"WHERE c.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) ORDER BY c.column_id"
    )
    found = []
    for name, kind, length, digits, scale, nullable, identity, computed, collation in rows:
        declared = Type.listed(kind or "a type of the user's own", int(length), int(digits), int(scale))
        generated = bool(computed) or declared.name in ("timestamp", "rowversion")
        found.append(Column(name, declared, bool(nullable), generated, bool(identity), collation or ""))
    return found


def check_names(columns: Sequence[Column], what: str) -> None:
    """Raises SchemaMismatchError for a column without a name, or two of one."""
    seen = set()
    for number, column in enumerate(columns, 1):
        if not column.name:
            raise SchemaMismatchError(f"column {number} of {what} has no name; give it one: ... AS name")
        if column.name in seen:
            raise SchemaMismatchError(f"{what} has two columns {column.name!r}; name one of them differently")
        seen.add(column.name)


def key_column(connection: Connection, parts: tuple[str, str]) -> str | None:
    """The first column of the clustered index, else of the primary key, else of a unique index."""
    rows = connection.run(
        "SELECT TOP (1) c.name AS name FROM sys.indexes AS i "
        "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
        "AND k.key_ordinal = 1 "
        "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
        f"WHERE i.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AND i.is_disabled = 0 "
        "AND i.has_filter = 0 AND (i.type = 1 OR i.is_primary_key = 1 OR i.is_unique = 1) "
        "ORDER BY CASE WHEN i.type = 1 THEN 0 WHEN i.is_primary_key = 1 THEN 1 ELSE 2 END, i.index_id"
    )
    return str(rows[0][0]) if rows else None


def primary_key(connection: Connection, parts: tuple[str, str]) -> list[str]:
    """The columns of the primary key; none where there is none."""
    rows = connection.run(
        "SELECT c.name AS name FROM sys.indexes AS i "
        "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
        "JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id "
        f"WHERE i.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AND i.is_primary_key = 1 "
        "ORDER BY k.key_ordinal"
    )
    return [str(name) for (name,) in rows]


def defaults(connection: Connection, parts: tuple[str, str]) -> dict[str, str]:
    """The expressions that fill columns which an INSERT leaves out, by the column's name."""
    rows = connection.run(
        "SELECT c.name AS name, d.definition AS definition FROM sys.default_constraints AS d "
        "JOIN sys.columns AS c ON c.object_id = d.parent_object_id AND c.column_id = d.parent_column_id "
        f"WHERE d.parent_object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))})"
    )
    return {str(name): str(definition) for name, definition in rows}


def triggers(connection: Connection, parts: tuple[str, str]) -> list[str]:
    """The triggers of a table that fire."""
    rows = connection.run(
        f"SELECT name FROM sys.triggers WHERE parent_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) "
        "AND is_disabled = 0"
    )
    return [str(name) for (name,) in rows]


def row_count(connection: Connection, parts: tuple[str, str]) -> int:
    """About how many rows a table has, as the server's own notes say; 0 where it has none of these."""
    with suppress(NotFoundError):
        found = connection.value(
            "SELECT CAST(SUM(p.rows) AS bigint) AS n FROM sys.partitions AS p "
            f"WHERE p.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AND p.index_id < 2"
        )
        return int(found or 0)
    return 0


def page_count(connection: Connection, parts: tuple[str, str]) -> int:
    """About how many pages the rows of a table take; 0 where they are stored otherwise, and for a view."""
    with suppress(NotFoundError):
        found = connection.value(
            "SELECT CAST(SUM(a.used_pages) AS bigint) AS n FROM sys.partitions AS p "
            "JOIN sys.tables AS t ON t.object_id = p.object_id "
            "JOIN sys.allocation_units AS a ON a.container_id = p.hobt_id AND a.type = 1 "
            f"WHERE p.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AND p.index_id < 2"
        )
        return int(found or 0)
    return 0


def can_be_cut(column: Column) -> bool:
    return column.type.name in WHOLE | MOMENTS


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How the server itself cuts a table. ``numbers``: those of its partitions, with about how many rows."""

    function: str
    column: str
    numbers: Sequence[tuple[int, int]]


def partitioning(connection: Connection, parts: tuple[str, str]) -> Partitioning | None:
    """None for a table that is not partitioned."""
    where = f"i.object_id = OBJECT_ID({MSSQL.text(MSSQL.quoted(parts))}) AND i.index_id < 2"
    rows = connection.run(
        "SELECT f.name AS function_name, c.name AS column_name FROM sys.indexes AS i "
        "JOIN sys.partition_schemes AS s ON s.data_space_id = i.data_space_id "
        "JOIN sys.partition_functions AS f ON f.function_id = s.function_id "
        "JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id "
        "AND k.partition_ordinal = 1 "
        f"JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id WHERE {where}"
    )
    if not rows:
        return None
    numbers = connection.run(
        "SELECT p.partition_number AS n, p.rows AS r FROM sys.partitions AS p JOIN sys.indexes AS i "
        f"ON i.object_id = p.object_id AND i.index_id = p.index_id WHERE {where} ORDER BY p.partition_number"
    )
    return Partitioning(str(rows[0][0]), str(rows[0][1]), [(int(n), int(r)) for n, r in numbers])
