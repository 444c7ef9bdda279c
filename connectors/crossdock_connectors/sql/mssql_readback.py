"""Reading staging tables back before they are committed."""

# ruff: noqa: S608 - names go through MSSQL.quote(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock import NotFoundError, PlanHint, Receipt, Split, Unit

from ..readback import WrittenSource
from .mssql_columns import Column
from .mssql_connection import Server
from .mssql_source import items, pack, read
from .mssql_staging import Staging
from .mssql_types import Type, reading

if TYPE_CHECKING:
    import pyarrow as pa


class StagedTables(WrittenSource):
    """What the receipts of one unit stand for: one split per staging table."""

    def __init__(self, server: Server, staging: Staging, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        super().__init__(staging.parts[1], staging.schema)
        self._server, self._staging, self._receipts = server, staging, receipts
        self._columns = [
            Column(column.name, _as_fine_as(Type.parse(kind), column.type))
            for column, kind in zip(staging.schema, staging.staged, strict=True)
        ]

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        how = [reading(column.name, column.type, "ns", "utc") for column in self._columns]
        listed = items(self._columns, how)
        filled = [receipt for _, receipt in self._receipts if receipt.rows]
        for index, receipt in enumerate(filled):
            sql = f"SELECT {listed} FROM {self._staging.table(receipt.token.decode())}"
            yield Split(unit.name, index, pack(unit.name, sql, self._columns), receipt.rows or 1)

    @contextmanager
    def stored(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        try:
            with (
                self._server.connect() as connection,
                read(connection, split.token, "ns", "utc") as batches,
            ):
                yield batches
        except NotFoundError as error:
            raise self._staging.lost() from error


def _as_fine_as(kind: Type, written: pa.DataType) -> Type:
    """Moments that were written without nanoseconds are read without: those of all years."""
    import pyarrow as pa

    fine = pa.types.is_timestamp(written) and written.unit == "ns"
    return kind if fine or kind.name not in ("datetime2", "datetimeoffset") else replace(kind, scale=6)
