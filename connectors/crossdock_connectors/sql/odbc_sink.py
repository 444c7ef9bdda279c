"""Any database as a sink: each split is inserted into a staging table; one transaction moves them all."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Begun,
    BulkWriter,
    Cancellable,
    ConfigError,
    NotFoundError,
    NotSupportedError,
    ReadBack,
    Receipt,
    SchemaMismatchError,
    Sink,
    Source,
    Split,
    Target,
    Unit,
    WriteMode,
)

from . import odbc_catalog as catalog
from . import odbc_staging as staging_
from .odbc_catalog import PREFIX, Name
from .odbc_connection import Connection, Database, Rows
from .odbc_drivers import is_freetds
from .odbc_readback import StagedSource
from .odbc_staging import Into, Loaded, Staging
from .odbc_types import GUID, check_names, convert, keeps, only_ascii, stored

if TYPE_CHECKING:
    import pyarrow as pa

_PENDING = 16 << 20
# What the parameters of one round trip may take; the driver holds them at the length of the longest value.
_ARRAY_BYTES = 8 << 20
_ARRAY_ROWS = 1000
_MOST_WRITERS = 8
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass
class OdbcSink(Sink["pa.RecordBatch"], ReadBack["pa.RecordBatch"], Cancellable):
    """One table per unit, or ``table`` for all."""

    database: Database
    table: str = ""
    schema_name: str = ""

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table)

    def _name(self, unit: Unit) -> Name:
        """The table that the unit goes to. Raises ConfigError for a name that no table can have."""
        if self.table:
            name = catalog.parse(self.database, self.table, self.schema_name)
        elif unit.table_name != unit.name:
            name = Name(self.schema_name or self.database.default_schema, unit.table_name)
        else:
            name = catalog.of_unit(self.database, unit.name, self.schema_name)
        for part in filter(None, (name.schema, name.table)):
            if _CONTROL.search(part) or part.lower().startswith(PREFIX):
                raise ConfigError(f"{part!r} cannot be the name of a table; name one: odbc:///?dsn=...#table")
            self.database.traits.quote(part)
        return name

    def check(self, unit: Unit, target: Target) -> None:
        name, schema, traits = self._name(unit), _schema(target), self.database.traits
        if is_freetds(traits.driver):
            raise NotSupportedError(
                f"the driver {traits.driver} breaks down on arrays of parameters; write with Microsoft's "
                "driver, or with the connector mssql"
            )
        check_names(schema.names, traits)
        types = [stored(column, traits)[0] for column in schema]
        with self.database.connect() as connection:
            if not catalog.has_schema(connection, name.schema):
                raise ConfigError(f"{self.database.where} has no schema {name.schema!r} for {name.table!r}")
            kind = catalog.exists(connection, name)
            if kind and target.mode is WriteMode.ERROR:
                raise AlreadyExistsError(
                    f"{self.database.where} has a table {name.shown} already",
                    hint="--mode append adds to it, --mode overwrite replaces it",
                )
            if kind and kind not in ("TABLE", "BASE TABLE"):
                raise ConfigError(f"{name.shown} in {self.database.where} is a {kind.lower()}, not a table")
            if kind and target.mode is WriteMode.APPEND:
                self._check_insert(name, types, _matched(connection, name, schema))
            elif kind and not traits.exact and self._kept(connection, name, schema) is None:
                raise NotSupportedError(
                    f"{name.shown} has other columns, and {traits.dbms} cannot replace a table in one "
                    "transaction; drop it first"
                )
        if not kind and traits.exact:
            self.database.rehearse(staging_.create_table(traits, name, schema.names, types))

    def _check_insert(self, name: Name, types: Sequence[str], columns: Sequence[Into]) -> None:
        """Ask the database for an insert of no rows: it refuses types, rights and computed columns."""
        table = self.database.traits.quoted((name.schema, name.table))
        listed = ", ".join(self.database.traits.quote(column.name) for column in columns)
        nothing = ", ".join(
            f"CAST(NULL AS {column.cast or kind})" for kind, column in zip(types, columns, strict=True)
        )
        self.database.rehearse(f"INSERT INTO {table} ({listed}) SELECT {nothing} FROM {table} WHERE 1 = 0")

    def _kept(self, connection: Connection, name: Name, schema: pa.Schema) -> list[Into] | None:
        """The columns of a table that is emptied, not replaced, by mode overwrite: it has the same."""
        if [column.name for column in catalog.columns(connection, name)] != schema.names:
            return None
        with suppress(SchemaMismatchError):
            return _matched(connection, name, schema)
        return None

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        name, schema, traits = self._name(unit), _schema(target), self.database.traits
        prefix = staging_.prefix_of(run_id, name)
        columns: Sequence[Into] | None = None
        # Left over where the same run began the unit before and lost its handle.
        staging_.cleanup(self.database, name, prefix)
        with self.database.connect() as connection:
            if catalog.exists(connection, name):
                if target.mode is WriteMode.APPEND:
                    columns = _matched(connection, name, schema)
                elif target.mode is WriteMode.OVERWRITE:
                    columns = self._kept(connection, name, schema)
            types = [stored(column, traits)[0] for column in schema]
            own = [Into(column) for column in schema.names]
            staging = Staging(name, prefix, target.mode, schema, types, columns or own, columns is not None)
            staging_.open_ledger(connection, staging)
        return Begun(staging.encode(), max_writers=_MOST_WRITERS, memory=2 * _PENDING)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> OdbcWriter:
        self.database.answered = True
        staging = Staging.decode(handle)
        return OdbcWriter(self.database, staging, f"{staging.prefix}_{split.index}_{attempt.number}")

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        ordered = sorted(receipts, key=lambda pair: pair[0].index)
        loaded = [Loaded.decode(receipt.token) for _, receipt in ordered]
        staging_.commit(self.database, Staging.decode(handle), loaded)

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        staging_.cleanup(self.database, staging.name, staging.prefix)

    def abandon(self, unit: Unit, run_id: str) -> None:
        name = self._name(unit)
        staging_.cleanup(self.database, name, staging_.prefix_of(run_id, name))

    def is_committed(self, handle: bytes) -> bool:
        return staging_.is_committed(self.database, Staging.decode(handle))

    def target_name(self, unit: Unit) -> str | None:
        return None if self.table else self._name(unit).shown

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        staging = Staging.decode(handle)
        loaded = [Loaded.decode(receipt.token) for _, receipt in receipts]
        return StagedSource(self.database, staging, loaded), Unit(staging.name.table)

    def cancel(self) -> None:
        self.database.cancel()

    def notes(self) -> Sequence[str]:
        traits = self.database.traits
        if traits.transactions == 0:
            return [
                f"delivery at least once: the driver {traits.driver} has no transactions; a run that is "
                "killed in its commit leaves rows that are visible before others, or twice after a resume"
            ]
        if not traits.exact:
            return [
                f"{traits.dbms} has no tables in transactions: a new table is visible, empty, before its rows"
            ]
        return []

    def close(self) -> None:
        """Connections last as long as what they are for."""


class OdbcWriter(BulkWriter):
    """One attempt: a staging table of its own, created and filled in one transaction."""

    most_pending = _PENDING

    def __init__(self, database: Database, staging: Staging, table: str) -> None:
        super().__init__()
        self._database, self._staging, self._table = database, staging, table
        self._wire = [stored(column, database.traits)[1] for column in staging.schema]
        self._stack = ExitStack()
        self._rows: Rows | None = None

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        names = self._staging.schema.names
        ascii_ = [column.only_ascii for column in self._staging.columns]
        schema = pa.schema([(f"c{number}", kind) for number, kind in enumerate(self._wire, 1)])

        def converted(item: pa.RecordBatch) -> pa.RecordBatch:
            each = zip(item.columns, names, self._wire, ascii_, strict=True)
            return pa.RecordBatch.from_arrays([convert(*one) for one in each], schema=schema)

        rows = self._begun()
        batches = self.converted(items, converted)
        table = self._staging.sql(self._database.traits, self._table)
        try:
            for size, group in _by_width(batches):
                rows.insert(table, pa.RecordBatchReader.from_batches(schema, group), size)
        except Exception:
            if self.failure is not None:
                raise self.failure from None
            raise

    def _begun(self) -> Rows:
        if self._rows is None:
            traits = self._database.traits
            rows = self._stack.enter_context(self._database.rows(autocommit=traits.transactions == 0))
            try:
                rows.run(f"SELECT fact FROM {self._staging.ledger(traits)}")
            except NotFoundError as error:
                raise self._staging.lost("its ledger does not exist") from error
            rows.run(self._staging.create(traits, self._table))
            self._rows = rows
        return self._rows

    def finish(self) -> Receipt:
        self.flush()
        if not self.rows:
            self._stack.close()
            return self.receipt(Loaded("", 0).encode())
        self._begun().commit()
        self._stack.close()
        return self.receipt(Loaded(self._table, self.rows).encode())

    def abort(self) -> None:
        """What is not rolled back, cleanup drops."""
        self.forget()
        with suppress(Exception):
            self._stack.close()


def _by_width(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
    """Neighbouring batches for which the same number of rows fits into one round trip."""
    ahead = deque(islice(batches, 1))

    def group(size: int) -> Iterator[pa.RecordBatch]:
        while ahead and _fitting(ahead[0]) == size:
            yield ahead.popleft()
            ahead.extend(islice(batches, 1))

    while ahead:
        size = _fitting(ahead[0])
        yield size, group(size)


def _fitting(batch: pa.RecordBatch) -> int:
    """How many rows of the widest values one round trip takes: one of a few numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    width = 16 * batch.num_columns
    for values in batch.columns:
        if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
            # A text may be bound in UTF-16.
            width += 2 * (pc.max(pc.binary_length(values)).as_py() or 0)
    size = _ARRAY_ROWS
    while size > 1 and size * width > _ARRAY_BYTES:
        size = max(1, size // 4)
    return size


def _schema(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("a database takes rows, not bytes; choose a format for the source")
    return target.schema


def _matched(connection: Connection, name: Name, schema: pa.Schema) -> list[Into]:
    """The target's columns for those of the schema.

    Raises SchemaMismatchError for one that it cannot take.
    """
    known = {column.name: column for column in catalog.columns(connection, name)}
    dialect = connection.traits.known
    found = []
    for each in schema:
        column = known.get(each.name)
        if column is None:
            near = get_close_matches(each.name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(known)}"
            raise SchemaMismatchError(f"the table {name.shown} has no column {each.name!r}", hint=hint)
        if not keeps(each.type, column, dialect):
            raise SchemaMismatchError(
                f"the column {name.shown}.{column.name} is {column.type}, and not every {each.type} would "
                "stay what it is in it; map the column to another one or convert it first"
            )
        cast = column.type if column.code == GUID else ""
        found.append(Into(column.name, cast, only_ascii(column, dialect)))
    return found
