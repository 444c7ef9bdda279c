"""PostgreSQL as a sink: rows are staged with COPY and become the table's in one transaction."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Attempt,
    Begun,
    BulkWriter,
    Cancellable,
    ConfigError,
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

from . import postgres_procedure as procedure_
from . import postgres_staging as staging_
from .postgres_columns import assigned, check_loadable, check_names, columns_of, convert, stored, text_as
from .postgres_commit import How, commit
from .postgres_database import Connection, Database, literal, quote
from .postgres_readback import StagedSource
from .postgres_relation import PREFIX, Relation, current_schema, find
from .postgres_skip import left_out
from .postgres_staging import Loaded, Staging, staging_name

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_WRITERS = 16
HOW = How()


@dataclass
class PostgresSink(
    Sink["pa.RecordBatch"], ReadBack["pa.RecordBatch"], Remembering, SkippingSink, TypedSink, Cancellable
):
    """One table per unit, or ``table`` for all. ``direct``: nothing is staged, rows go into the table, at
    least once; else ``how`` says how they get there.
    """

    database: Database
    schema_name: str = ""
    table: str = ""
    how: How = HOW
    creates: bool = True
    direct: bool = False
    weakness: str = ""
    _schema: str = field(default="", init=False)

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table)

    def check(self, unit: Unit, target: Target) -> None:
        table, schema = self._table(unit), _schema(target)
        types = [stored(column)[0] for column in schema]
        check_names(schema.names)
        self._check_keys(schema.names, target.mode)
        if self.direct and target.skip_rows:
            raise ConfigError("delivery=at-least-once cannot leave rows out; rows are staged without it")
        if self.direct and target.mode is not WriteMode.APPEND:
            raise ConfigError("delivery=at-least-once adds to a table: it needs --mode append")
        with self.database.connect() as connection:
            within = self._in(connection)
            self._check_schema(connection, within)
            self._check_script(connection)
            if self.how.procedure is not None:
                if target.skip_rows or target.mode is not WriteMode.APPEND:
                    raise ConfigError(
                        "write_behavior=stored_procedure needs --mode append, without --skip-rows"
                    )
                staged = list(zip(schema.names, types, strict=True))
                procedure_.check(connection, self.how.procedure, within, staged)
                return
            found = find(connection, within, table)
            if found is None:
                if not self.creates:
                    raise NotFoundError(f"{connection.shown} has no table {table!r} in the schema {within}")
                return
            if target.mode is WriteMode.ERROR:
                raise AlreadyExistsError(
                    f"{connection.shown} has a table {table} already",
                    hint="--mode append adds to it, --mode overwrite replaces it",
                )
            if found.kind not in ("r", "p"):
                raise ConfigError(f"{table} in {connection.shown} is no table that can be written to")
            if target.mode is WriteMode.APPEND:
                columns = columns_of(connection, found)
                assigned(table, schema.names, types, columns)
                if self.direct:
                    check_loadable(schema.names, types, columns)
                self._check_existing(connection, found)

    def _table(self, unit: Unit) -> str:
        """The table that the unit goes to. Raises ConfigError for a name that no table can have."""
        name = self.table or unit.table_name
        quote(name)
        if name.startswith(PREFIX):
            raise ConfigError(
                f"{name!r} is a name of crossdock's own; name the table: postgresql://...#table"
            )
        return name

    def _in(self, connection: Connection) -> str:
        if not self._schema:
            self._schema = self.schema_name or current_schema(connection)
        return self._schema

    def _check_keys(self, names: Sequence[str], mode: WriteMode) -> None:
        missing = [key for key in self.how.keys if key not in names]
        if missing:
            raise SchemaMismatchError(f"keys: the source has no column {missing[0]!r}")
        if self.how.keys and mode is not WriteMode.APPEND:
            raise ConfigError("write_behavior=upsert adds to a table: it needs --mode append")

    def _check_schema(self, connection: Connection, schema: str) -> None:
        found = connection.run(
            f"SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = {literal(schema)}"
        )
        if not found:
            raise NotFoundError(f"{connection.shown} has no schema {schema!r}")
        if not found[0][0]:
            raise AccessDeniedError(
                f"{connection.shown}: the user may not create tables in the schema {schema}"
            )

    def _check_script(self, connection: Connection) -> None:
        for statement in self.how.script:
            with connection.cursor() as cursor:
                cursor.adbc_prepare(statement)

    def _check_existing(self, connection: Connection, table: Relation) -> None:
        rights = "INSERT, UPDATE" if self.how.keys else "INSERT"
        if not self.how.triggers and not connection.value(
            f"SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = {table.oid}"
        ):
            raise AccessDeniedError(
                f"{connection.shown}: fire_triggers=false alters {table.name}, which only its owner may"
            )
        for right in rights.split(", "):
            if not connection.value(f"SELECT has_table_privilege({table.oid}::oid, '{right}')"):
                raise AccessDeniedError(f"{connection.shown}: the user may not {right} in {table.name}")
        if self.how.keys:
            wanted = ", ".join(map(literal, sorted(self.how.keys)))
            found = connection.run(
                "SELECT 1 FROM pg_index i WHERE i.indisunique AND i.indpred IS NULL AND i.indimmediate "
                f"AND i.indrelid = {table.oid} AND (SELECT "
                "array_agg(a.attname::text ORDER BY a.attname::text)"
                " FROM pg_attribute a WHERE a.attrelid = i.indrelid "
                f"AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])) = ARRAY[{wanted}]"
            )
            if not found:
                raise ConfigError(
                    f"{table.name} has no primary key or unique index over {', '.join(self.how.keys)}"
                )

    def column_types(self) -> Mapping[str, pa.DataType]:
        if self.how.procedure is not None:
            return {}
        with self.database.connect() as connection:
            found = find(connection, self._in(connection), self.table)
            columns = columns_of(connection, found) if found else []
        return {column.name: kind for column in columns if (kind := text_as(column)) is not None}

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        table, schema = self._table(unit), _schema(target)
        with self.database.connect() as connection:
            within = self._in(connection)
            name = staging_name(run_id, within, table)
            staging = Staging(within, table, name, target.mode, schema, self.direct, target.skip_rows)
            if self.direct:
                staging_.create_target(connection, staging)
                return Begun(staging.encode(), max_writers=_MOST_WRITERS)
            # A table that is there gets copies of the rows; else the staging table becomes it.
            there = self.how.procedure is not None or find(connection, within, table) is not None
            staging_.create(connection, staging, logged=not there)
        return Begun(staging.encode(), max_writers=_MOST_WRITERS)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> PostgresWriter:
        return PostgresWriter(self.database, Staging.decode(handle), split.index, attempt.number)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        staging = Staging.decode(handle)
        if staging.direct:
            return
        loaded = [Loaded.decode(receipt.token) for _, receipt in receipts]
        with self.database.connect() as connection:
            commit(connection, staging, loaded, self.how)

    def left_out(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
        return left_out(self.database, Staging.decode(handle))

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        if staging.direct:
            return
        with self.database.connect() as connection:
            staging_.cleanup(connection, staging)

    def abandon(self, unit: Unit, run_id: str) -> None:
        with self.database.connect() as connection:
            staging_.cleanup(connection, self._of_run(connection, unit, run_id))

    def remembers(self) -> bool:
        return not self.direct

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        with self.database.connect() as connection:
            rows = staging_.committed(connection, self._of_run(connection, unit, run_id))
        return None if rows is None else Receipt(b"", 0, 0, rows)

    def _of_run(self, connection: Connection, unit: Unit, run_id: str) -> Staging:
        import pyarrow as pa

        table, within = self._table(unit), self._in(connection)
        name = staging_name(run_id, within, table)
        return Staging(within, table, name, WriteMode.ERROR, pa.schema([]))

    def is_committed(self, handle: bytes) -> bool:
        with self.database.connect() as connection:
            return staging_.is_committed(connection, Staging.decode(handle))

    def target_name(self, unit: Unit) -> str | None:
        return None if self.table else self._table(unit)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        staging = Staging.decode(handle)
        loaded = [Loaded.decode(receipt.token) for _, receipt in receipts]
        return StagedSource(self.database, staging, loaded), Unit(staging.table)

    def cancel(self) -> None:
        self.database.cancel()

    def notes(self) -> Sequence[str]:
        own = [self.weakness] if self.weakness else []
        if self.direct:
            own.append("rows were loaded at least once: after a kill some may be there twice")
        return own

    def close(self) -> None:
        self.database.close()


class PostgresWriter(BulkWriter):
    """One attempt: one transaction, from the first rows on."""

    def __init__(self, database: Database, staging: Staging, split: int, attempt: int) -> None:
        super().__init__()
        self._database, self._staging = database, staging
        self._split, self._attempt = split, attempt
        self._wire = [(column.name, stored(column)[1]) for column in staging.schema]
        self._connection: Connection | None = None

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        connection = self._begun()
        schema = pa.schema(self._wire)

        def converted(item: pa.RecordBatch) -> pa.RecordBatch:
            pairs = zip(item.columns, self._wire, strict=True)
            return pa.RecordBatch.from_arrays(
                [convert(v, name, wire) for v, (name, wire) in pairs], schema=schema
            )

        reader = pa.RecordBatchReader.from_batches(schema, self.converted(items, converted))
        try:
            connection.ingest(self._staging.schema_name, self._staging.loaded, reader)
        except Exception as error:
            if self.failure is not None:
                raise self.failure from None
            if isinstance(error, NotFoundError):
                raise self._staging.lost("its table does not exist") from error
            raise

    def _begun(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.connect()
            self._connection.run("BEGIN")
        return self._connection

    def finish(self) -> Receipt:
        self.flush()
        connection = self._begun()
        try:
            loaded = staging_.register(connection, self._staging, self._split, self._attempt, self.rows)
        except NotFoundError as error:
            raise self._staging.lost("its ledger does not exist") from error
        connection.run("COMMIT")
        self._close()
        return self.receipt(loaded.encode())

    def abort(self) -> None:
        self.forget()
        with suppress(Exception):
            self._close()

    def _close(self) -> None:
        """The server rolls back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _schema(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("PostgreSQL takes rows, not bytes; choose a format for the source")
    return target.schema
