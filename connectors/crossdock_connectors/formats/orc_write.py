"""Writing ORC: one file as one stream, and the types that it has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.orc as po

from crossdock import DataError, FormatWriter, SchemaMismatchError

from .arrow_io import SinkFile
from .block_files import first_line
from .column_types import refuse_repeated

if TYPE_CHECKING:
    from crossdock import ByteSink

    from .orc_config import OrcConfig

_REFUSED = (pa.ArrowException, OSError, ValueError)
_AS = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
}


class OrcWriter(FormatWriter):
    """Writes stripes to ``out`` as they fill. An exception of ``out`` is raised as it is."""

    def __init__(self, out: ByteSink, schema: pa.Schema, config: OrcConfig) -> None:
        self._schema = stored(schema)
        self._file = SinkFile(out)
        self._config = config
        self._writer: po.ORCWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        try:
            table = pa.Table.from_arrays(
                [_column(column, field) for column, field in zip(batch.columns, self._schema, strict=True)],
                schema=self._schema,
            )
            self._open().write(table)
        except _REFUSED as error:
            self._reraise()
            raise DataError(f"the rows cannot be written as ORC: {first_line(error)}") from error

    def _open(self) -> po.ORCWriter:
        if self._writer is None:
            codec = self._config.compression
            self._writer = po.ORCWriter(
                self._file,
                compression="uncompressed" if codec == "none" else codec,
                stripe_size=self._config.stripe_bytes,
            )
        return self._writer

    def finish(self) -> bytes:
        try:
            if self._writer is None:
                self._open().write(pa.Table.from_batches([], self._schema))
            self._open().close()
        except _REFUSED as error:
            self._reraise()
            raise DataError(f"the file cannot be written as ORC: {first_line(error)}") from error
        return b""

    def abort(self) -> None:
        self._file.detach()
        with suppress(Exception):
            if self._writer is not None:
                self._writer.close()

    def _reraise(self) -> None:
        if self._file.error is not None:
            raise self._file.error


def check_types(schema: pa.Schema) -> None:
    """Raise SchemaMismatchError for the first column that ORC cannot hold; pyarrow is asked."""
    refuse_repeated(schema)
    if not schema.names:
        raise SchemaMismatchError("the source has no columns, and an ORC file needs at least one")
    for field in stored(schema):
        alone = pa.schema([field])
        try:
            with po.ORCWriter(pa.BufferOutputStream()) as writer:
                writer.write(pa.Table.from_batches([], alone))
        except _REFUSED as error:
            raise SchemaMismatchError(
                f"column {field.name!r} has the type {schema.field(field.name).type}, which ORC cannot hold; "
                "leave it out or convert it",
                detail=first_line(error),
            ) from error


def stored(schema: pa.Schema) -> pa.Schema:
    """The types as which ORC keeps values of others: a wider integer, the values of a dictionary."""
    return pa.schema([field.with_type(_stored(field.type)) for field in schema])


def _stored(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _stored(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns", kind.tz and "UTC")
    return _AS.get(kind, kind)


def _column(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        if not pa.types.is_timestamp(field.type):
            raise
        # ORC holds them, but pyarrow, which reads it, has only nanoseconds for them.
        raise DataError(
            f"column {field.name!r} has a timestamp before 1677 or after 2262, which cannot be read back "
            "from ORC; write it as text or to Parquet",
            detail=first_line(error),
        ) from error
