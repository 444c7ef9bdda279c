"""SQL Server as a sink: each split is loaded into a staging table; one transaction moves them all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Begun,
    BulkLoader,
    Cancellable,
    ConfigError,
    DataError,
    NotSupportedError,
    ReadBack,
    Receipt,
    Remembering,
    SchemaMismatchError,
    Sink,
    SkippingSink,
    Source,
    Split,
    StagedFile,
    StageLostError,
    Target,
    TypedSink,
    Unit,
    WriteMode,
    Writer,
)

from . import mssql_pool as pool_
from . import mssql_staging as staging_
from . import mssql_target as target_
from .identifiers import MSSQL
from .mssql_columns import PREFIX, Column, columns_of, exists, missing, parts_of, unit_parts
from .mssql_commit import commit, make_ready
from .mssql_connection import Connection, Server
from .mssql_copy_into import further
from .mssql_copy_into import load as copy_into
from .mssql_readback import StagedTables
from .mssql_skip import left_out
from .mssql_staging import Staging, prefix_of
from .mssql_target import schema_of
from .mssql_types import Type
from .mssql_values import text_as
from .mssql_writer import PENDING, DirectWriter, StagingWriter

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_config import MssqlConfig

# A bulk copy costs most of a second to open.
_SMALLEST_SPLIT = 64 << 20
# What the server calls itself: a dedicated SQL pool; a warehouse of Fabric or a serverless SQL pool.
_POOL, _FABRIC = 6, 11
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass
class MssqlSink(
    Sink["pa.RecordBatch"],
    ReadBack["pa.RecordBatch"],
    Remembering,
    BulkLoader,
    SkippingSink,
    TypedSink,
    Cancellable,
):
    """One table per unit, or ``table`` for all, or a stored procedure."""

    server: Server
    config: MssqlConfig
    table: str = ""

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        return bool(self.table or self.config.stored_procedure)

    def _parts(self, unit: Unit) -> tuple[str, str]:
        """Schema and name of the table that the unit goes to."""
        within = self.config.table_schema
        if self.config.stored_procedure:
            return parts_of(self.config.stored_procedure, within)
        if self.table:
            parts = parts_of(self.table, within)
        elif unit.table_name != unit.name:
            parts = within, unit.table_name
        else:
            parts = unit_parts(unit.name, within)
        for part in parts:
            if _CONTROL.search(part) or part.lower().startswith(PREFIX):
                raise ConfigError(
                    f"{part!r} cannot be the name of a table; name one: mssql://...#schema.table"
                )
            MSSQL.quote(part)
        return parts

    def _is_pool(self, connection: Connection) -> bool:
        return self.server.edition(connection) == _POOL

    def _within(self, parts: tuple[str, str]) -> str:
        """The schema of staging tables and ledger."""
        return self.config.interim_schema_name or parts[0]

    def check(self, unit: Unit, target: Target) -> None:
        parts, schema = self._parts(unit), schema_of(target)
        config = self.config
        target_.check_names(schema.names)
        if config.write_behavior != "insert" and target.mode is not WriteMode.APPEND:
            raise ConfigError(
                f"write_behavior={config.write_behavior} adds to what is there: it needs --mode append"
            )
        if target.skip_rows and config.stored_procedure:
            raise ConfigError("a stored procedure gets all rows, or none: leave out --skip-rows")
        further(config.copy_command_options)
        with self.server.connect() as connection:
            if self.server.edition(connection) == _FABRIC:
                raise NotSupportedError(
                    f"{self.server.where} is a warehouse of Fabric, or a serverless SQL pool, which cannot "
                    "be written to: it has no tables for what is staged; write files to its lake instead"
                )
            pool = self._is_pool(connection)
            if pool and config.stored_procedure:
                raise NotSupportedError(
                    f"{self.server.where} is a dedicated SQL pool, which has no table types for procedures"
                )
            if pool and target.skip_rows:
                raise NotSupportedError(
                    f"{self.server.where} is a dedicated SQL pool, which refuses all rows or none: leave out "
                    "--skip-rows"
                )
            target_.check_schema(connection, parts[0], parts[1])
            if config.interim_schema_name:
                target_.check_schema(connection, config.interim_schema_name, "staging tables")
            target_.check_staging(connection, self._within(parts))
            if not pool:
                target_.check_script(connection, config.pre_copy_script)
            if config.stored_procedure:
                target_.procedure_columns(connection, config, schema)
                return
            self._check_table(connection, parts, target, pool=pool)
            target_.check_given(connection, parts, schema.names, config)

    def _check_table(
        self, connection: Connection, parts: tuple[str, str], target: Target, *, pool: bool
    ) -> None:
        schema, config = schema_of(target), self.config
        if not exists(connection, parts):
            if config.table_option == "none":
                raise missing(connection, parts)
            if parts[0] != self._within(parts):
                target_.check_staging(connection, parts[0])
            target_.declared(schema, target_.keys_of(connection, parts, schema.names, config))
            return
        if target.mode is WriteMode.ERROR:
            raise AlreadyExistsError(
                f"{self.server.where} has a table {'.'.join(parts)} already",
                hint="--mode append adds to it, --mode overwrite replaces it",
            )
        target_.check_rights(connection, parts, config, target.mode)
        if target.mode is WriteMode.APPEND:
            target_.matched(connection, parts, schema, identity=config.identity_insert)
            target_.keys_of(connection, parts, schema.names, config)
            if not config.keep_nulls:
                target_.check_defaults(connection, parts, schema.names)
        elif pool:
            if self._columns(connection, parts, target) is None:
                raise ConfigError(
                    f"{self.server.where} cannot replace {'.'.join(parts)} by a table of other columns in "
                    "one transaction; drop it first, or use --mode append"
                )
        else:
            target_.check_replaceable(connection, parts)
            target_.declared(schema)

    def column_types(self) -> Mapping[str, pa.DataType]:
        if not self.table or self.config.stored_procedure:
            return {}
        with self.server.connect() as connection:
            parts = self._parts(Unit(""))
            columns = columns_of(connection, parts) if exists(connection, parts) else []
        return {each.name: kind for each in columns if (kind := text_as(each.type)) is not None}

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        parts, schema = self._parts(unit), schema_of(target)
        within, prefix = self._within(parts), prefix_of(run_id, parts)
        direct = self.config.delivery == "at-least-once"
        with self.server.connect() as connection:
            # Left over where the same run began the unit before and lost its handle.
            staging_.cleanup(connection, within, prefix, facts=not direct)
            pool = self._is_pool(connection)
            staging_.open_ledger(connection, within, pool=pool)
            keys = (
                []
                if self.config.stored_procedure
                else target_.keys_of(connection, parts, schema.names, self.config)
            )
            columns = self._columns(connection, parts, target)
            if columns is None:
                names, declared = list(schema.names), target_.declared(schema, keys)
                staged = [str(Type.parse(kind).unpadded) for kind in declared]
            else:
                names, declared = [c.name for c in columns], [str(c.type) for c in columns]
                staged = [column.staged for column in columns]
            staging = Staging(parts, within, prefix, target.mode, schema, declared, staged, names, keys,
                              keep=columns is not None, direct=direct,
                              skip_rows=target.skip_rows and not direct, pool=pool)  # fmt: skip
            if pool:
                pool_.open_unit(connection, staging)
            if direct:
                connection.limit(self.config.write_batch_timeout)
                ready = pool_.make_ready if pool else make_ready
                ready(connection, staging, self.config)
        return Begun(staging.encode(), max_writers=4, min_split_bytes=_SMALLEST_SPLIT, memory=2 * PENDING)

    def _columns(self, connection: Connection, parts: tuple[str, str], target: Target) -> list[Column] | None:
        """The target's columns for those of the source; None for a table that is made anew."""
        schema = schema_of(target)
        if self.config.stored_procedure:
            return target_.procedure_columns(connection, self.config, schema)
        if not exists(connection, parts) or target.mode is WriteMode.ERROR:
            return None
        try:
            columns = target_.matched(connection, parts, schema, identity=self.config.identity_insert)
        except SchemaMismatchError:
            if target.mode is WriteMode.APPEND:
                raise
            return None
        whole = len(columns) == len(columns_of(connection, parts))
        return columns if whole or target.mode is WriteMode.APPEND else None

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        staging = Staging.decode(handle)
        if staging.direct:
            return DirectWriter(self.server, staging, self.config)
        name = f"{staging.prefix}{split.index}_{attempt.number}"
        return StagingWriter(self.server, staging, self.config, name)

    def can_load(self) -> bool:
        return self.config.allow_copy_command

    def load(self, handle: bytes, split: Split, attempt: Attempt, file: StagedFile) -> Receipt:
        staging = Staging.decode(handle)
        if staging.direct:
            raise NotSupportedError("delivery=at-least-once loads rows straight into the table")
        name = f"{staging.prefix}{split.index}_{attempt.number}"
        with self.server.connect() as connection:
            connection.limit(self.config.write_batch_timeout)
            given = self.config.copy_command_identity, self.config.copy_command_options
            return copy_into(connection, staging, name, file, *given)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        staging = Staging.decode(handle)
        rows = sum(receipt.rows or 0 for _, receipt in receipts)
        with self.server.connect() as connection:
            connection.limit(self.config.write_batch_timeout)
            try:
                if staging.pool:
                    pool_.commit(connection, staging, _staged(staging, receipts), self.config, rows=rows)
                else:
                    commit(connection, staging, _staged(staging, receipts), self.config, rows=rows)
                return
            except DataError:
                if not staging.skip_rows or staging.keys or staging.pool:
                    raise
        # The transaction is gone: once more, without the rows that the table refuses.
        with self.server.connect() as connection:
            connection.limit(self.config.write_batch_timeout)
            commit(connection, staging, _staged(staging, receipts), self.config, rows=rows, skipping=True)

    def left_out(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
        return left_out(self.server, Staging.decode(handle))

    def cleanup(self, handle: bytes) -> None:
        staging = Staging.decode(handle)
        with self.server.connect() as connection:
            if staging.pool:
                with suppress(StageLostError):
                    pool_.unmake(connection, staging)
            staging_.cleanup(connection, staging.within, staging.prefix)

    def abandon(self, unit: Unit, run_id: str) -> None:
        parts = self._parts(unit)
        with self.server.connect() as connection:
            facts = self.config.delivery == "exactly-once"
            staging_.cleanup(connection, self._within(parts), prefix_of(run_id, parts), facts=facts)

    def remembers(self) -> bool:
        return self.config.delivery == "exactly-once"

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        import pyarrow as pa

        parts = self._parts(unit)
        within, prefix = self._within(parts), prefix_of(run_id, parts)
        staging = Staging(parts, within, prefix, WriteMode.APPEND, pa.schema([]), (), (), ())
        with self.server.connect() as connection:
            known = pool_.committed if self._is_pool(connection) else staging_.committed
            rows = known(connection, staging)
        return None if rows is None else Receipt(b"", 0, 0, rows)

    def is_committed(self, handle: bytes) -> bool:
        staging = Staging.decode(handle)
        with self.server.connect() as connection, suppress(StageLostError):
            return (pool_.is_committed if staging.pool else staging_.is_noted)(connection, staging)
        return False

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        staging = Staging.decode(handle)
        if staging.direct:
            raise ConfigError("delivery=at-least-once cannot be verified: others' rows are in the same table")
        return StagedTables(self.server, staging, receipts), Unit(staging.parts[1])

    def cancel(self) -> None:
        self.server.cancel()

    def notes(self) -> Sequence[str]:
        notes = list(self.server.notes)
        if self.server.refused.is_set() or self.config.bulk_copy == "never":
            why = "bulk_copy=never" if self.config.bulk_copy == "never" else "the server refuses a bulk copy"
            notes.append(f"rows went as arrays of parameters (fast_executemany), which is slower: {why}")
        if self.config.delivery == "at-least-once":
            notes.append(
                "rows were loaded at least once: a split that was tried again may be there twice "
                "(delivery=at-least-once)"
            )
        return notes

    def target_name(self, unit: Unit) -> str | None:
        return None if self.one_target else ".".join(self._parts(unit)).lower()


def _staged(staging: Staging, receipts: Sequence[tuple[Split, Receipt]]) -> list[str]:
    """The staging tables of the receipts, in the order of the splits."""
    if staging.direct:
        return []
    ordered = sorted(receipts, key=lambda pair: pair[0].index)
    return [receipt.token.decode() for _, receipt in ordered]
