"""One attempt at a split: a bulk copy into a staging table of its own, or straight into the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crossdock import (
    BulkWriter,
    InternalError,
    NotFoundError,
    NotSupportedError,
    Receipt,
    StageLostError,
    TransientError,
)

from .mssql_connection import Connection, Server
from .mssql_errors import bulk_fault, refuses_bulk
from .mssql_staging import Staging, create_table
from .mssql_types import Type

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_config import MssqlConfig

PENDING = 64 << 20


class _Loader(BulkWriter):
    """Loads rows into ``_table``; its columns are ``_columns``, of the types ``_declared``."""

    most_pending = PENDING

    def __init__(self, server: Server, staging: Staging, config: MssqlConfig, table: str) -> None:
        super().__init__()
        self._server, self._staging, self._config, self._table = server, staging, config, table
        self._loaded = 0

    def _copy(
        self,
        connection: Connection,
        items: Iterator[pa.RecordBatch],
        names: Sequence[str],
        **options: Any,
    ) -> None:
        import pyarrow as pa

        from .mssql_values import form, loaded

        # What the target cannot hold is refused before it is staged.
        source, types = self._staging.schema, [Type.parse(kind) for kind in self._staging.declared]
        wanted = [form(column.type, kind) for column, kind in zip(source, types, strict=True)]
        schema = pa.schema(list(zip(names, wanted, strict=True)))

        def convert(item: pa.RecordBatch) -> pa.RecordBatch:
            arrays = [
                loaded(values, column.name, kind, column.type)
                for values, column, kind in zip(item.columns, schema, types, strict=True)
            ]
            return pa.RecordBatch.from_arrays(arrays, schema=schema)

        if self._config.bulk_copy == "never" or self._server.refused.is_set():
            self._insert(self.converted(items, convert), names, options)
            return
        reader = pa.RecordBatchReader.from_batches(schema, self.converted(items, convert))
        timeout, size = self._config.write_batch_timeout, self._config.write_batch_size
        try:
            self._loaded += connection.bulk_load(
                self._table, reader, names, timeout, batch_size=size, **options
            )
        except BaseException as error:
            if self._config.bulk_copy == "auto" and refuses_bulk(error) and _inserted_alike(options):
                # Batches were taken already: the split begins anew, in the other way.
                self._server.refused.set()
                raise TransientError(
                    f"{self._server.where} refuses a bulk copy", detail=str(error)
                ) from error
            if self.failure is not None:
                raise self.failure from None
            if type(error).__name__ == "PanicException":
                raise TransientError("the driver's bulk copy broke down", detail=str(error)) from error
            if not isinstance(error, Exception):
                raise
            raise bulk_fault(error, self._server.where) or error from error

    def _insert(
        self, items: Iterator[pa.RecordBatch], names: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        from .mssql_arrays import insert

        if not _inserted_alike(options):
            raise NotSupportedError(
                f"{self._server.where}: keep_nulls=false, fire_triggers=false and identity_insert with "
                "delivery=at-least-once need a bulk copy"
            )
        staging = self._staging
        declared = staging.declared if staging.direct else staging.staged
        kinds = dict(zip(names, map(Type.parse, declared), strict=True))
        try:
            self._loaded += insert(self._server, self._table, kinds, items, self._config.write_batch_timeout)
        except Exception:
            if self.failure is not None:
                raise self.failure from None
            raise

    def _complete(self, token: str) -> Receipt:
        if self._loaded != self.rows:
            raise InternalError(f"{self.rows:,} rows were written, {self._loaded:,} are there")
        return self.receipt(token.encode())


def _inserted_alike(options: Mapping[str, Any]) -> bool:
    """Whether an INSERT does what a bulk copy with these options does."""
    return bool(
        options.get("keep_nulls") and options.get("fire_triggers", True) and not options.get("keep_identity")
    )


class StagingWriter(_Loader):
    """Into a staging table that a later commit reads."""

    def __init__(self, server: Server, staging: Staging, config: MssqlConfig, name: str) -> None:
        super().__init__(server, staging, config, staging.table(name))
        self._name = name
        self._created = False

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        names = self._staging.schema.names
        with self._server.connect() as connection:
            self._create(connection)
            try:
                self._copy(connection, items, names, keep_nulls=True, table_lock=True)
            except NotFoundError as error:
                if self.failure is not None:
                    raise
                raise StageLostError("the staging table is gone", detail=str(error)) from error

    def _create(self, connection: Connection) -> None:
        if not self._created:
            connection.run(f"DROP TABLE IF EXISTS {self._table}")
            staging = self._staging
            names, pool = staging.schema.names, staging.pool
            connection.run(create_table(self._table, names, staging.staged, pool=pool, heap=True))
            self._created = True

    def finish(self) -> Receipt:
        self.flush()
        if not self._created:
            with self._server.connect() as connection:
                self._create(connection)
        return self._complete(self._name)

    def abort(self) -> None:
        self.forget()
        if not self._created:
            return
        try:
            with self._server.connect() as connection:
                connection.run(f"DROP TABLE IF EXISTS {self._table}")
        except Exception:  # noqa: BLE001 - cleanup drops it as well
            return


class DirectWriter(_Loader):
    """Straight into the target, where rows show at once."""

    def __init__(self, server: Server, staging: Staging, config: MssqlConfig) -> None:
        super().__init__(server, staging, config, staging.target)

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        config = self._config
        with self._server.connect() as connection:
            self._copy(
                connection, items, self._staging.columns,
                keep_identity=config.identity_insert, keep_nulls=config.keep_nulls, check_constraints=True,
                fire_triggers=config.fire_triggers, table_lock=bool(config.table_lock),
            )  # fmt: skip

    def finish(self) -> Receipt:
        self.flush()
        return self._complete("")

    def abort(self) -> None:
        self.forget()
