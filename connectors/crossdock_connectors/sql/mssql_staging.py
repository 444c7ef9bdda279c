"""Staged rows in tables of the target's schema, and the one transaction that makes them visible.

Each attempt at a split has a table of its own, ``_crossdock_...``, which no source lists: a bulk copy works
on a connection of its own, so that its rows cannot share a transaction with anything else. The table
``_crossdock_ledger`` notes which units were committed, until their cleanup.
"""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from crossdock import AlreadyExistsError, ConfigError, NotFoundError, StageLostError, WriteMode

from .identifiers import MSSQL
from .mssql_columns import PREFIX, exists
from .mssql_connection import Connection

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 1
_LEDGER = PREFIX + "ledger"


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``declared``: the types of the staged columns. ``keep``: an existing table is
    emptied, not replaced, by mode overwrite."""

    parts: tuple[str, str]
    prefix: str
    mode: WriteMode
    schema: pa.Schema
    declared: Sequence[str]
    columns: Sequence[str]
    keep: bool = False

    @property
    def target(self) -> str:
        return MSSQL.quoted(self.parts)

    def table(self, name: str) -> str:
        """A staging table as SQL."""
        return MSSQL.quoted((self.parts[0], name))

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        return json.dumps([_VERSION, list(self.parts), self.prefix, self.mode.value, schema,
                           list(self.declared), list(self.columns), self.keep]).encode()  # fmt: skip

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        (schema_name, table), prefix, mode, packed, declared, columns, keep = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        return cls((schema_name, table), prefix, WriteMode(mode), schema, declared, columns, keep)


def prefix_of(run_id: str, parts: tuple[str, str]) -> str:
    """What the names of a unit's staging tables begin with: the same for the same run and table."""
    key = "\0".join((run_id, *parts)).lower().encode("utf-8", "surrogatepass")
    return f"{PREFIX}{blake2b(key, digest_size=12).hexdigest()}_"


def create_table(table: str, names: Sequence[str], declared: Sequence[str]) -> str:
    columns = ", ".join(f"{MSSQL.quote(n)} {kind} NULL" for n, kind in zip(names, declared, strict=True))
    return f"CREATE TABLE {table} ({columns})"


def open_ledger(connection: Connection, schema: str) -> None:
    """Make the ledger where it is missing."""
    if not exists(connection, (schema, _LEDGER)):
        with suppress(AlreadyExistsError):  # somebody else was quicker
            connection.run(
                f"CREATE TABLE {MSSQL.quoted((schema, _LEDGER))} (fact nvarchar(64) NOT NULL PRIMARY KEY)"
            )


def is_noted(connection: Connection, staging: Staging) -> bool:
    """Whether the unit is committed. Within a transaction nobody else can commit it until that ends."""
    ledger = MSSQL.quoted((staging.parts[0], _LEDGER))
    try:
        rows = connection.run(
            f"SELECT fact FROM {ledger} WITH (UPDLOCK, HOLDLOCK) WHERE fact = {MSSQL.text(staging.prefix)}"
        )
    except NotFoundError:
        return False
    return bool(rows)


def commit(connection: Connection, staging: Staging, staged: Sequence[str]) -> None:
    """In one transaction: make the rows of the staging tables visible, in their order, and note it.

    A second time does nothing. The transaction ends with the connection where this raises.
    """
    connection.run("SET XACT_ABORT ON")
    connection.run("BEGIN TRANSACTION")
    if is_noted(connection, staging):
        connection.run("ROLLBACK TRANSACTION")
        return
    for name in staged:
        if not exists(connection, (staging.parts[0], name)):
            raise StageLostError(f"what was staged for the table {'.'.join(staging.parts)} is gone")
    _prepare(connection, staging)
    names = ", ".join(map(MSSQL.quote, staging.columns))
    for name in staged:
        connection.run(
            f"INSERT INTO {staging.target} WITH (TABLOCK) ({names}) SELECT "
            f"{', '.join(map(MSSQL.quote, staging.schema.names))} FROM {staging.table(name)}"
        )
    ledger = MSSQL.quoted((staging.parts[0], _LEDGER))
    connection.run(f"INSERT INTO {ledger} (fact) VALUES ({MSSQL.text(staging.prefix)})")
    connection.run("COMMIT TRANSACTION")


def _prepare(connection: Connection, staging: Staging) -> None:
    """The target as the mode wants it, ready for the rows."""
    there = exists(connection, staging.parts)
    if there and staging.mode is WriteMode.ERROR:
        raise AlreadyExistsError(f"{connection.where} has a table {'.'.join(staging.parts)} already")
    if there and staging.mode is WriteMode.OVERWRITE:
        if staging.keep:
            connection.run(f"TRUNCATE TABLE {staging.target}")
            return
        connection.run(f"DROP TABLE {staging.target}")
        there = False
    if not there:
        connection.run(create_table(staging.target, staging.columns, staging.declared))


def cleanup(connection: Connection, schema: str, prefix: str) -> None:
    """Remove what is staged and noted for a unit."""
    rows = connection.run(
        "SELECT t.name AS name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
        f"WHERE s.name = {MSSQL.text(schema)} AND SUBSTRING(t.name, 1, {len(prefix)}) = {MSSQL.text(prefix)}"
    )
    for (name,) in rows:
        connection.run(f"DROP TABLE IF EXISTS {MSSQL.quoted((schema, name))}")
    if exists(connection, (schema, _LEDGER)):
        ledger = MSSQL.quoted((schema, _LEDGER))
        connection.run(f"DELETE FROM {ledger} WHERE fact = {MSSQL.text(prefix)}")
