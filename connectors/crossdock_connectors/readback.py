"""Reading back what a table connector has staged, for ``--verify``: what the connectors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from crossdock import Source, Split, Unit, UnitPage

if TYPE_CHECKING:
    import pyarrow as pa


class WrittenSource(Source["pa.RecordBatch"]):
    """What the receipts of one unit stand for, under the schema that was written.

    A connector adds ``plan`` and ``stored``.
    """

    def __init__(self, table: str, schema: pa.Schema) -> None:
        self._table, self._schema = table, schema

    @abstractmethod
    def stored(self, split: Split) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The rows of the split in the types of the database, in the order of the schema's columns."""

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        if after is None:
            yield UnitPage((Unit(self._table),))

    def schema(self, unit: Unit) -> pa.Schema:
        return self._schema

    def read(self, split: Split) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        return self._read(split)

    @contextmanager
    def _read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.stored(split) as batches:
            yield (self._as_written(batch) for batch in batches)

    def _as_written(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        schema = self._schema
        return pa.RecordBatch.from_arrays(list(map(_cast, batch.columns, schema.types)), schema=schema)


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return values.cast(kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_fixed_size_binary(kind) and pa.types.is_large_binary(values.type):
        values = values.cast(pa.binary())
    return values.cast(kind)
