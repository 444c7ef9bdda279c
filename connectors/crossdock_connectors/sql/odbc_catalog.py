"""What a driver's catalogue functions say: tables, columns and primary keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

from crossdock import ConfigError, CrossdockError, NotFoundError

from .odbc_connection import Connection, Database

PREFIX = "_crossdock_"
_CLUSTERED = 1  # SQL_INDEX_CLUSTERED
_SYSTEM = ("information_schema", "pg_catalog", "sys", "syscat", "sysibm", "sysibmadm", "sysstat")
READABLE = (
    "TABLE",
    "VIEW",
    "BASE TABLE",
    "MATERIALIZED VIEW",
    "MATVIEW",
    "FOREIGN TABLE",
    "SYNONYM",
    "ALIAS",
)


@dataclass(frozen=True, slots=True)
class Column:
    """``code``: the ODBC number of its SQL type, whose name is ``type``. ``default`` is SQL, or empty."""

    name: str
    code: int
    type: str
    size: int
    digits: int
    position: int = 0
    nullable: bool = True
    default: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """Schema (empty where there is none, or the database's own choice) and table."""

    schema: str
    table: str

    @property
    def shown(self) -> str:
        return ".".join(filter(None, (self.schema, self.table)))


def parse(database: Database, text: str, schema: str) -> Name:
    """The table that an address names. Raises ConfigError."""
    parts = database.traits.names.parse(text) if database.traits.names.opening else tuple(text.split("."))
    if len(parts) > 2 or not all(parts):
        raise ConfigError(f"{text!r} is no table's name; write schema.table")
    return Name(parts[0] if len(parts) == 2 else schema or database.default_schema, parts[-1])


def of_unit(database: Database, unit: str, schema: str) -> Name:
    """The table that a unit's name stands for: ``table`` or ``schema/table``."""
    home = schema or database.default_schema
    first, slash, rest = unit.partition("/")
    return Name(first, rest) if slash and database.traits.schemas else Name(home, unit)


def unit_name(name: Name, home: str) -> str:
    """The other way round."""
    return name.table if name.schema == home and "/" not in name.table else f"{name.schema}/{name.table}"


def tables(connection: Connection, schema: str = "", kinds: Sequence[str] = ("TABLE",)) -> list[Name]:
    """In order; none of ours, and none of the system's. ``schema``: of that only."""
    return sorted(
        (name for name in _listed(connection, kinds, schema) if not name.table.startswith(PREFIX)),
        key=lambda name: (name.schema, name.table),
    )


def own(connection: Connection, schema: str, prefix: str) -> list[Name]:
    """The tables of ours whose names begin so."""
    return [name for name in _listed(connection, ("TABLE",), schema) if name.table.startswith(prefix)]


def kinds_of(connection: Connection, schema: str) -> dict[str, str]:
    """By name what a schema's tables and views are; none of ours."""
    with connection.cursor() as cursor:
        rows = cursor.tables().fetchall()
    found = {str(row[2]): str(row[3] or "").upper() for row in rows if str(row[1] or "") == schema}
    return {name: kind for name, kind in found.items() if kind in READABLE and not name.startswith(PREFIX)}


def _listed(connection: Connection, kinds: Sequence[str], schema: str) -> list[Name]:
    with connection.cursor() as cursor:
        rows = (
            cursor.tables(tableType=",".join(kinds)).fetchall()
            if len(kinds) == 1
            else cursor.tables().fetchall()
        )
    found = []
    for row in rows:
        there, table, kind = str(row[1] or ""), str(row[2]), str(row[3] or "").upper()
        if kind in kinds and there.lower() not in _SYSTEM and (not schema or there == schema):
            found.append(Name(there, table))
    return found


def has_schema(connection: Connection, schema: str) -> bool:
    """True as well where the driver lists no schemas."""
    with connection.cursor() as cursor:
        # What ODBC calls SQL_ALL_SCHEMAS.
        rows = cursor.tables(catalog="", schema="%", table="").fetchall()
    # Some servers list tables instead.
    found = {str(row[1]) for row in rows if row[1] and not row[2]}
    return not schema or not found or schema in found


def exists(connection: Connection, name: Name) -> str:
    """The kind of a table or view (``TABLE``, ``VIEW``, ...); empty where there is none."""
    with connection.cursor() as cursor:
        rows = cursor.tables(**_patterns(connection, name)).fetchall()
    for row in rows:
        if str(row[2]) == name.table and (not name.schema or str(row[1] or "") == name.schema):
            return str(row[3] or "").upper()
    return ""


def missing(connection: Connection, name: Name) -> NotFoundError:
    """The error for a table that is not there, with the name of one that is close."""
    there = [each.shown for each in tables(connection, kinds=READABLE)]
    near = get_close_matches(name.shown.lower(), [each.lower() for each in there], 1, 0.6)
    found = next((each for each in there if near and each.lower() == near[0]), "")
    return NotFoundError(
        f"{connection.where} has no table {name.shown}", hint=f"did you mean {found}?" if found else ""
    )


def columns(connection: Connection, name: Name) -> list[Column]:
    """The columns of a table or view, in order. Raises NotFoundError."""
    kind = exists(connection, name)
    if not kind:
        raise missing(connection, name)
    with connection.cursor() as cursor:
        rows = cursor.columns(**_patterns(connection, name)).fetchall()
    found = [
        Column(
            str(row[3]),
            int(row[4]),
            str(row[5]),
            int(row[6] or 0),
            int(row[8] or 0),
            int(row[16] or 0),
            bool(row[10]),
            str(row[12] or "") if str(row[12]).upper() not in ("NULL", "TRUNCATED") else "",
        )
        for row in rows
        if str(row[2]) == name.table and (not name.schema or str(row[1] or "") == name.schema)
    ]
    return sorted(found, key=lambda column: column.position)


def _patterns(connection: Connection, name: Name) -> dict[str, str | None]:
    """What a catalogue function is asked for. Without a schema some drivers look in the user's own only."""
    schema = (_pattern(name.schema) if name.schema else None) or "%"
    return {"table": _pattern(name.table), "schema": schema if connection.traits.schemas else None}


def _pattern(name: str) -> str | None:
    """A name as a search pattern, which finds it and perhaps others; None, everything, where some drivers'
    would not find it: they differ in how characters are escaped."""
    return None if not name.isascii() or set(name) & set("\\[]^?*'\"{}") else name


def primary_key(connection: Connection, name: Name) -> list[str]:
    """The columns of the primary key in order; none where there is none or the driver cannot tell."""
    rows: list[tuple[object, ...]] = []
    with suppress(CrossdockError), connection.cursor() as cursor:
        rows = cursor.primaryKeys(name.table, schema=name.schema or None).fetchall()
    return [str(row[3]) for row in sorted(rows, key=lambda row: int(str(row[4])))]


def key_column(connection: Connection, name: Name) -> str:
    """The first column of what it is clustered by, else of its primary key; empty where nobody tells."""
    rows: list[tuple[object, ...]] = []
    with suppress(CrossdockError), connection.cursor() as cursor:
        rows = cursor.statistics(name.table, schema=name.schema or None, quick=True).fetchall()
    clustered = [str(row[8]) for row in rows if row[6] == _CLUSTERED and row[7] == 1]
    return next(iter([*clustered, *primary_key(connection, name)]), "")
