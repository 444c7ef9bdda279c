"""Staged rows in the target's schema, and the one transaction that makes them visible.

A unit is staged in one table (``_crossdock_<id>``), which all its writers load. Each attempt is one
transaction, which leaves its number and its row in the unit's ledger (``_crossdock_<id>_ledger``): a row was
written by an attempt when its ``xmin`` is the attempt's. The commit leaves a row there as well.
"""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from crossdock import ConfigError, CrossdockError, NotFoundError, StageLostError, WriteMode

from .identifiers import POSTGRES
from .postgres_columns import stored
from .postgres_database import Connection, literal, quote
from .postgres_relation import PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 3
_COMMIT = -1  # in place of a split


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``name`` is that of the staging table, the same for the same run and table.

    ``direct``: there is none, rows go straight into the target. ``skip_rows``: rows that the target refuses
    are left out.
    """

    schema_name: str
    table: str
    name: str
    mode: WriteMode
    schema: pa.Schema
    direct: bool = False
    skip_rows: bool = False

    @property
    def loaded(self) -> str:
        """The name of the table that writers load."""
        return self.table if self.direct else self.name

    @property
    def target(self) -> str:
        return POSTGRES.quoted((self.schema_name, self.table))

    @property
    def staged(self) -> str:
        return POSTGRES.quoted((self.schema_name, self.name))

    @property
    def ledger(self) -> str:
        return POSTGRES.quoted((self.schema_name, self.name + "_ledger"))

    @property
    def types(self) -> list[str]:
        """The SQL types of the staged columns."""
        return [stored(column)[0] for column in self.schema]

    @property
    def columns(self) -> str:
        """The columns of a table that is made for the rows."""
        pairs = zip(self.schema.names, self.types, strict=True)
        return ", ".join(f"{quote(name)} {kind}" for name, kind in pairs)

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        return json.dumps(
            [
                _VERSION,
                self.schema_name,
                self.table,
                self.name,
                self.mode.value,
                schema,
                self.direct,
                self.skip_rows,
            ]
        ).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        schema_name, table, name, mode, packed, direct, skip_rows = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        return cls(schema_name, table, name, WriteMode(mode), schema, direct, skip_rows)

    def lost(self, why: str) -> StageLostError:
        return StageLostError(f"what was staged for the table {self.table} is gone: {why}")


def staging_name(run_id: str, schema: str, table: str) -> str:
    text = f"{run_id}\0{schema}\0{table}"
    return PREFIX + blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a receipt says: the attempt's rows are those whose ``xmin`` is ``transaction`` (0: none)."""

    split: int
    attempt: int
    transaction: int
    rows: int

    def encode(self) -> bytes:
        return json.dumps([self.split, self.attempt, self.transaction, self.rows]).encode()

    @classmethod
    def decode(cls, token: bytes) -> Loaded:
        return cls(*json.loads(token))


def create(connection: Connection, staging: Staging, *, logged: bool) -> None:
    """The staging table and its ledger. A crash of the server empties a table that is not logged."""
    with connection.transaction():
        drop(connection, staging.schema_name, staging.name)
        connection.run(f"CREATE {'' if logged else 'UNLOGGED '}TABLE {staging.staged} ({staging.columns})")
        connection.run(
            f"CREATE TABLE {staging.ledger} (split int, attempt bigint, transaction bigint, rows bigint, "
            "PRIMARY KEY (split, attempt))"
        )
        told = f"crossdock: staged rows of {staging.table}; may be dropped when the copy is over"
        connection.run(f"COMMENT ON TABLE {staging.staged} IS {literal(told)}")


def create_target(connection: Connection, staging: Staging) -> None:
    connection.run(f"CREATE TABLE IF NOT EXISTS {staging.target} ({staging.columns})")


def register(connection: Connection, staging: Staging, split: int, attempt: int, rows: int) -> Loaded:
    """Within the attempt's transaction: note it in the ledger."""
    number = int(connection.value("SELECT pg_current_xact_id()::text")) % 2**32 if rows else 0
    if staging.direct:
        return Loaded(split, attempt, number, rows)
    connection.run(f"INSERT INTO {staging.ledger} VALUES ({split}, {attempt}, {number}, {rows})")
    return Loaded(split, attempt, number, rows)


def is_committed(connection: Connection, staging: Staging) -> bool:
    if connection.value(f"SELECT to_regclass({literal(staging.ledger)})::text") is None:
        return False
    return bool(connection.run(f"SELECT 1 FROM {staging.ledger} WHERE split = {_COMMIT}"))


def note_commit(connection: Connection, staging: Staging, rows: int) -> None:
    connection.run(f"INSERT INTO {staging.ledger} VALUES ({_COMMIT}, 0, 0, {rows})")
    told = f"crossdock: rows were added to {staging.table}; may be dropped when the copy is over"
    connection.run(f"COMMENT ON TABLE {staging.ledger} IS {literal(told)}")


def committed(connection: Connection, staging: Staging) -> int | None:
    """How many rows a commit has added; None where there was none, and can be none any more."""
    # Who is in the middle of one has lost the lease, and perhaps the network: it would be waited for.
    end_late_writers(connection, staging, committing=True)
    with suppress(StageLostError), connection.transaction():
        lock_ledger(connection, staging)
        if found := connection.run(f"SELECT rows FROM {staging.ledger} WHERE split = {_COMMIT}"):
            return int(found[0][0])
        drop(connection, staging.schema_name, staging.name)
    return None


def lock_ledger(connection: Connection, staging: Staging) -> None:
    """Within a transaction: one committer at a time. Raises StageLostError where there is no ledger."""
    try:
        connection.run(f"LOCK TABLE {staging.ledger} IN SHARE ROW EXCLUSIVE MODE")
    except NotFoundError as error:
        raise staging.lost("its ledger does not exist") from error


def others(connection: Connection, staging: Staging, wanted: Sequence[Loaded]) -> list[Loaded]:
    """The attempts that loaded rows and do not count. Raises StageLostError where one is missing."""
    rows = connection.run(f"SELECT split, attempt, transaction, rows FROM {staging.ledger} WHERE split >= 0")
    found = {Loaded(*row) for row in rows}
    missing = set(wanted) - found
    if missing:
        raise staging.lost(f"the rows of {len(missing)} splits are missing")
    return [each for each in found - set(wanted) if each.rows]


def of(loaded: Sequence[Loaded]) -> str:
    """The condition that a staged row was written by one of these."""
    numbers = ", ".join(f"'{each.transaction}'" for each in loaded if each.rows)
    return f"xmin = ANY (ARRAY[{numbers}]::xid[])"


def end_late_writers(connection: Connection, staging: Staging, *, committing: bool = False) -> None:
    """End the sessions of attempts that were given up and still load, or commit: they would be in the way for
    ever."""
    held, mode = (
        (staging.ledger, "ShareRowExclusiveLock") if committing else (staging.staged, "RowExclusiveLock")
    )
    with suppress(CrossdockError):  # another user's session: then we wait for it
        connection.run(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted "
            f"AND l.relation = to_regclass({literal(held)}) AND l.mode = '{mode}' "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND l.pid <> pg_backend_pid()"
        )


def drop(connection: Connection, schema: str, name: str) -> None:
    """Remove what is staged under that name. Nothing there is as good."""
    for each in (f"{name}_left", name, f"{name}_ledger"):
        connection.run(f"DROP TABLE IF EXISTS {POSTGRES.quoted((schema, each))}")


def cleanup(connection: Connection, staging: Staging) -> None:
    """As ``drop``, also while others do the same and late writers go on."""
    end_late_writers(connection, staging)
    with connection.transaction():
        # Dropping at the same moment would fail for the second one.
        connection.run(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(staging.staged)}, 0))")
        drop(connection, staging.schema_name, staging.name)
