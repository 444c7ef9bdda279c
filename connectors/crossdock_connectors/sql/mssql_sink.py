"""SQL Server as a sink: each split is loaded into a staging table; one transaction moves them all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Begun,
    BulkWriter,
    ConfigError,
    InternalError,
    NotFoundError,
    Receipt,
    SchemaMismatchError,
    Sink,
    Split,
    StageLostError,
    Target,
    TransientError,
    Unit,
    WriteMode,
)

from . import mssql_staging as staging_
from .identifiers import MSSQL
from .mssql_columns import PREFIX, Column, columns_of, exists, parts_of, unit_parts
from .mssql_connection import Connection, Server
from .mssql_errors import bulk_fault
from .mssql_staging import Staging, create_table, prefix_of
from .mssql_types import Type, declaration

if TYPE_CHECKING:
    import pyarrow as pa

_PENDING = 64 << 20
_MOST_COLUMNS = 1024
# A bulk copy costs most of a second to open.
_SMALLEST_SPLIT = 64 << 20
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass
class MssqlSink(Sink["pa.RecordBatch"]):
    """One table per unit, or ``table`` for all."""

    server: Server
    table: str = ""
    table_schema: str = "dbo"

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table)

    def _parts(self, unit: Unit) -> tuple[str, str]:
        """Schema and name of the table that the unit goes to."""
        if self.table:
            parts = parts_of(self.table, self.table_schema)
        elif unit.table_name != unit.name:
            parts = self.table_schema, unit.table_name
        else:
            parts = unit_parts(unit.name, self.table_schema)
        for part in parts:
            if _CONTROL.search(part) or part.lower().startswith(PREFIX):
                raise ConfigError(
                    f"{part!r} cannot be the name of a table; name one: mssql://...#schema.table"
                )
            MSSQL.quote(part)
        return parts

    def check(self, unit: Unit, target: Target) -> None:
        parts, schema = self._parts(unit), _schema(target)
        _check_names(schema.names)
        with self.server.connect() as connection:
            if connection.value(f"SELECT SCHEMA_ID({MSSQL.text(parts[0])}) AS found") is None:
                raise ConfigError(f"{self.server.where} has no schema {parts[0]!r} for {parts[1]!r}")
            there = exists(connection, parts)
            if there and target.mode is WriteMode.ERROR:
                raise AlreadyExistsError(
                    f"{self.server.where} has a table {'.'.join(parts)} already",
                    hint="--mode append adds to it, --mode overwrite replaces it",
                )
            if there and target.mode is WriteMode.APPEND:
                _matched(connection, parts, schema)
                return
        _declared(schema)

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        parts, schema = self._parts(unit), _schema(target)
        prefix = prefix_of(run_id, parts)
        with self.server.connect() as connection:
            # Left over where the same run began the unit before and lost its handle.
            staging_.cleanup(connection, parts[0], prefix)
            staging_.open_ledger(connection, parts[0])
            columns: list[Column] | None = None
            if exists(connection, parts) and target.mode is not WriteMode.ERROR:
                try:
                    columns = _matched(connection, parts, schema)
                except SchemaMismatchError:
                    if target.mode is WriteMode.APPEND:
                        raise
                else:
                    whole = len(columns) == len(columns_of(connection, parts))
                    columns = columns if whole or target.mode is WriteMode.APPEND else None
        if columns is None:
            declared, names = _declared(schema), list(schema.names)
        else:
            declared, names = [str(c.type) for c in columns], [c.name for c in columns]
        staging = Staging(parts, prefix, target.mode, schema, declared, names, keep=columns is not None)
        return Begun(staging.encode(), max_writers=4, min_split_bytes=_SMALLEST_SPLIT, memory=2 * _PENDING)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> MssqlWriter:
        staging = Staging.decode(handle)
        return MssqlWriter(self.server, staging, f"{staging.prefix}{split.index}_{attempt.number}")

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        staging = Staging.decode(handle)
        ordered = sorted(receipts, key=lambda pair: pair[0].index)
        with self.server.connect() as connection:
            staging_.commit(connection, staging, [receipt.token.decode() for _, receipt in ordered])

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        with self.server.connect() as connection:
            staging_.cleanup(connection, staging.parts[0], staging.prefix)

    def abandon(self, unit: Unit, run_id: str) -> None:
        parts = self._parts(unit)
        with self.server.connect() as connection:
            staging_.cleanup(connection, parts[0], prefix_of(run_id, parts))

    def is_committed(self, handle: bytes) -> bool:
        with self.server.connect() as connection:
            return staging_.is_noted(connection, Staging.decode(handle))

    def notes(self) -> Sequence[str]:
        return self.server.notes

    def target_name(self, unit: Unit) -> str | None:
        return None if self.table else ".".join(self._parts(unit)).lower()


class MssqlWriter(BulkWriter):
    """One attempt at a split: a staging table of its own, loaded by bulk copy."""

    most_pending = _PENDING

    def __init__(self, server: Server, staging: Staging, name: str) -> None:
        super().__init__()
        self._server, self._staging, self._name = server, staging, name
        self._types = [Type.parse(kind) for kind in staging.declared]
        self._created = False
        self._loaded = 0

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        from .mssql_values import form, loaded

        wanted = [
            form(column.type, kind) for column, kind in zip(self._staging.schema, self._types, strict=True)
        ]
        names = self._staging.schema.names
        schema = pa.schema(list(zip(names, wanted, strict=True)))

        def convert(item: pa.RecordBatch) -> pa.RecordBatch:
            arrays = [
                loaded(values, column.name, kind, column.type)
                for values, column, kind in zip(item.columns, schema, self._types, strict=True)
            ]
            return pa.RecordBatch.from_arrays(arrays, schema=schema)

        with self._server.connect() as connection:
            self._create(connection)
            reader = pa.RecordBatchReader.from_batches(schema, self.converted(items, convert))
            try:
                self._loaded += connection.bulk_load(
                    self._staging.table(self._name), reader, names, self._server.query_timeout
                )
            except BaseException as error:
                if self.failure is not None:
                    raise self.failure from None
                if type(error).__name__ == "PanicException":
                    raise TransientError("the driver's bulk copy broke down", detail=str(error)) from error
                if not isinstance(error, Exception):
                    raise
                mapped = bulk_fault(error, self._server.where)
                if isinstance(mapped, NotFoundError):
                    raise StageLostError("the staging table is gone", detail=str(error)) from error
                raise mapped or error from error

    def _create(self, connection: Connection) -> None:
        if not self._created:
            table = self._staging.table(self._name)
            connection.run(f"DROP TABLE IF EXISTS {table}")
            connection.run(create_table(table, self._staging.schema.names, self._staging.declared))
            self._created = True

    def finish(self) -> Receipt:
        self.flush()
        if not self._created:
            with self._server.connect() as connection:
                self._create(connection)
        if self._loaded != self.rows:
            raise InternalError(f"{self.rows:,} rows were written, {self._loaded:,} are there")
        return self.receipt(self._name.encode())

    def abort(self) -> None:
        self.forget()
        if not self._created:
            return
        try:
            with self._server.connect() as connection:
                connection.run(f"DROP TABLE IF EXISTS {self._staging.table(self._name)}")
        except Exception:  # noqa: BLE001 - cleanup drops it as well
            return


def _schema(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("SQL Server takes rows, not bytes; choose a format for the source")
    return target.schema


def _declared(schema: pa.Schema) -> list[str]:
    return [declaration(column) for column in schema]


def _check_names(names: Sequence[str]) -> None:
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


def _matched(connection: Connection, parts: tuple[str, str], schema: pa.Schema) -> list[Column]:
    """The table's columns for those of the schema. Raises SchemaMismatchError for one that it cannot take."""
    from .mssql_values import form

    table = ".".join(parts)
    there = {column.name.lower(): column for column in columns_of(connection, parts)}
    found = []
    for each in schema:
        column = there.get(each.name.lower())
        if column is None:
            near = get_close_matches(each.name, [c.name for c in there.values()], 1, 0.5)
            names = ", ".join(c.name for c in there.values())
            hint = f"did you mean {near[0]}?" if near else f"its columns: {names}"
            raise SchemaMismatchError(f"the table {table} has no column {each.name!r}; {hint}")
        if column.generated or column.identity:
            raise SchemaMismatchError(
                f"the column {table}.{column.name} is filled by the server; leave it out"
            )
        if form(each.type, column.type) is None:
            raise SchemaMismatchError(
                f"the column {table}.{column.name} is {column.type}, and not every {each.type} would stay "
                "what it is in it; map the column to another one or convert it first"
            )
        found.append(column)
    return found
