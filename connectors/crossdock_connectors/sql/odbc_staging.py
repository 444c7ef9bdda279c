"""Staged rows in tables beside the target, and the one transaction that makes them visible.

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

from crossdock import (
    AlreadyExistsError,
    ConfigError,
    CrossdockError,
    NotFoundError,
    StageLostError,
    WriteMode,
)

from . import odbc_catalog as catalog
from .odbc_catalog import PREFIX, Name
from .odbc_connection import Connection, Database
from .odbc_dialects import Traits
from .odbc_errors import is_taken

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 2
_COMMITTED, _CREATED = 0, 1
_TRIES = 5


class Into(NamedTuple):
    """A column of the target. ``cast``: the type that values are converted to, or none."""

    name: str
    cast: str = ""
    only_ascii: bool = False


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``types``: the SQL types of the staged columns; ``columns``: the target's.
    ``keep``: mode overwrite empties an existing table."""

    name: Name
    prefix: str
    mode: WriteMode
    schema: pa.Schema
    types: Sequence[str]
    columns: Sequence[Into]
    keep: bool = False

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        name, columns, types = [self.name.schema, self.name.table], list(self.columns), list(self.types)
        fields = [name, self.prefix, self.mode.value, schema, types, columns, self.keep]
        return json.dumps([_VERSION, *fields]).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        name, prefix, mode, packed, types, columns, keep = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        return cls(
            Name(*name), prefix, WriteMode(mode), schema, types, [Into(*each) for each in columns], keep
        )

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
        return _COMMITTED in (facts(connection, staging) or ())


def commit(database: Database, staging: Staging, loaded: Sequence[Loaded]) -> None:
    """Make the rows of these tables visible and note it, in one transaction; a second time does nothing."""
    with database.connect() as connection:
        noted = facts(connection, staging)
        if noted is None:
            raise staging.lost("its ledger does not exist")
        if _COMMITTED in noted:
            return
        if not connection.traits.exact:
            _create_before(connection, staging, noted)
    try:
        with database.connect(autocommit=database.traits.transactions == 0) as connection:
            # Another committer waits here until this one has ended, and then finds the row.
            _note(connection, staging, _COMMITTED)
            if connection.traits.exact:
                _prepare(connection, staging)
            elif staging.mode is WriteMode.OVERWRITE:
                connection.run(f"DELETE FROM {staging.sql(connection.traits)}")
            for each in loaded:
                if each.rows:
                    _move(connection, staging, each)
    except CrossdockError as error:
        if is_taken(error) and is_committed(database, staging):
            return
        raise


def _note(connection: Connection, staging: Staging, fact: int) -> None:
    connection.run(f"INSERT INTO {staging.ledger(connection.traits)} (fact) VALUES ({fact})")


def _prepare(connection: Connection, staging: Staging) -> None:
    """The target as the mode wants it, ready for the rows."""
    there = catalog.exists(connection, staging.name)
    target = staging.sql(connection.traits)
    if there and staging.mode is WriteMode.ERROR:
        raise AlreadyExistsError(f"{connection.where} has a table {staging.name.shown} already")
    if there and staging.mode is WriteMode.OVERWRITE:
        if staging.keep:
            connection.run(f"DELETE FROM {target}")
            return
        connection.run(f"DROP TABLE {target}")
        there = ""
    if not there:
        _create_target(connection, staging)


def _create_target(connection: Connection, staging: Staging) -> None:
    names = [column.name for column in staging.columns]
    connection.run(create_table(connection.traits, staging.name, names, staging.types))


def create_table(traits: Traits, name: Name, columns: Sequence[str], types: Sequence[str]) -> str:
    pairs = zip(columns, types, strict=True)
    listed = ", ".join(f"{traits.quote(column)} {kind}" for column, kind in pairs)
    return f"CREATE TABLE {traits.quoted((name.schema, name.table))} ({listed})"


def _create_before(connection: Connection, staging: Staging, noted: set[int]) -> None:
    """Where creating a table is no part of a transaction: it is there, empty, before the rows are.

    The ledger knows before that it is ours, for a process that goes on with the commit.
    """
    if catalog.exists(connection, staging.name):
        if staging.mode is WriteMode.ERROR and _CREATED not in noted:
            raise AlreadyExistsError(f"{connection.where} has a table {staging.name.shown} already")
        return
    if _CREATED not in noted:
        _note(connection, staging, _CREATED)
    _create_target(connection, staging)


def _move(connection: Connection, staging: Staging, loaded: Loaded) -> None:
    traits = connection.traits
    names = ", ".join(traits.quote(column.name) for column in staging.columns)
    values = ", ".join(
        f"CAST(c{number} AS {column.cast})" if column.cast else f"c{number}"
        for number, column in enumerate(staging.columns, 1)
    )
    table = staging.sql(traits, loaded.table)
    try:
        count = connection.change(f"INSERT INTO {staging.sql(traits)} ({names}) SELECT {values} FROM {table}")
    except NotFoundError as error:
        raise staging.lost("a staging table does not exist") from error
    if count not in (-1, loaded.rows):
        raise staging.lost(f"{count:,} of {loaded.rows:,} rows of a split are there")


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
