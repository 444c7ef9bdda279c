"""Staged rows in tables of their own, and the ledger of what was committed.

Each attempt at a split has a table ``_crossdock_...``, which no source lists: a bulk copy works on a
connection of its own, so that its rows cannot share a transaction with anything else. The table
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

from crossdock import (
    AlreadyExistsError,
    ConfigError,
    CrossdockError,
    DataError,
    NotFoundError,
    StageLostError,
    WriteMode,
)

from .identifiers import MSSQL
from .mssql_columns import PREFIX, exists
from .mssql_connection import Connection

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 4
LEDGER = PREFIX + "ledger"
# Stands in the ledger for a table that was made ready for rows that go straight into it.
READY = "ready"
# In a pool: for a table that was made for the rows.
MADE = "made"
_ROWS = "rows="


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``within``: the schema of the staging tables. ``declared``: the types of the
    target's columns, ``staged``: of the staging tables'. ``keep``: an existing table is emptied, not
    replaced, by mode overwrite. ``keys``: places of the key columns. ``direct``: nothing is staged.
    ``skip_rows``: rows that the target refuses are left out. ``pool``: in a dedicated SQL pool of Synapse."""

    parts: tuple[str, str]
    within: str
    prefix: str
    mode: WriteMode
    schema: pa.Schema
    declared: Sequence[str]
    staged: Sequence[str]
    columns: Sequence[str]
    keys: Sequence[int] = ()
    keep: bool = False
    direct: bool = False
    skip_rows: bool = False
    pool: bool = False

    @property
    def target(self) -> str:
        return MSSQL.quoted(self.parts)

    @property
    def shown(self) -> str:
        return ".".join(self.parts)

    def table(self, name: str) -> str:
        """A staging table as SQL."""
        return MSSQL.quoted((self.within, name))

    def lost(self) -> StageLostError:
        return StageLostError(f"what was staged for the table {self.shown} is gone")

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        lists = [list(each) for each in (self.declared, self.staged, self.columns, self.keys)]
        where = [list(self.parts), self.within, self.prefix]
        flags = [self.keep, self.direct, self.skip_rows, self.pool]
        return json.dumps([_VERSION, *where, self.mode.value, schema, *lists, *flags]).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        (schema_name, table), within, prefix, mode, packed, *rest = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        return cls((schema_name, table), within, prefix, WriteMode(mode), schema, *rest)


def prefix_of(run_id: str, parts: tuple[str, str]) -> str:
    """What the names of a unit's staging tables begin with: the same for the same run and table."""
    key = "\0".join((run_id, *parts)).lower().encode("utf-8", "surrogatepass")
    return f"{PREFIX}{blake2b(key, digest_size=12).hexdigest()}_"


def create_table(
    table: str,
    names: Sequence[str],
    declared: Sequence[str],
    keys: Sequence[int] = (),
    *,
    pool: bool = False,
    heap: bool = False,
) -> str:
    """``pool``: for a dedicated SQL pool, as a ``heap`` also where a columnstore would take the types."""
    lines = [
        f"{MSSQL.quote(name)} {kind} {'NOT NULL' if at in keys else 'NULL'}"
        for at, (name, kind) in enumerate(zip(names, declared, strict=True))
    ]
    if keys:
        listed = ", ".join(MSSQL.quote(names[at]) for at in keys)
        lines.append(
            f"PRIMARY KEY NONCLUSTERED ({listed}) NOT ENFORCED" if pool else f"PRIMARY KEY ({listed})"
        )
    kept = ""
    if pool:
        heap = heap or any("(max)" in kind for kind in declared)
        kept = f" WITH ({'HEAP' if heap else 'CLUSTERED COLUMNSTORE INDEX'}, DISTRIBUTION = ROUND_ROBIN)"
    return f"CREATE TABLE {table} ({', '.join(lines)}){kept}"


def open_ledger(connection: Connection, schema: str, *, pool: bool = False) -> None:
    """Make the ledger where it is missing."""
    table, names = MSSQL.quoted((schema, LEDGER)), ["fact", "state"] if pool else ["fact"]
    if not exists(connection, (schema, LEDGER)):
        with suppress(AlreadyExistsError):  # somebody else was quicker
            kinds = ["nvarchar(64)"] * len(names)
            connection.run(create_table(table, names, kinds, () if pool else (0,), pool=pool, heap=True))


def is_noted(connection: Connection, staging: Staging, what: str = "") -> bool:
    """Whether the unit is committed. Raises StageLostError without a ledger."""
    ledger = MSSQL.quoted((staging.within, LEDGER))
    try:
        return bool(
            connection.run(f"SELECT fact FROM {ledger} WHERE fact = {MSSQL.text(staging.prefix + what)}")
        )
    except NotFoundError as error:
        raise staging.lost() from error


def note(connection: Connection, staging: Staging, what: str = "") -> bool:
    """Note it in the transaction; whoever notes the same waits until that ends. False, and the transaction
    is rolled back, where it is noted already. Raises StageLostError without a ledger.

    A lock on a key that is not there yet would be one on the next key, so on other tables' commits.
    """
    ledger = MSSQL.quoted((staging.within, LEDGER))
    try:
        connection.run(f"INSERT INTO {ledger} (fact) VALUES ({MSSQL.text(staging.prefix + what)})")
    except NotFoundError as error:
        raise staging.lost() from error
    except DataError:
        if not is_noted(connection, staging, what):
            raise
        return False
    return True


def note_rows(connection: Connection, staging: Staging, rows: int) -> None:
    """How many rows the commit has had, in its transaction; for ``committed``."""
    fact = MSSQL.text(f"{staging.prefix}{_ROWS}{rows}")
    connection.run(f"INSERT INTO {MSSQL.quoted((staging.within, LEDGER))} (fact) VALUES ({fact})")


def committed(connection: Connection, staging: Staging) -> int | None:
    """How many rows a commit has had; None where there was none, and can be none any more."""
    within, prefix = staging.within, staging.prefix
    if not exists(connection, (within, LEDGER)):
        cleanup(connection, within, prefix)
        return None
    connection.run("SET XACT_ABORT ON")
    connection.run("BEGIN TRANSACTION")
    if note(connection, staging):
        # Whoever is in the middle of a commit has been waited for, and later ones wait for the end of this.
        cleanup(connection, within, prefix)
        connection.run("COMMIT TRANSACTION")
        return None
    rows = f"{prefix}{_ROWS}"
    found = connection.run(
        f"SELECT fact FROM {MSSQL.quoted((within, LEDGER))} "
        f"WHERE SUBSTRING(fact, 1, {len(rows)}) = {MSSQL.text(rows)}"
    )
    return int(found[0][0].removeprefix(rows)) if found else 0


def prepare(connection: Connection, staging: Staging) -> None:
    """The target as the mode wants it, ready for the rows."""
    there = exists(connection, staging.parts)
    if there and staging.mode is WriteMode.ERROR:
        raise AlreadyExistsError(f"{connection.where} has a table {staging.shown} already")
    if there and staging.mode is WriteMode.OVERWRITE:
        if staging.keep:
            connection.run(f"TRUNCATE TABLE {staging.target}")
            return
        connection.run(f"DROP TABLE {staging.target}")
        there = False
    if not there:
        connection.run(create_table(staging.target, staging.columns, staging.declared, staging.keys))


def cleanup(connection: Connection, schema: str, prefix: str, *, facts: bool = True) -> None:
    """Remove what is staged and noted for a unit."""
    rows = connection.run(
        "SELECT t.name AS name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id "
        f"WHERE s.name = {MSSQL.text(schema)} AND SUBSTRING(t.name, 1, {len(prefix)}) = {MSSQL.text(prefix)}"
    )
    for (name,) in rows:
        try:
            connection.run(f"DROP TABLE IF EXISTS {MSSQL.quoted((schema, name))}")
        except CrossdockError:
            # Another cleanup at the same moment drops it between the look and the drop.
            if exists(connection, (schema, name)):
                raise
    if facts and exists(connection, (schema, LEDGER)):
        ledger = MSSQL.quoted((schema, LEDGER))
        connection.run(f"DELETE FROM {ledger} WHERE SUBSTRING(fact, 1, {len(prefix)}) = {MSSQL.text(prefix)}")
