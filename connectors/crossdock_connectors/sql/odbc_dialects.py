"""What a driver says of itself and its database, and what is known of some databases beyond that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossdock import ConfigError

from .identifiers import Dialect

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Known:
    """Of one database. ``schema``: SQL for the schema of names without one. ``session``: SQL for the number
    of a session, and ``end``, what ends that. ``types``: SQL types by Arrow's kind. ``attributes``: what its
    driver is told where the user says nothing. ``faithful``: the types of columns that keep each value or
    refuse it; none: not known. ``ascii``: those among them that do so with ASCII only.
    ``call``: how a procedure is called.

    ``drawn``: a condition that a ``share`` of the rows fulfils, drawn for each; ``pages``: behind a table's
    name, that ``percent`` of its pages. ``lock``: takes a table for writing until the transaction ends.
    ``update``: changes rows with the ones of others; none: by subqueries. ``identity``: before an insert that
    gives values for columns that number themselves, in front of its SELECT, and behind it. ``dry``: looks at
    a statement that changes rows, and runs none."""

    schema: str = ""
    session: str = ""
    end: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    faithful: frozenset[str] = frozenset()
    ascii: frozenset[str] = frozenset()
    call: str = "{{CALL {}{}}}"
    drawn: str = ""
    pages: str = ""
    lock: str = ""
    update: str = ""
    identity: tuple[str, str, str] = ("", "", "")
    dry: str = ""


_POSTGRES = Known(
    # The driver takes the escape for that of a function.
    call="CALL {}{}",
    drawn="random() < {share}",
    pages="TABLESAMPLE SYSTEM ({percent})",
    lock="LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
    update="UPDATE {target} AS t SET {changed} FROM {rows} WHERE {same}",
    identity=("", "OVERRIDING SYSTEM VALUE ", ""),
    dry="EXPLAIN {}",
    schema="SELECT current_schema()",
    session="SELECT pg_backend_pid()",
    end="SELECT pg_cancel_backend({})",
    types={
        "bool": "boolean", "int16": "smallint", "int32": "integer", "int64": "bigint",
        "uint64": "numeric(20,0)", "float": "real", "double": "double precision", "string": "text",
        "binary": "bytea", "date": "date", "timestamp": "timestamp", "time": "time",
        "decimal": "numeric({precision},{scale})",
    },
    attributes={
        # Without it the driver holds the whole result in memory.
        "usedeclarefetch": "1", "fetch": "10000", "boolsaschar": "0", "batchsize": "1000",
        "maxvarcharsize": "{text}", "maxlongvarcharsize": "{text}",
    },
    # Not timestamptz, which the session's time zone moves, nor name and "char", which cut texts off. A domain
    # has a name of its own, and may be one of them.
    faithful=frozenset({
        "bool", "int2", "int4", "int8", "smallserial", "serial", "serial4", "bigserial", "serial8",
        "numeric", "float4", "float8", "text", "varchar", "bpchar", "citext", "uuid", "bytea", "date",
        "timestamp", "time",
    }),
)  # fmt: skip
_SQL_SERVER = Known(
    schema="SELECT SCHEMA_NAME()",
    session="SELECT @@SPID",
    end="KILL {}",
    drawn="CHECKSUM(NEWID(), {key}) & 2147483647 < {share} * 2147483647.0",
    pages="TABLESAMPLE ({percent} PERCENT)",
    lock="SELECT TOP (0) 1 AS n FROM {} WITH (TABLOCKX, HOLDLOCK)",
    update="UPDATE t SET {changed} FROM {target} AS t INNER JOIN {rows} ON {same}",
    identity=("SET IDENTITY_INSERT {} ON", "", "SET IDENTITY_INSERT {} OFF"),
    dry="SET NOEXEC ON; {}",
    types={
        "bool": "bit", "int16": "smallint", "int32": "int", "int64": "bigint", "uint64": "decimal(20,0)",
        "float": "real", "double": "float", "string": "nvarchar(max)", "binary": "varbinary(max)",
        "date": "date", "timestamp": "datetime2(6)", "time": "time(6)",
        "decimal": "decimal({precision},{scale})",
    },
    # Not datetime and smalldatetime, which round.
    faithful=frozenset({
        "bit", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney", "real", "float",
        "char", "varchar", "text", "nchar", "nvarchar", "ntext", "sysname", "uniqueidentifier", "binary",
        "varbinary", "image", "date", "datetime2", "time",
    }),
    ascii=frozenset({"char", "varchar", "text"}),
)  # fmt: skip
KNOWN = {"postgresql": _POSTGRES, "microsoft sql server": _SQL_SERVER}
# What each of Arrow's kinds can be, the first that the driver has: codes of SQL types.
_CODES: dict[str, tuple[int, ...]] = {
    "bool": (-7, -6, 5), "int16": (5, 4, -5), "int32": (4, -5), "int64": (-5,), "uint64": (),
    "float": (7, 6, 8), "double": (8, 6), "string": (-10, -1, -9, 12), "binary": (-4, -3),
    "date": (91, 9), "timestamp": (93, 11), "time": (92, 10), "decimal": (2, 3),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traits:
    """What SQLGetInfo and SQLGetTypeInfo say. ``transactions`` is SQL_TXN_CAPABLE: 0 none, 2 also for tables
    that are created in them. ``types``: SQL types by Arrow's kind. ``functions``: the bits of
    SQL_NUMERIC_FUNCTIONS."""

    dbms: str
    driver: str
    transactions: int
    names: Dialect
    schemas: bool
    user: str
    types: Mapping[str, str]
    version: str = ""
    functions: int = 0

    @property
    def known(self) -> Known:
        return KNOWN.get(self.dbms.lower(), Known())

    @property
    def exact(self) -> bool:
        """Whether rows, the ledger and a new table become visible in one transaction."""
        return self.transactions == 2

    def quote(self, name: str) -> str:
        """A name as SQL. Raises ConfigError for one that cannot be."""
        if self.names.opening:
            return self.names.quote(name)
        if not _WORD.fullmatch(name):
            raise ConfigError(f"{self.dbms} quotes no names, and {name!r} needs it")
        return name

    def written(self, parts: Sequence[str]) -> str:
        """As an address has it."""
        return self.names.written(parts) if self.names.opening else ".".join(parts)

    def quoted(self, parts: Sequence[str]) -> str:
        return ".".join(self.quote(part) for part in parts if part)


def traits(connection: Any, odbc: Any) -> Traits:
    """Ask a connection of pyodbc."""

    def info(name: str, default: Any) -> Any:
        try:
            return connection.getinfo(getattr(odbc, name))
        except odbc.Error:
            return default

    dbms = str(info("SQL_DBMS_NAME", ""))
    mark = str(info("SQL_IDENTIFIER_QUOTE_CHAR", '"')).strip()
    longest = int(info("SQL_MAX_TABLE_NAME_LEN", 0) or 128)
    names = Dialect(dbms or "the database", mark, mark, longest=longest, unit="utf-8")
    cursor = connection.cursor()
    try:
        rows = [tuple(row) for row in cursor.getTypeInfo().fetchall()]
    except odbc.Error:
        rows = []
    finally:
        cursor.close()
    return Traits(
        dbms, str(info("SQL_DRIVER_NAME", "")), int(info("SQL_TXN_CAPABLE", 0)), names,
        bool(info("SQL_SCHEMA_USAGE", 0)), str(info("SQL_USER_NAME", "")), _types(rows),
        str(info("SQL_DBMS_VER", "")), int(info("SQL_NUMERIC_FUNCTIONS", 0)),
    )  # fmt: skip


def _types(rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    """SQL types by Arrow's kind, from rows of SQLGetTypeInfo."""
    by_code: dict[int, tuple[Any, ...]] = {}
    for row in rows:
        if not row[11]:  # a type that numbers its rows is not for values
            by_code.setdefault(int(row[1]), row)
    found = {}
    for kind, codes in _CODES.items():
        for code in codes:
            if code in by_code and (declared := _declared(kind, by_code[code])):
                found[kind] = declared
                break
    if "decimal" in found:
        found["uint64"] = found["decimal"].format(precision=20, scale=0)
    return found


def _declared(kind: str, row: tuple[Any, ...]) -> str:
    name, size, parameters = str(row[0]), int(row[2] or 0), str(row[5] or "").lower()
    if kind == "decimal":
        return f"{name}({{precision}},{{scale}})" if "precision" in parameters else ""
    if (kind in ("timestamp", "time") and "scale" in parameters) or "fraction" in parameters:
        return f"{name}(6)"
    if "length" in parameters:
        return f"{name}({size})" if size > 0 else ""
    return name
