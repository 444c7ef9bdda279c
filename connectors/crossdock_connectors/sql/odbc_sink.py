"""Any database as a sink: each split is inserted into a staging table; one transaction moves them all."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Begun,
    Cancellable,
    ConfigError,
    NotSupportedError,
    ReadBack,
    Receipt,
    Remembering,
    SchemaMismatchError,
    Sink,
    Source,
    Split,
    Target,
    TypedSink,
    Unit,
    WriteMode,
)

from . import odbc_catalog as catalog
from . import odbc_staging as staging_
from .odbc_catalog import PREFIX, Name
from .odbc_commit import check_script, commit, committed, create_table, create_target
from .odbc_connection import Connection, Database
from .odbc_drivers import is_freetds
from .odbc_readback import StagedSource
from .odbc_staging import Into, Loaded, Staging
from .odbc_types import GUID, check_names, keeps, only_ascii, stored, text_as
from .odbc_writer import PENDING, OdbcWriter

if TYPE_CHECKING:
    import pyarrow as pa

    from .odbc_config import OdbcConfig

_MOST_WRITERS = 8
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass
class OdbcSink(Sink["pa.RecordBatch"], ReadBack["pa.RecordBatch"], Remembering, TypedSink, Cancellable):
    """One table per unit, or ``table`` for all."""

    database: Database
    config: OdbcConfig
    table: str = ""

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table)

    def _name(self, unit: Unit) -> Name:
        """The table that the unit goes to. Raises ConfigError for a name that no table can have."""
        if self.table:
            name = catalog.parse(self.database, self.table, self.config.schema_name)
        elif unit.table_name != unit.name:
            name = Name(self.config.schema_name or self.database.default_schema, unit.table_name)
        else:
            name = catalog.of_unit(self.database, unit.name, self.config.schema_name)
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
        self._check_options(target.mode)
        with self.database.connect() as connection:
            check_script(connection, self.config.pre_copy_script)
        with self.database.connect() as connection:
            if not catalog.has_schema(connection, name.schema):
                raise ConfigError(f"{self.database.where} has no schema {name.schema!r} for {name.table!r}")
            kind = catalog.exists(connection, name)
            if not kind and self.config.table_option == "none":
                raise catalog.missing(connection, name)
            self._keys(connection, name, schema.names, there=bool(kind))
            if kind and target.mode is WriteMode.ERROR:
                raise AlreadyExistsError(
                    f"{self.database.where} has a table {name.shown} already",
                    hint="--mode append adds to it, --mode overwrite replaces it",
                )
            if kind and kind not in ("TABLE", "BASE TABLE"):
                raise ConfigError(f"{name.shown} in {self.database.where} is a {kind.lower()}, not a table")
            if kind and target.mode is WriteMode.APPEND:
                self._check_insert(connection, name, types, self._matched(connection, name, schema))
            elif kind and not traits.exact and self._kept(connection, name, schema) is None:
                raise NotSupportedError(
                    f"{name.shown} has other columns, and {traits.dbms} cannot replace a table in one "
                    "transaction; drop it first"
                )
        if not kind and traits.exact:
            self.database.rehearse(create_table(traits, name, schema.names, types))

    def _check_options(self, mode: WriteMode) -> None:
        """Raises ConfigError, or NotSupportedError for what is not known of the database."""
        config, traits = self.config, self.database.traits
        if config.write_behavior == "upsert" and mode is not WriteMode.APPEND:
            raise ConfigError("write_behavior=upsert adds to a table: it needs --mode append")
        if config.delivery == "at-least-once" and mode is not WriteMode.APPEND:
            raise ConfigError("delivery=at-least-once adds to a table: it needs --mode append")
        for option, known in (
            ("identity_insert", any(traits.known.identity)),
            ("table_lock", traits.known.lock),
        ):
            if getattr(config, option) and not known:
                raise NotSupportedError(f"{option}: how {traits.dbms} does that is not known; leave it out")
        if config.pre_copy_script and not traits.exact:
            raise NotSupportedError(
                f"pre_copy_script: not every statement can be undone through the driver {traits.driver}; run"
                " the script ahead of the copy"
            )

    def _keys(
        self, connection: Connection, name: Name, names: Sequence[str], *, there: bool
    ) -> Sequence[str]:
        """The columns that identify a row, for upsert."""
        if self.config.write_behavior != "upsert":
            return ()
        keys = [key.strip() for key in self.config.keys if key.strip()]
        if not keys and there:
            keys = catalog.primary_key(connection, name)
        if not keys:
            raise ConfigError(f"{name.shown} has no primary key; name the columns with keys=column,column")
        missing = [key for key in keys if key not in names]
        if missing:
            raise SchemaMismatchError(f"keys: the source has no column {missing[0]!r}")
        return keys

    def _check_insert(
        self, connection: Connection, name: Name, types: Sequence[str], columns: Sequence[Into]
    ) -> None:
        """Ask the database for changes of no rows: it refuses types, rights and computed columns."""
        traits = self.database.traits
        table = traits.quoted((name.schema, name.table))
        if self.config.delivery == "at-least-once" and (cast := next((c for c in columns if c.cast), None)):
            raise SchemaMismatchError(
                f"the column {cast.name} is {cast.cast}, and a text cannot be loaded into it as it is",
                hint="without delivery=at-least-once it is converted",
            )
        listed = ", ".join(traits.quote(column.name) for column in columns)
        nothing = ", ".join(
            f"CAST(NULL AS {column.cast or kind})" for kind, column in zip(types, columns, strict=True)
        )
        before, clause, after = traits.known.identity if self.config.identity_insert else ("", "", "")
        insert = f"INSERT INTO {table} ({listed}) {clause}SELECT {nothing} FROM {table} WHERE 1 = 0"
        keys = self._keys(connection, name, [column.name for column in columns], there=True)
        others = [traits.quote(column.name) for column in columns if column.name not in keys]
        changed = ", ".join(f"{column} = {column}" for column in others if keys)
        update = f"UPDATE {table} SET {changed} WHERE 1 = 0" if changed else ""
        self.database.rehearse(before.format(table), insert, after.format(table), update)

    def _kept(self, connection: Connection, name: Name, schema: pa.Schema) -> list[Into] | None:
        """The columns of a table that is emptied, not replaced, by mode overwrite: it has the same."""
        if [column.name for column in catalog.columns(connection, name)] != schema.names:
            return None
        with suppress(SchemaMismatchError):
            return self._matched(connection, name, schema)
        return None

    def _matched(self, connection: Connection, name: Name, schema: pa.Schema) -> list[Into]:
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
                    f"the column {name.shown}.{column.name} is {column.type}, and not every {each.type} "
                    "would stay what it is in it; map the column to another one or convert it first"
                )
            cast = column.type if column.code == GUID else ""
            filled = "" if self.config.keep_nulls else column.default
            found.append(Into(column.name, cast, only_ascii(column, dialect), filled))
        return found

    def column_types(self) -> Mapping[str, pa.DataType]:
        if not self.table:
            return {}
        name = self._name(Unit(""))
        with self.database.connect() as connection:
            columns = catalog.columns(connection, name) if catalog.exists(connection, name) else []
        return {each.name: kind for each in columns if (kind := text_as(each)) is not None}

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        name, schema, traits = self._name(unit), _schema(target), self.database.traits
        prefix = staging_.prefix_of(run_id, name)
        columns: Sequence[Into] | None = None
        # Left over where the same run began the unit before and lost its handle.
        staging_.cleanup(self.database, name, prefix)
        with self.database.connect() as connection:
            if catalog.exists(connection, name):
                if target.mode is WriteMode.APPEND:
                    columns = self._matched(connection, name, schema)
                elif target.mode is WriteMode.OVERWRITE:
                    columns = self._kept(connection, name, schema)
            types = [stored(column, traits)[0] for column in schema]
            own = [Into(column) for column in schema.names]
            keys = self._keys(connection, name, schema.names, there=columns is not None)
            direct = self.config.delivery == "at-least-once"
            staging = Staging(name, prefix, target.mode, schema, types, columns or own, columns is not None,
                              keys, direct)  # fmt: skip
            if not direct:
                staging_.open_ledger(connection, staging)
            elif columns is None:
                create_target(connection, staging)
        return Begun(staging.encode(), max_writers=_MOST_WRITERS, memory=2 * PENDING)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> OdbcWriter:
        self.database.answered = True
        staging = Staging.decode(handle)
        name = f"{staging.prefix}_{split.index}_{attempt.number}"
        return OdbcWriter(self.database, staging, name, self.config.write_batch_size)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        staging = Staging.decode(handle)
        if staging.direct:
            return
        ordered = sorted(receipts, key=lambda pair: pair[0].index)
        commit(self.database, staging, [Loaded.decode(receipt.token) for _, receipt in ordered], self.config)

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        staging_.cleanup(self.database, staging.name, staging.prefix)

    def abandon(self, unit: Unit, run_id: str) -> None:
        name = self._name(unit)
        staging_.cleanup(self.database, name, staging_.prefix_of(run_id, name))

    def remembers(self) -> bool:
        return self.config.delivery != "at-least-once" and self.database.traits.transactions != 0

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        name = self._name(unit)
        rows = committed(self.database, name, staging_.prefix_of(run_id, name))
        return None if rows is None else Receipt(b"", 0, 0, rows)

    def is_committed(self, handle: bytes) -> bool:
        staging = Staging.decode(handle)
        return not staging.direct and staging_.is_committed(self.database, staging)

    def target_name(self, unit: Unit) -> str | None:
        return None if self.table else self._name(unit).shown

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        staging = Staging.decode(handle)
        if staging.direct:
            raise ConfigError("delivery=at-least-once cannot be verified: others' rows are in the same table")
        loaded = [Loaded.decode(receipt.token) for _, receipt in receipts]
        return StagedSource(self.database, staging, loaded), Unit(staging.name.table)

    def cancel(self) -> None:
        self.database.cancel()

    def notes(self) -> Sequence[str]:
        traits = self.database.traits
        if self.config.delivery == "at-least-once":
            return ["rows were loaded at least once: after a kill some may be there twice"]
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


def _schema(target: Target) -> pa.Schema:
    if target.schema is None:
        raise SchemaMismatchError("a database takes rows, not bytes; choose a format for the source")
    return target.schema
