"""SQLite as a sink: rows are staged in the target database and become the table in one transaction."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Attempt,
    Begun,
    BulkWriter,
    ConfigError,
    InternalError,
    NotFoundError,
    ReadBack,
    Receipt,
    Remembering,
    SchemaMismatchError,
    Sink,
    SkippingSink,
    Source,
    Split,
    Target,
    TypedSink,
    Unit,
    WriteMode,
)

from . import sqlite_staging as staging_
from .sqlite_columns import find_table, free_rowid
from .sqlite_database import PREFIX, Connection, Database, Presence, Transaction, is_read_here, literal, quote
from .sqlite_readback import StagedSource
from .sqlite_skip import left_out
from .sqlite_staging import Rows, Staging, create_table, staging_name
from .sqlite_types import affinity, code_for, declared_for, stored_as
from .sqlite_values import encode, stored_type

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_MOST_COLUMNS = 2000


@dataclass
class SqliteSink(Sink["pa.RecordBatch"], ReadBack["pa.RecordBatch"], Remembering, SkippingSink, TypedSink):
    """One table per unit, or ``table`` for all. Writers of one database take turns."""

    database: Database
    table: str = ""
    decimals: Literal["refuse", "text", "real"] = "refuse"
    nan: Literal["error", "null"] = "error"
    journal_mode: str = ""
    _presence: Presence = field(init=False)

    def __post_init__(self) -> None:
        self._presence = Presence(self.database.path, writes=True)

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table)

    def check(self, unit: Unit, target: Target) -> None:
        table = self._table(unit)
        schema = _schema(target)
        codes = [code_for(column, self.decimals) for column in schema]
        _check_names(schema.names)
        if not self.database.exists:
            _check_folder(self.database.path)
            return
        if not os.access(self.database.path, os.W_OK):
            raise AccessDeniedError(f"{self.database.path} may not be written to")
        with self.database.connect() as connection:
            found = find_table(connection, table)
            if found is None:
                return
            name, kind = found
            if target.mode is WriteMode.ERROR:
                raise AlreadyExistsError(
                    f"{self.database.path} has a table {name} already",
                    hint="--mode append adds to it, --mode overwrite replaces it",
                )
            if kind != "table":
                raise ConfigError(f"{name} in {self.database.path} is a {kind}, not a table to write to")
            if target.mode is WriteMode.APPEND:
                _matched(connection, name, schema.names, codes)

    def _table(self, unit: Unit) -> str:
        """The table that the unit goes to."""
        name = self.table or unit.table_name
        if not name or _CONTROL.search(name) or name.lower().startswith(("sqlite_", PREFIX)):
            raise ConfigError(
                f"{name!r} cannot be the name of an SQLite table; name one: sqlite:///...#table"
            )
        return name

    def column_types(self) -> Mapping[str, pa.DataType]:
        import pyarrow as pa

        if not self.database.exists:
            return {}
        with self.database.connect() as connection:
            found = find_table(connection, self.table)
            kinds = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
            columns = _columns_of(connection, found[0]) if found else []
            return {name: kinds[kind] for name, declared in columns if (kind := affinity(declared)) in kinds}

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        table, schema = self._table(unit), _schema(target)
        codes = [code_for(column, self.decimals) for column in schema]
        staged = staging_name(run_id, table)
        journal = self._set_journal()
        transaction = self.database.write(create=True)
        with transaction as connection:
            if transaction.created:
                staging_.note_created(connection)
            # Left over where the same run began the unit before and lost its handle.
            connection.run(f"DROP TABLE IF EXISTS main.{quote(staged)}")
            connection.run(create_table(staged, schema.names, [declared_for(code) for code in codes]))
        staging = Staging(table, staged, target.mode, schema, codes, journal, target.skip_rows)
        return Begun(staging.encode(), max_writers=1)

    def _set_journal(self) -> str:
        """Set the journal mode that is needed; returns the one to go back to."""
        mode = self.journal_mode
        if not mode and self.database.exists and is_read_here(self.database.path):
            # A rollback journal would let the reader of a copy within one database wait for its writer.
            mode = "wal"
        if not mode:
            return ""
        created = not self.database.exists
        if created:
            with self.database.write(create=True) as connection:
                staging_.note_created(connection)
        with self.database.alone("rwc") as connection:
            before = str(connection.value("PRAGMA journal_mode"))
            if before != mode:
                connection.run(f"PRAGMA journal_mode = {mode}")
        return "" if self.journal_mode or before == mode else before

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> SqliteWriter:
        return SqliteWriter(self.database, Staging.decode(handle), self.nan)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        staging = Staging.decode(handle)
        ranges = [Rows.decode(receipt.token) for _, receipt in sorted(receipts, key=lambda r: r[0].index)]
        if not self.database.exists:
            raise staging.lost(f"{self.database.path} does not exist")
        with self.database.write() as connection:
            columns: Sequence[str] = staging.schema.names
            found = find_table(connection, staging.table)
            if found and staging.mode is WriteMode.APPEND:
                columns = _matched(connection, found[0], staging.schema.names, staging.codes)
            staging_.commit(connection, staging, ranges, columns)

    def left_out(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
        return left_out(self.database, Staging.decode(handle))

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        self._clean(staging.staged, staging.journal)

    def abandon(self, unit: Unit, run_id: str) -> None:
        self._clean(staging_name(run_id, self._table(unit)))

    def _clean(self, staged: str, journal: str = "") -> None:
        try:
            staging_.cleanup(self.database, staged, journal)
        except NotFoundError:  # another cleanup removed the database
            return

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        staged = staging_name(run_id, self._table(unit))
        if self.database.exists:
            with self.database.write() as connection:
                if (rows := staging_.committed_rows(connection, staged)) is not None:
                    return Receipt(b"", 0, 0, rows)
                # Whoever waits to commit it finds it gone.
                connection.run(f"DROP TABLE IF EXISTS main.{quote(staged)}")
        self.abandon(unit, run_id)
        return None

    def is_committed(self, handle: bytes) -> bool:
        if not self.database.exists:
            return False
        with self.database.connect() as connection:
            return staging_.is_noted(connection, Staging.decode(handle).staged)

    def target_name(self, unit: Unit) -> str | None:
        return None if self.table else self._table(unit).lower()

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        staging = Staging.decode(handle)
        ranges = [Rows.decode(receipt.token) for _, receipt in receipts]
        return StagedSource(self.database, staging, ranges), Unit(staging.table)

    def close(self) -> None:
        self._presence.end()


class SqliteWriter(BulkWriter):
    """One attempt: a write transaction, open from the first rows on. Others wait for its end."""

    def __init__(self, database: Database, staging: Staging, nan: Literal["error", "null"]) -> None:
        super().__init__()
        self._database, self._staging, self._nan = database, staging, nan
        self._transaction: Transaction | None = None
        self._first = 0

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        connection = self._begin()
        schema = pa.schema(
            pa.field(column.name, stored_type(column.type, code))
            for column, code in zip(self._staging.schema, self._staging.codes, strict=True)
        )
        columns = list(zip(schema.names, self._staging.codes, strict=True))

        def convert(item: pa.RecordBatch) -> pa.RecordBatch:
            arrays = [
                encode(values, name, code, self._nan)
                for values, (name, code) in zip(item.columns, columns, strict=True)
            ]
            return pa.RecordBatch.from_arrays(arrays, schema=schema)

        reader = pa.RecordBatchReader.from_batches(schema, self.converted(items, convert))
        try:
            with connection.cursor() as cursor:
                cursor.adbc_ingest(self._staging.staged, reader, mode="append")
        except Exception as error:
            if self.failure is not None:
                raise self.failure from None
            if "no such table" in str(error).lower():
                raise self._staging.lost("the staging table does not exist") from error
            raise

    def _begin(self) -> Connection:
        if self._transaction is None:
            try:
                self._transaction = self._database.write()
            except NotFoundError as error:
                raise self._staging.lost(error.message) from error
            connection = self._transaction.connection
            if find_table(connection, self._staging.staged) is None:
                raise self._staging.lost("the staging table does not exist")
            self._first = self._last_rowid(connection) + 1
        return self._transaction.connection

    def _last_rowid(self, connection: Connection) -> int:
        sql = f"SELECT max({self._staging.rowid}) FROM main.{quote(self._staging.staged)}"
        return int(connection.value(sql) or 0)

    def finish(self) -> Receipt:
        self.flush()
        rows = Rows(1, 0)
        if self._transaction is not None:
            rows = Rows(self._first, self._last_rowid(self._transaction.connection))
            if rows.last - rows.first + 1 != self.rows:
                raise InternalError(f"{self.rows:,} rows were written, {rows} are there")
            self._transaction.commit()
        return self.receipt(rows.encode())

    def abort(self) -> None:
        self.forget()
        if self._transaction is not None:
            self._transaction.rollback()


def _schema(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("SQLite takes rows, not bytes; choose a format for the source")
    return target.schema


def _check_names(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if "\0" in name:
            raise SchemaMismatchError(f"the column name {name!r} holds a NUL character")
        other = seen.get(name.lower())
        seen[name.lower()] = name
        if other is not None:
            raise SchemaMismatchError(
                f"to SQLite the columns {other!r} and {name!r} are the same; rename one"
            )
    if not names or len(names) > _MOST_COLUMNS:
        raise SchemaMismatchError(f"an SQLite table has 1 to {_MOST_COLUMNS:,} columns, not {len(names):,}")
    if not free_rowid(names):
        raise SchemaMismatchError("rowid, _rowid_ and oid are all taken by columns; rename one of them")


def _check_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise NotFoundError(f"the folder {folder} for the database {os.path.basename(path)} does not exist")
    if not os.access(folder, os.W_OK):
        raise AccessDeniedError(f"the folder {folder} may not be written to")


def _columns_of(connection: Connection, table: str) -> list[tuple[str, str]]:
    """The names and declared types of a table's columns."""
    rows = connection.run(
        f"SELECT name, type FROM pragma_table_xinfo({literal(table)}) WHERE hidden = 0 ORDER BY cid"
    )
    return [(name, declared or "") for name, declared in rows]


def _matched(connection: Connection, table: str, names: Sequence[str], codes: Sequence[str]) -> Sequence[str]:
    """The table's own spelling of the columns. Raises SchemaMismatchError for one that it cannot take."""
    known = {name.lower(): (name, declared) for name, declared in _columns_of(connection, table)}
    found = []
    for name, code in zip(names, codes, strict=True):
        if name.lower() not in known:
            there = [written for written, _ in known.values()]
            near = get_close_matches(name, there, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(there)}"
            raise SchemaMismatchError(f"the table {table} has no column {name!r}; {hint}")
        written, declared = known[name.lower()]
        if not _fits(code, declared):
            raise SchemaMismatchError(
                f"the column {table}.{written} is {declared or 'untyped'}, and SQLite would change values "
                f"of {code} in it; map the column to another one or convert it first"
            )
        found.append(written)
    return found


def _fits(code: str, declared: str) -> bool:
    """Whether values of a code stay what they are in a column of that declared type."""
    stored, target = stored_as(code), affinity(declared)
    if stored in ("null", "blob") or target == "BLOB":
        return True
    if target == "TEXT":
        return stored == "text"
    if target == "REAL":
        return stored == "real"
    if target == "INTEGER":
        return stored == "integer"
    # NUMERIC keeps numbers, and text that does not look like one.
    return stored in ("integer", "real") or code.startswith(("date", "time"))
