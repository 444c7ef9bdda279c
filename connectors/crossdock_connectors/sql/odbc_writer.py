"""Rows on their way into a table: by arrays of parameters, in one transaction."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from typing import TYPE_CHECKING

from crossdock import BulkWriter, NotFoundError, Receipt

from .array_width import fitting
from .odbc_connection import Database, Rows
from .odbc_staging import Loaded, Staging
from .odbc_types import convert, stored

if TYPE_CHECKING:
    import pyarrow as pa

PENDING = 16 << 20


class OdbcWriter(BulkWriter):
    """One attempt: a staging table of its own, created and filled in one transaction; or rows straight into
    the target in one. ``most``: rows of a round trip; 0: as many as fit."""

    most_pending = PENDING

    def __init__(self, database: Database, staging: Staging, table: str, most: int = 0) -> None:
        super().__init__()
        self._database, self._staging, self._table, self._most = database, staging, table, most
        self._wire = [stored(column, database.traits)[1] for column in staging.schema]
        self._stack = ExitStack()
        self._rows: Rows | None = None

    def load(self, items: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        names = self._staging.schema.names
        ascii_ = [column.only_ascii for column in self._staging.columns]
        into = [f"c{number}" for number in range(1, len(names) + 1)]
        if self._staging.direct:
            into = [self._database.traits.quote(column.name) for column in self._staging.columns]
        schema = pa.schema(list(zip(into, self._wire, strict=True)))

        def converted(item: pa.RecordBatch) -> pa.RecordBatch:
            each = zip(item.columns, names, self._wire, ascii_, strict=True)
            return pa.RecordBatch.from_arrays([convert(*one) for one in each], schema=schema)

        rows = self._begun()
        batches = self.converted(items, converted)
        table = self._staging.sql(self._database.traits, "" if self._staging.direct else self._table)
        try:
            for size, group in _by_width(batches):
                rows.insert(
                    table, pa.RecordBatchReader.from_batches(schema, group), min(size, self._most or size)
                )
        except Exception:
            if self.failure is not None:
                raise self.failure from None
            raise

    def _begun(self) -> Rows:
        if self._rows is None:
            traits = self._database.traits
            rows = self._stack.enter_context(self._database.rows(autocommit=traits.transactions == 0))
            if not self._staging.direct:
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
        while ahead and fitting(ahead[0]) == size:
            yield ahead.popleft()
            ahead.extend(islice(batches, 1))

    while ahead:
        size = fitting(ahead[0])
        yield size, group(size)
