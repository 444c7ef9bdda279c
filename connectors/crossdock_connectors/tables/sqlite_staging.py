"""Staged rows in the target database, and the one transaction that makes them visible.

A unit is staged in a table of its own (``_crossdock_...``, which no source lists). A split's rows have
consecutive rowids; its receipt says which. Two facts outlive a killed process in the table
``_crossdock_ledger``: that a unit was committed, and that we created the database.
"""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock import (
    AlreadyExistsError,
    ConfigError,
    NotFoundError,
    StageLostError,
    TransientError,
    WriteMode,
)

from .sqlite_columns import find_table, free_rowid
from .sqlite_database import PREFIX, Connection, Database, literal, quote
from .sqlite_skip import insert_fitting, table_of

if TYPE_CHECKING:
    import pyarrow as pa

_LEDGER = PREFIX + "ledger"
_CREATED = "created"
_ROWS = " rows="
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Staging:
    """What a handle says. ``codes``: the column codes. ``journal``: the journal mode to go back to.
    ``skip_rows``: rows that the target refuses are left out."""

    table: str
    staged: str
    mode: WriteMode
    schema: pa.Schema
    codes: Sequence[str]
    journal: str = ""
    skip_rows: bool = False

    @property
    def rowid(self) -> str:
        return free_rowid(self.schema.names)

    def encode(self) -> bytes:
        schema = b64encode(memoryview(self.schema.serialize())).decode()
        fields = [_VERSION, self.table, self.staged, self.mode.value, schema, list(self.codes), self.journal,
                  self.skip_rows]  # fmt: skip
        return json.dumps(fields).encode()

    @classmethod
    def decode(cls, handle: bytes) -> Staging:
        import pyarrow as pa

        version, *fields = json.loads(handle)
        if version != _VERSION:
            raise ConfigError("the copy was begun by another version of crossdock; start it anew")
        table, staged, mode, packed, codes, journal, skip_rows = fields
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(packed)))
        return cls(table, staged, WriteMode(mode), schema, codes, journal, skip_rows)

    def lost(self, why: str) -> StageLostError:
        return StageLostError(f"what was staged for the table {self.table} is gone: {why}")


def staging_name(run_id: str, table: str) -> str:
    """The same for the same run and table; short whatever they are."""
    return PREFIX + blake2b(f"{run_id}\0{table.lower()}".encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rowids of a split's rows, both included; ``last < first`` where it has none."""

    first: int
    last: int

    @classmethod
    def decode(cls, token: bytes) -> Rows:
        return cls(*json.loads(token))

    def encode(self) -> bytes:
        return json.dumps([self.first, self.last]).encode()


def create_table(name: str, names: Sequence[str], declared: Sequence[str]) -> str:
    columns = ", ".join(f"{quote(n)} {kind}" for n, kind in zip(names, declared, strict=True))
    return f"CREATE TABLE main.{quote(name)} ({columns})"


def note(connection: Connection, fact: str) -> None:
    connection.run(f"CREATE TABLE IF NOT EXISTS main.{_LEDGER} (fact TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.run(f"INSERT OR IGNORE INTO main.{_LEDGER} VALUES ({literal(fact)})")


def note_created(connection: Connection) -> None:
    note(connection, _CREATED)


def is_noted(connection: Connection, fact: str) -> bool:
    if find_table(connection, _LEDGER) is None:
        return False
    return bool(connection.run(f"SELECT 1 FROM main.{_LEDGER} WHERE fact = {literal(fact)}"))


def commit(connection: Connection, staging: Staging, ranges: Sequence[Rows], columns: Sequence[str]) -> None:
    """Within a write transaction: turn exactly the rows in ``ranges``, in their order, into the target's.

    ``columns`` are the target's names of the staged columns (mode append). A second time does nothing.
    """
    if is_noted(connection, staging.staged):
        return
    if find_table(connection, staging.staged) is None:
        raise staging.lost("the staging table does not exist")
    kept = [each for each in ranges if each.last >= each.first]
    _check_complete(connection, staging, kept)
    existing = find_table(connection, staging.table)
    if existing and staging.mode is WriteMode.ERROR:
        raise AlreadyExistsError(f"{connection.shown} has a table {existing[0]} already")
    if existing and staging.mode is WriteMode.APPEND:
        _append(connection, staging, existing[0], kept, columns)
    else:
        if existing:
            connection.run(f"DROP TABLE main.{quote(existing[0])}")
        _become(connection, staging, kept)
    note(connection, staging.staged)
    left = table_of(staging.staged)
    without = (
        connection.value(f"SELECT count(*) FROM main.{quote(left)}") if find_table(connection, left) else 0
    )
    note(connection, f"{staging.staged}{_ROWS}{sum(each.last - each.first + 1 for each in kept) - without}")


def committed_rows(connection: Connection, staged: str) -> int | None:
    """How many rows the unit's commit has had; None where it was not committed."""
    if not is_noted(connection, staged):
        return None
    start = staged + _ROWS
    found = connection.value(
        f"SELECT substr(fact, {len(start) + 1}) FROM main.{_LEDGER} "
        f"WHERE substr(fact, 1, {len(start)}) = {literal(start)}"
    )
    return int(found or 0)


def _check_complete(connection: Connection, staging: Staging, kept: Sequence[Rows]) -> None:
    last = connection.value(f"SELECT max({staging.rowid}) FROM main.{quote(staging.staged)}") or 0
    if kept and max(each.last for each in kept) > last:
        raise staging.lost("rows are missing")


def _append(
    connection: Connection, staging: Staging, table: str, kept: Sequence[Rows], columns: Sequence[str]
) -> None:
    for each in kept:
        if staging.skip_rows:
            insert_fitting(
                connection,
                staging.staged,
                each,
                lambda first, last: _copy(connection, staging, table, Rows(first, last), columns),
            )
        else:
            _copy(connection, staging, table, each, columns)
    if not (staging.skip_rows and find_table(connection, table_of(staging.staged))):
        connection.run(f"DROP TABLE main.{quote(staging.staged)}")


def _copy(connection: Connection, staging: Staging, into: str, rows: Rows, columns: Sequence[str]) -> None:
    names = ", ".join(quote(name) for name in columns)
    staged = ", ".join(quote(name) for name in staging.schema.names)
    connection.run(
        f"INSERT INTO main.{quote(into)} ({names}) SELECT {staged} FROM main.{quote(staging.staged)} "
        f"WHERE {staging.rowid} BETWEEN {rows.first} AND {rows.last} ORDER BY {staging.rowid}"
    )


def _become(connection: Connection, staging: Staging, kept: Sequence[Rows]) -> None:
    """The staging table becomes the target; only splits that arrived out of order are copied."""
    staged = staging.staged
    if list(kept) == sorted(kept, key=lambda each: each.first):
        _drop_others(connection, staging, kept)
        connection.run(f"ALTER TABLE main.{quote(staged)} RENAME TO {quote(staging.table)}")
        return
    sql = connection.value(f"SELECT sql FROM main.sqlite_schema WHERE name = {literal(staged)}")
    connection.run(f"CREATE TABLE main.{quote(staging.table)} {sql[sql.index('(') :]}")
    _append(connection, staging, staging.table, kept, staging.schema.names)


def _drop_others(connection: Connection, staging: Staging, kept: Sequence[Rows]) -> None:
    """Delete the rows of attempts that no receipt stands for."""
    low = 1
    for each in [*kept, None]:
        above = f" AND {staging.rowid} < {each.first}" if each else ""
        if each is None or each.first > low:
            connection.run(f"DELETE FROM main.{quote(staging.staged)} WHERE {staging.rowid} >= {low}{above}")
        low = each.last + 1 if each else low


def cleanup(database: Database, staged: str, journal: str) -> None:
    """Remove what is staged and noted for the unit, and a database that we made and that holds nothing.

    ``journal``: the journal mode to go back to.
    """
    if not database.exists:
        return
    with database.write() as connection:
        for name in (table_of(staged), staged):
            if find_table(connection, name):
                connection.run(f"DROP TABLE main.{quote(name)}")
        if is_noted(connection, staged):
            connection.run(
                f"DELETE FROM main.{_LEDGER} WHERE fact = {literal(staged)} "
                f"OR substr(fact, 1, {len(staged + _ROWS)}) = {literal(staged + _ROWS)}"
            )
        holds_nothing = _is_ours_and_empty(connection)
        if not holds_nothing:
            _close_ledger(connection)
    if holds_nothing:
        # Somebody else has the database open, and may put something into it: then it stays.
        with suppress(TransientError, NotFoundError):
            _remove(database)
    elif journal:
        _restore_journal(database, journal)


def _close_ledger(connection: Connection) -> None:
    """Drop the ledger when no unit is in it and none is staged."""
    staged = f"name GLOB '{PREFIX}*' AND type = 'table' AND name <> {literal(_LEDGER)}"
    if connection.value(f"SELECT count(*) FROM main.sqlite_schema WHERE {staged}"):
        return
    if find_table(connection, _LEDGER) is None:
        return
    facts = f"SELECT count(*) FROM main.{_LEDGER} WHERE fact <> {literal(_CREATED)}"
    if not connection.value(facts):
        connection.run(f"DROP TABLE main.{_LEDGER}")


def _is_ours_and_empty(connection: Connection) -> bool:
    others = connection.value(f"SELECT count(*) FROM main.sqlite_schema WHERE name <> {literal(_LEDGER)}")
    return not others and is_noted(connection, _CREATED)


def _remove(database: Database) -> None:
    """Remove the file while we hold the lock, and nothing is pending whose journal would be left.

    The journal goes before: by its name alone it could be that of a new database in this place.
    """
    with database.alone() as connection:
        connection.run("PRAGMA busy_timeout = 1000")
        if connection.value("PRAGMA journal_mode = delete") != "delete":
            return
        connection.run("BEGIN IMMEDIATE")
        try:
            if _is_ours_and_empty(connection):
                Path(database.path).unlink()
        finally:
            connection.run("ROLLBACK")


def _restore_journal(database: Database, mode: str) -> None:
    """Best effort: it needs the database for itself, and any mode is a good one."""
    with suppress(Exception), database.alone() as connection:
        connection.run(f"PRAGMA journal_mode = {mode}")
