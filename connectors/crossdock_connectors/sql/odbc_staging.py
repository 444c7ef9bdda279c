"""Staged rows in tables beside the target.

Each attempt at a split has a table of its own, ``_crossdock_<id>_<split>_<attempt>``, whose columns are
``c1``, ``c2``, ...; the unit's ledger, ``_crossdock_<id>_ledger``, gets a row with the commit.
"""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from crossdock import ConfigError, CrossdockError, NotFoundError, StageLostError, WriteMode

from . import odbc_catalog as catalog
from .odbc_catalog import PREFIX, Name
from .odbc_connection import Connection, Database
from .odbc_dialects import Traits

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 3
COMMITTED, CREATED = 0, 1
_TRIES = 5


class Into(NamedTuple):
    """A column of the target. ``cast``: the type that values are converted to, or none. ``filled``: SQL for
    what takes the place of NULL in a new row, or none."""

    name: str
    cast: str = ""
    only_ascii: bool = False
    filled: str = ""

    def value(self, number: int) -> str:
        """SQL for the staged value, of the column of that number, as the target takes it."""
        return f"CAST(s.c{number} AS {self.cast})" if self.cast else f"s.c{number}"


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``types``: the SQL types of the staged columns; ``columns``: the target's.
    ``keep``: mode overwrite empties an existing table. ``keys``: the columns that identify a row, for upsert.
    ``direct``: nothing is staged, rows go straight into the target."""

    name: Name
    prefix: str
    mode: WriteMode
    schema: pa.Schema
    types: Sequence[str]
    columns: Sequence[Into]
    keep: bool = False
    keys: Sequence[str] = ()
    direct: bool = False

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        name, columns, types = [self.name.schema, self.name.table], list(self.columns), list(self.types)
        fields = [name, self.prefix, self.mode.value, schema, types, columns, self.keep, list(self.keys)]
        return json.dumps([_VERSION, *fields, self.direct]).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        name, prefix, mode, packed, types, columns, *rest = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        into = [Into(*each) for each in columns]
        return cls(Name(*name), prefix, WriteMode(mode), schema, types, into, *rest)

    def sql(self, traits: Traits, table: str = "") -> str:
        """A table of the target's schema, or the target itself."""
        return traits.quoted((self.name.schema, table or self.name.table))

    def ledger(self, traits: Traits) -> str:
        return self.sql(traits, f"{self.prefix}_ledger")

    def create(self, traits: Traits, table: str) -> str:
        """SQL for a staging table. Its columns' names need no quotes, whatever the dialect."""
        listed = ", ".join(f"c{number} {kind}" for number, kind in enumerate(self.types, 1))
        return f"CREATE TABLE {self.sql(traits, table)} ({listed})"

    def lost(self, why: str) -> StageLostError:
        return StageLostError(f"what was staged for the table {self.name.shown} is gone: {why}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a receipt says. ``table`` is empty where there were no rows."""

    table: str
    rows: int

    def encode(self) -> bytes:
        return json.dumps([self.table, self.rows]).encode()

    @classmethod
    def decode(cls, token: bytes) -> Loaded:
        return cls(*json.loads(token))


def prefix_of(run_id: str, name: Name) -> str:
    """What the names of a unit's tables begin with: the same for the same run and table."""
    key = "\0".join((run_id, name.schema, name.table)).encode("utf-8", "surrogatepass")
    return PREFIX + blake2b(key, digest_size=8).hexdigest()


def open_ledger(connection: Connection, staging: Staging) -> None:
    ledger = staging.ledger(connection.traits)
    connection.run(f"CREATE TABLE {ledger} (fact INTEGER NOT NULL PRIMARY KEY)")


def facts(connection: Connection, staging: Staging) -> set[int] | None:
    """What the ledger notes; None where there is none."""
    try:
        rows = connection.run(f"SELECT fact FROM {staging.ledger(connection.traits)}")
    except NotFoundError:
        return None
    return {int(fact) for (fact,) in rows}


def is_committed(database: Database, staging: Staging) -> bool:
    with database.connect() as connection:
        return COMMITTED in (facts(connection, staging) or ())


def drop_staged(connection: Connection, name: Name, prefix: str) -> None:
    """The rows of a unit, whose ledger stays."""
    for each in catalog.own(connection, name.schema, prefix):
        if not each.table.endswith("_ledger"):
            connection.run(f"DROP TABLE {connection.traits.quoted((each.schema, each.table))}")


def cleanup(database: Database, name: Name, prefix: str) -> None:
    """Remove what is staged and noted for a unit, also while others do the same."""
    traits = database.traits
    for last in (False,) * _TRIES + (True,):
        with database.connect() as connection:
            found = catalog.own(connection, name.schema, prefix)
            # The ledger goes last: without it a late writer stages nothing more.
            for each in sorted(found, key=lambda each: not each.table.endswith("_ledger")):
                try:
                    connection.run(f"DROP TABLE {traits.quoted((each.schema, each.table))}")
                except CrossdockError:
                    if last:
                        raise
            if not found:
                return
