"""Reading staged rows back before they are committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from crossdock import PlanHint, Source, Split, Unit, UnitPage

from .sqlite_columns import Column, Relation
from .sqlite_database import Database, quote
from .sqlite_source import SqliteSource, pack
from .sqlite_staging import Rows, Staging

if TYPE_CHECKING:
    import pyarrow as pa


class StagedSource(Source["pa.RecordBatch"]):
    """What the receipts of one unit stand for: one split per receipt, under the schema that was written."""

    def __init__(self, database: Database, staging: Staging, ranges: Sequence[Rows]) -> None:
        self._staging, self._ranges = staging, ranges
        self._source = SqliteSource(database)
        pairs = zip(staging.schema.names, staging.codes, strict=True)
        self._columns = [Column(name, code, "all") for name, code in pairs]

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        if after is None:
            yield UnitPage((Unit(self._staging.table),))

    def schema(self, unit: Unit) -> pa.Schema:
        return self._staging.schema

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        staging = self._staging
        relation = Relation(staging.table, f"main.{quote(staging.staged)} NOT INDEXED", "", staging.rowid)
        filled = [each for each in self._ranges if each.last >= each.first]
        for index, rows in enumerate(filled):
            where = f"{staging.rowid} BETWEEN {rows.first} AND {rows.last}"
            weight = rows.last - rows.first + 1
            yield Split(unit.name, index, pack(relation, self._columns, where, ""), weight)

    def read(self, split: Split) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        return self._read(split)

    @contextmanager
    def _read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._source.read(split) as batches:
            yield (self._as_written(batch) for batch in batches)

    def _as_written(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        schema = self._staging.schema
        return pa.RecordBatch.from_arrays(list(map(_cast, batch.columns, schema.types)), schema=schema)

    def close(self) -> None:
        self._source.close()


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return values.cast(kind.value_type).dictionary_encode().cast(kind)
    return values.cast(kind)
