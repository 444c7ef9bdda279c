"""What rows are written to: its columns, keys and rights, looked at before any data moves."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossdock import (
    AccessDeniedError,
    ConfigError,
    CrossdockError,
    NotFoundError,
    NotSupportedError,
    SchemaMismatchError,
    Target,
    TransientError,
    WriteMode,
)

from .identifiers import MSSQL
from .mssql_columns import Column, columns_of, defaults, describe, exists, parts_of, primary_key
from .mssql_connection import Connection
from .mssql_types import declaration

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_config import MssqlConfig

_MOST_COLUMNS = 1024
# An index holds keys of at most 900 bytes.
_MOST_KEY_BYTES = 900


def schema_of(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("SQL Server takes rows, not bytes; choose a format for the source")
    return target.schema


def check_names(names: Sequence[str]) -> None:
    """Raises SchemaMismatchError for names that the columns of one table cannot have."""
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name or MSSQL.length(name) > MSSQL.longest:
            raise SchemaMismatchError(
                f"{name[:40]!r} cannot be the name of a column; it has 1 to 128 characters"
            )
        other = seen.get(name.lower())
        seen[name.lower()] = name
        if other is not None:
            raise SchemaMismatchError(
                f"to SQL Server the columns {other!r} and {name!r} may be the same; rename one"
            )
    if not names or len(names) > _MOST_COLUMNS:
        raise SchemaMismatchError(f"a table has 1 to {_MOST_COLUMNS:,} columns, not {len(names):,}")


def declared(schema: pa.Schema, keys: Sequence[int] = ()) -> list[str]:
    """The types of the columns of a new table; texts and bytes of a key have a length."""
    found = [declaration(column) for column in schema]
    share = _MOST_KEY_BYTES // max(1, len(keys))
    for at in keys:
        found[at] = found[at].replace("nvarchar(max)", f"nvarchar({share // 2})")
        found[at] = found[at].replace("varbinary(max)", f"varbinary({share})")
    return found


def check_schema(connection: Connection, schema: str, table: str) -> None:
    """Raises ConfigError for a schema that is not there."""
    if connection.value(f"SELECT SCHEMA_ID({MSSQL.text(schema)}) AS found") is None:
        raise ConfigError(f"{connection.where} has no schema {schema!r} for {table!r}")


def _may(connection: Connection, securable: str, kind: str, right: str) -> bool:
    name = "DB_NAME()" if kind == "DATABASE" else MSSQL.text(securable)
    asked = f"HAS_PERMS_BY_NAME({name}, {MSSQL.text(kind)}, {MSSQL.text(right)})"
    # NULL: the server does not know this right, so it is found out later.
    return bool(connection.value(f"SELECT {asked} AS allowed") != 0)


def check_staging(connection: Connection, schema: str) -> None:
    """Raises AccessDeniedError where no staging table can be made in the schema."""
    if not (
        _may(connection, MSSQL.quote(schema), "SCHEMA", "ALTER")
        and _may(connection, "", "DATABASE", "CREATE TABLE")
    ):
        raise AccessDeniedError(
            f"{connection.where}: the login may not create tables in the schema {schema}",
            hint="interim_schema_name=... names another schema for staging tables",
        )


def check_rights(
    connection: Connection, parts: tuple[str, str], config: MssqlConfig, mode: WriteMode
) -> None:
    """Raises AccessDeniedError for a table that the login may not write to."""
    wanted = ["INSERT"]
    if config.write_behavior == "upsert":
        wanted += ["SELECT", "UPDATE"]
    if mode is WriteMode.OVERWRITE or config.identity_insert or not config.fire_triggers:
        wanted.append("ALTER")
    for right in wanted:
        if not _may(connection, MSSQL.quoted(parts), "OBJECT", right):
            raise AccessDeniedError(
                f"{connection.where}: the login lacks the right {right} on {'.'.join(parts)}"
            )


def check_replaceable(connection: Connection, parts: tuple[str, str]) -> None:
    """Raises ConfigError for what mode overwrite can neither empty nor replace."""
    name = MSSQL.text(MSSQL.quoted(parts))
    if not connection.run(f"SELECT name FROM sys.tables WHERE object_id = OBJECT_ID({name})"):
        raise ConfigError(
            f"{connection.where}: {'.'.join(parts)} is no table, so that it cannot be overwritten",
            hint="--mode append adds rows",
        )
    keys = connection.run(
        f"SELECT name FROM sys.foreign_keys WHERE referenced_object_id = OBJECT_ID({name}) "
        f"AND parent_object_id <> OBJECT_ID({name})"
    )
    if keys:
        raise ConfigError(
            f"{connection.where}: the foreign key {keys[0][0]} of another table refers to "
            f"{'.'.join(parts)}, so that it cannot be overwritten",
            hint="--mode append with pre_copy_script='DELETE FROM ...' empties it row by row",
        )


def check_defaults(connection: Connection, parts: tuple[str, str], names: Sequence[str]) -> None:
    """Raises NotSupportedError for a default that cannot take the place of a NULL."""
    lower = {name.lower() for name in names}
    for name, definition in defaults(connection, parts).items():
        if name.lower() in lower and "NEXT VALUE FOR" in definition.upper():
            raise NotSupportedError(
                f"keep_nulls=false: the default of {name} is the next value of a sequence, which the server "
                "allows in no expression; leave the column out of the copy"
            )


def check_given(
    connection: Connection, parts: tuple[str, str], names: Sequence[str], config: MssqlConfig
) -> None:
    """Raises ConfigError for a column of ``default_values`` that is not there."""
    if not config.default_values:
        return
    there = [c.name for c in columns_of(connection, parts)] if exists(connection, parts) else names
    lower = {name.lower() for name in there}
    for name in config.default_values:
        if name.lower() not in lower:
            raise ConfigError(f"default_values: {'.'.join(parts)} has no column {name!r}")


def check_script(connection: Connection, script: str) -> None:
    """Raises ConfigError for a script that is no SQL. It is not run."""
    if not script.strip():
        return
    connection.run("SET PARSEONLY ON")
    try:
        connection.run(script)
    except TransientError:
        raise
    except CrossdockError as error:
        raise ConfigError(f"pre_copy_script: {error.message}") from error
    finally:
        connection.run("SET PARSEONLY OFF")


def matched(
    connection: Connection, parts: tuple[str, str], schema: pa.Schema, *, identity: bool
) -> list[Column]:
    """The table's columns for those of the schema. Raises SchemaMismatchError for one that it cannot take.

    ``identity``: values for identity columns are taken.
    """
    return _matched(columns_of(connection, parts), f"the table {'.'.join(parts)}", schema, identity=identity)


def _matched(columns: Sequence[Column], what: str, schema: pa.Schema, *, identity: bool) -> list[Column]:
    from .mssql_values import form

    there = {column.name.lower(): column for column in columns}
    found = []
    for each in schema:
        column = there.get(each.name.lower())
        if column is None:
            near = get_close_matches(each.name, [c.name for c in there.values()], 1, 0.5)
            names = ", ".join(c.name for c in there.values())
            hint = f"did you mean {near[0]}?" if near else f"its columns: {names}"
            raise SchemaMismatchError(f"{what} has no column {each.name!r}; {hint}")
        if column.generated or (column.identity and not identity):
            hint = ", or write its values with identity_insert=true" if column.identity else ""
            raise SchemaMismatchError(
                f"the column {column.name} of {what} is filled by the server; leave it out{hint}"
            )
        if form(each.type, column.type) is None:
            raise SchemaMismatchError(
                f"the column {column.name} of {what} is {column.type}, and not every {each.type} would stay "
                "what it is in it; map the column to another one or convert it first"
            )
        found.append(column)
    return found


def keys_of(
    connection: Connection, parts: tuple[str, str], names: Sequence[str], config: MssqlConfig
) -> list[int]:
    """The places of the key columns among the names, for upsert; none for an insert.

    Raises ConfigError where no keys are known, SchemaMismatchError where the source has no such column.
    """
    if config.write_behavior != "upsert":
        return []
    keys = [key.strip() for key in config.keys if key.strip()] or primary_key(connection, parts)
    if not keys:
        raise ConfigError(f"{'.'.join(parts)} has no primary key; name the columns with keys=column,column")
    lower = [name.lower() for name in names]
    missing = [key for key in keys if key.lower() not in lower]
    if missing:
        raise SchemaMismatchError(f"keys: the source has no column {missing[0]!r}")
    return [lower.index(key.lower()) for key in keys]


def procedure_columns(connection: Connection, config: MssqlConfig, schema: pa.Schema) -> list[Column]:
    """The columns of the table type for those of the schema, in its order: a procedure gets whole rows.

    Raises NotFoundError for a procedure or type that is not there.
    """
    procedure = parts_of(config.stored_procedure, config.table_schema)
    kind = parts_of(config.stored_procedure_table_type, config.table_schema)
    if not exists(connection, procedure):
        raise NotFoundError(f"{connection.where} has no stored procedure {'.'.join(procedure)}")
    if not _may(connection, MSSQL.quoted(procedure), "OBJECT", "EXECUTE"):
        raise AccessDeniedError(f"{connection.where}: the login may not execute {'.'.join(procedure)}")
    try:
        columns = describe(connection, f"DECLARE @r {MSSQL.quoted(kind)}; SELECT * FROM @r")
    except NotFoundError as error:
        raise NotFoundError(f"{connection.where} has no table type {'.'.join(kind)}") from error
    found = _matched(columns, f"the table type {'.'.join(kind)}", schema, identity=False)
    return [replace(column, collation="") for column in found]
