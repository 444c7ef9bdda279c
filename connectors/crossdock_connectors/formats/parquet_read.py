"""Reading row groups of a Parquet file as batches of a bounded size."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crossdock import DataError, SchemaMismatchError

from .block_files import WatchedFile
from .parquet_meta import Footer, damage
from .parquet_strings import Proof, Unproven, encoded_names, plain_bytes
from .parquet_width import selected

if TYPE_CHECKING:
    import io

    from crossdock import ObjectInfo

BATCH_ROWS = 65_536
BATCH_BYTES = 32 << 20

_FETCH_BYTES = 32 << 20
"""Row groups up to this are fetched whole, in few large reads; larger ones by column, in small reads."""
_RUN_BYTES = 8 << 20
"""Small row groups are fetched together up to this."""
_PAGE_BYTES = 1 << 20
_PROBE_ROWS = 64


class GroupReader:
    """Reads some columns of some row groups. One piece, one thread.

    ``few``: no more rows than that will be wanted, so that nothing is fetched ahead.
    """

    def __init__(
        self,
        file: io.RawIOBase,
        info: ObjectInfo,
        footer: Footer,
        names: Sequence[str],
        few: int | None = None,
    ) -> None:
        self._few = few
        self._file = WatchedFile(file)
        self._info = info
        self._footer = footer
        self._names = None if list(names) == footer.schema.names else list(names)
        self._leaves = selected(footer.leaves, self._names)

    def memory(self, first: int, end: int) -> int:
        """About what ``batches`` needs: what is fetched, a page per column, two batches."""
        if first == end:
            return 0
        largest = max(range(first, end), key=self._footer.sizes.__getitem__)
        fetched = min(max(self._footer.sizes[largest], _RUN_BYTES), _FETCH_BYTES)
        rows = min(self._footer.rows[largest], BATCH_ROWS)
        batch = min(BATCH_BYTES, int(self._width(largest) * rows))
        return fetched + len(self._leaves) * _PAGE_BYTES + 2 * batch

    def batches(
        self, first: int, end: int, schema: pa.Schema, *, encoded: bool = False
    ) -> Generator[pa.RecordBatch, None, None]:
        """All rows of the row groups, as batches of ``schema``; ``encoded``: with dictionaries for strings.

        Raises DataError where the file is damaged; what the file object raises stays as it is.
        """
        width = 0.0
        for run in self._runs(first, end):
            promised = sum(self._footer.rows[index] for index in run)
            for batch in self._proven(run, width, schema) if encoded else self._run(run, width):
                promised -= batch.num_rows
                width = max(width, plain_bytes(batch, schema) / max(1, batch.num_rows))
                yield self._shaped(batch, schema, encoded)
            if promised:
                raise DataError(
                    f"{self._info.path} cannot be read as Parquet, it does not hold as many rows as its "
                    "footer says; write or fetch it anew",
                    detail=f"{promised} rows are missing from row groups {run[0]} to {run[-1]}",
                )

    def _proven(self, run: Sequence[int], observed: float, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """As ``_run``, with dictionaries for the strings that the file has so."""
        names = encoded_names(self._footer, schema) if self._is_fetched_whole(run) else []
        if not names:
            yield from self._run(run, observed)
            return
        done = 0
        proof = Proof(self._file, self._footer, run, names)
        try:
            for batch in self._run(run, observed, names):
                proof.check(batch)
                yield batch
                done += batch.num_rows
            return
        except Unproven:
            pass  # it has noted which columns: fewer each time
        finally:
            self._file.remembered = None
        for batch in self._proven(run, 0.0, schema):
            skipped = min(done, batch.num_rows)
            done -= skipped
            if skipped < batch.num_rows:
                yield batch.slice(skipped) if skipped else batch

    def _is_fetched_whole(self, run: Sequence[int]) -> bool:
        return self._few is None and sum(self._footer.sizes[index] for index in run) <= _FETCH_BYTES

    def _run(
        self, run: Sequence[int], observed: float, encoded: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Row groups that are fetched together. ``observed``: bytes per row of earlier batches."""
        with damage(self._info, self._file):
            width = max(observed, *(self._width(index) for index in run))
            if not observed and any(leaf.unsure for leaf in self._leaves):
                width = max(width, self._probe(run[0]))
            rows = max(1, min(self._few or BATCH_ROWS, BATCH_ROWS, int(BATCH_BYTES / max(width, 1))))
            file = self._open(self._is_fetched_whole(run), encoded)
            source = file.iter_batches(rows, list(run), self._names, use_threads=False)
        while True:
            with damage(self._info, self._file):
                batch = next(source, None)
            if batch is None:
                return
            yield batch

    def _runs(self, first: int, end: int) -> Iterator[Sequence[int]]:
        start, size = first, 0
        for index in range(first, end):
            own = self._footer.sizes[index]
            if index > start and size + own > _RUN_BYTES:
                yield range(start, index)
                start, size = index, 0
            size += own
        if start < end:
            yield range(start, end)

    def _open(self, whole: bool, encoded: Sequence[str] = ()) -> pq.ParquetFile:
        # Buffered, a chunk is read through a buffer of its own per column.
        share = (_FETCH_BYTES // max(1, len(self._leaves))) & ~0xFFF
        return pq.ParquetFile(
            self._file,
            metadata=self._footer.metadata,
            pre_buffer=whole,
            buffer_size=0 if whole else min(max(share, 64 << 10), 2 << 20),
            page_checksum_verification=True,
            read_dictionary=list(encoded),
        )

    def _width(self, index: int) -> float:
        """Bytes of Arrow data per row, by the footer."""
        known = sum(leaf.width for leaf in self._leaves)
        if self._names is None:
            known = max(known, self._footer.plain[index] / max(1, self._footer.rows[index]))
        return known

    def _probe(self, index: int) -> float:
        """Bytes per row of the first rows."""
        source = self._open(False).iter_batches(_PROBE_ROWS, [index], self._names, use_threads=False)
        batch = next(source, None)
        return batch.nbytes / batch.num_rows if batch else 0.0

    def _shaped(self, batch: pa.RecordBatch, schema: pa.Schema, encoded: bool) -> pa.RecordBatch:
        if batch.schema.equals(schema, check_metadata=True):
            return batch
        columns = batch.columns
        if batch.schema.names != schema.names:
            columns = [self._column(batch, name) for name in schema.names]
        for place, (column, wanted) in enumerate(zip(columns, schema, strict=True)):
            if column.type == wanted.type:
                continue
            if encoded and _stands_for(column.type, wanted.type):
                schema = schema.set(place, wanted.with_type(column.type))
            else:
                columns[place] = self._cast(column, wanted)
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        index = batch.schema.get_field_index(name)
        if index < 0:
            raise SchemaMismatchError(
                f"{self._info.path} has no column {name!r}, which other files here have"
            )
        return batch.column(index)

    def _cast(self, column: pa.Array, wanted: pa.Field) -> pa.Array:
        try:
            return column.cast(wanted.type)
        except pa.ArrowNotImplementedError as error:
            raise SchemaMismatchError(
                f"{self._info.path}, column {wanted.name!r}: {column.type} does not convert to {wanted.type}"
            ) from error
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{self._info.path}, column {wanted.name!r}: a value does not convert from {column.type} "
                f"to {wanted.type}",
                detail=str(error),
            ) from error


def _stands_for(kind: pa.DataType, wanted: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and kind.value_type == wanted)
