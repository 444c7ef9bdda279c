"""Writing Parquet: one part of a file, as row groups without magic and footer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from crossdock import DataError, FormatWriter, InternalError, SchemaMismatchError

from .block_files import first_line
from .parquet_footer import MAGIC, strip
from .parquet_strings import as_table, encoded_schema, plain_bytes

if TYPE_CHECKING:
    from crossdock import ByteSink

    from .parquet_config import ParquetConfig

ROW_GROUP_BYTES = 64 << 20
"""Most Arrow data in one row group: it waits in memory until the group is full."""

LEARN_ROWS = 10_000
DICTIONARY_GAIN = 0.75
"""A dictionary that leaves more than this share of the plain size is not worth its time."""

# What pyarrow raises for a type or value that it cannot write (OSError: an error of its Parquet library).
_REFUSED = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError)

_TAIL = 8  # the footer's length, then the magic


class PartWriter(FormatWriter):
    """Writes row groups to ``out``; the token of ``finish`` is the footer, for ``parquet_footer.join``.

    An exception of ``out`` is raised as it is; values that Parquet cannot hold raise DataError.
    """

    def __init__(
        self, out: ByteSink, schema: pa.Schema, config: ParquetConfig, learnt: Dictionaries | None = None
    ) -> None:
        self._schema = self._encoded = schema
        self._config = config
        self._group_rows = config.row_group_rows
        self._pending: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0.0
        self._stream = _PartStream(out)
        self._learnt = learnt or Dictionaries()
        self._first: list[int] = []
        self._metadata: list[pq.FileMetaData] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        rows = batch.num_rows
        if not rows:
            return
        width = plain_bytes(batch, self._schema) / rows
        start = 0
        while start < rows:
            room = self._group_rows - self._rows
            if width:
                room = min(room, max(1, int((ROW_GROUP_BYTES - self._bytes) / width)))
            taken = min(room, rows - start)
            self._pending.append(batch.slice(start, taken) if taken < rows else batch)
            start += taken
            self._rows += taken
            self._bytes += taken * width
            if taken == room:
                self._write_group()

    def _write_group(self) -> None:
        batches, self._pending = self._pending, []
        writer = self._writer or self._open(batches)
        try:
            table = as_table(batches, self._encoded)
            self._first = self._first or [column.nbytes for column in table.columns]
            writer.write_table(table, row_group_size=self._rows)
        except _REFUSED as error:
            self._stream.reraise()
            raise DataError(f"the rows cannot be written as Parquet: {first_line(error)}") from error
        self._rows = 0
        self._bytes = 0.0

    def _open(self, batches: Sequence[pa.RecordBatch]) -> pq.ParquetWriter:
        """With the first row group, which shows what comes as dictionaries."""
        self._encoded = encoded_schema(self._schema, batches)
        self._writer = open_writer(
            self._stream,
            self._encoded,
            self._config,
            store_schema=False,
            use_dictionary=self._learnt.worthwhile(self._encoded),
            metadata_collector=self._metadata,
        )
        # As pyarrow does it, but with the values' types in place of the dictionaries.
        arrow = {"ARROW:schema": b64encode(self._schema.serialize())}
        self._writer.add_key_value_metadata({**(self._schema.metadata or {}), **arrow})
        return self._writer

    def finish(self) -> bytes:
        if self._rows:
            self._write_group()
        writer = self._writer or self._open([])
        length = self._stream.capture()
        writer.close()
        if self._first:
            self._learnt.learn(self._encoded, self._first, self._metadata[0].row_group(0))
        return strip(self._stream.footer(), length)

    def abort(self) -> None:
        self._pending = []
        self._stream.discard()
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()


def empty_part(schema: pa.Schema, config: ParquetConfig) -> bytes:
    """The token of a part without rows."""
    return PartWriter(pa.BufferOutputStream(), schema, config).finish()


class Dictionaries:
    """Which columns are worth a dictionary, learnt from the parts already written.

    Filling a dictionary that is then given up costs 10 % of the time of writing lineitem. Columns are
    known by name and type; those of nested schemas are not looked at. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._plain: frozenset[tuple[str, str]] = frozenset()

    def worthwhile(self, schema: pa.Schema) -> bool | list[str]:
        """What to tell pyarrow: the columns' names, or True where all are to be tried."""
        if not self._plain or any(pa.types.is_nested(column.type) for column in schema):
            return True
        return [column.name for column in schema if (column.name, str(column.type)) not in self._plain]

    def learn(self, schema: pa.Schema, plain: list[int], group: pq.RowGroupMetaData) -> None:
        """Compare the columns of a row group with their ``plain`` sizes in memory."""
        if group.num_columns != len(schema) or group.num_rows < LEARN_ROWS:
            return
        large = {
            (column.name, str(column.type))
            for index, column in enumerate(schema)
            if not pa.types.is_dictionary(column.type)
            and group.column(index).total_uncompressed_size
            > DICTIONARY_GAIN * _plain(column.type, plain[index])
        }
        self._plain |= large


def _plain(kind: pa.DataType, size: int) -> float:
    """Plain size in the file: decimals are stored as the smallest integer that holds them."""
    if pa.types.is_decimal128(kind) and kind.precision <= 18:
        return size / 2 if kind.precision > 9 else size / 4
    return size


def open_writer(sink: Any, schema: pa.Schema, config: ParquetConfig, **more: Any) -> pq.ParquetWriter:
    """A pyarrow writer with the settings that were measured (TPC-H lineitem, one thread).

    Dictionaries up to 256 KiB: against the default of 1 MiB 12 % less time and 5 % smaller; less than
    that loses dictionaries of some thousand strings (three times the size). Decimals as integers: 5 %
    less time to write and 35 % less to read than as byte arrays.
    """
    return pq.ParquetWriter(
        sink,
        schema,
        compression=config.compression,
        compression_level=config.compression_level,
        dictionary_pagesize_limit=256 << 10,
        store_decimal_as_integer=True,
        write_page_checksum=config.page_checksum,
        **more,
    )


def check_types(schema: pa.Schema, config: ParquetConfig) -> None:
    """Raise SchemaMismatchError for the first column that Parquet cannot hold.

    pyarrow is asked by writing no rows of each: it knows better than a list here what it can write.
    """
    if not schema.names:
        raise SchemaMismatchError(
            "the source has no columns (is it empty?), and a Parquet file needs at least one column"
        )
    for column in schema:
        alone = pa.schema([column])
        try:
            with open_writer(pa.BufferOutputStream(), alone, config) as writer:
                writer.write_table(pa.Table.from_batches([], alone))
            refused = "a dictionary of nested values" if _nested_dictionary(column.type) else ""
        except _REFUSED as error:
            refused = str(error)
        if refused:
            raise SchemaMismatchError(
                f"column {column.name!r} has the type {column.type}, which Parquet cannot hold; "
                "leave it out or convert it",
                detail=refused,
            )


def _nested_dictionary(kind: pa.DataType) -> bool:
    """Whether there is a dictionary that pyarrow refuses to write only once it has rows."""
    if pa.types.is_dictionary(kind):
        return bool(pa.types.is_nested(kind.value_type))
    return any(_nested_dictionary(kind.field(index).type) for index in range(kind.num_fields))


class _PartStream:
    """The file that pyarrow writes to: passes row groups on, keeps magic and footer back.

    pyarrow writes nothing but the footer when it closes a file that has no page index and no bloom
    filters, and nothing of a row group is left to write once ``write_table`` has returned.
    """

    closed = False

    def __init__(self, out: ByteSink) -> None:
        self._out: Any = out.write
        self._position = 0
        self._kept: list[bytes] = []
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        size = len(data)
        if self._position:
            try:
                self._out(data)
            except BaseException as error:
                self._error = error
                raise
        elif bytes(data) != MAGIC:
            raise InternalError("pyarrow did not begin a Parquet file with its magic")
        self._position += size
        return size

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """The engine flushes what it gave us to write to."""

    def close(self) -> None:
        """Nor is it ours to close."""

    def capture(self) -> int:
        """From now on keep what is written; returns how many bytes were passed on."""
        self._out = self._keep
        return self._position - len(MAGIC)

    def discard(self) -> None:
        self._out = len

    def _keep(self, data: bytes) -> None:
        self._kept.append(bytes(data))

    def footer(self) -> bytes:
        kept = b"".join(self._kept)
        if int.from_bytes(kept[-_TAIL : -len(MAGIC)], "little") != len(kept) - _TAIL:
            raise InternalError("pyarrow wrote more than the footer at the end of a Parquet file")
        return kept[:-_TAIL]

    def reraise(self) -> None:
        """Raise what ``out`` raised, if it did: pyarrow may have wrapped it."""
        if self._error is not None:
            raise self._error
