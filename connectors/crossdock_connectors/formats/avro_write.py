"""Writing Avro: blocks of rows, which several workers make, behind one header."""

from __future__ import annotations

import io
import json
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa

from crossdock import DataError, FormatWriter, SchemaMismatchError

from .avro_blocks import SYNC, block_bytes, header_bytes
from .avro_types import without_logical
from .block_files import first_line
from .column_types import refuse_repeated

if TYPE_CHECKING:
    from crossdock import ByteSink

    from .avro_config import AvroConfig

_BLOCK = 64 << 10
_ROWS = 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNITS = {"ms": "millis", "us": "micros", "ns": "nanos"}
_CODEC = {"none": "null"}
_REFUSED = (pa.ArrowException, ValueError, TypeError, OverflowError)


class AvroWriter(FormatWriter):
    """Writes blocks to ``out``, without the header."""

    def __init__(self, out: ByteSink, schema: pa.Schema, config: AvroConfig) -> None:
        self._out = out
        text, self._types = stored(schema, config)
        self._names = schema.names
        self._schema = fastavro.parse_schema(without_logical(json.loads(text)))
        self._codec = _CODEC.get(config.compression, config.compression)
        self._sync = _sync(text)
        self._buffer = io.BytesIO()
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _ROWS):
            self._write(batch.slice(start, _ROWS))

    def _write(self, batch: pa.RecordBatch) -> None:
        try:
            columns = [
                plain_values(column.cast(kind))
                for column, kind in zip(batch.columns, self._types, strict=True)
            ]
        except _REFUSED as error:
            raise DataError(f"the rows cannot be written as Avro: {first_line(error)}") from error
        for row in zip(*columns, strict=True):
            fastavro.schemaless_writer(self._buffer, self._schema, dict(zip(self._names, row, strict=True)))
            self._rows += 1
            if self._buffer.tell() >= _BLOCK:
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            for part in block_bytes(self._rows, self._buffer.getvalue(), self._codec, self._sync):
                self._out.write(part)
        self._buffer = io.BytesIO()
        self._rows = 0

    def finish(self) -> bytes:
        self._flush()
        return b""


def head(schema: pa.Schema, config: AvroConfig) -> bytes:
    """The header that stands before all parts."""
    text, _ = stored(schema, config)
    return header_bytes(text, _CODEC.get(config.compression, config.compression), _sync(text))


def _sync(schema: str) -> bytes:
    # The same in each process that writes a part.
    return blake2b(schema.encode(), digest_size=SYNC, person=b"crossdock avro").digest()


def stored(schema: pa.Schema, config: AvroConfig) -> tuple[str, list[pa.DataType]]:
    """The Avro schema as text, and the Arrow types as which the columns are written."""
    refuse_repeated(schema)
    fields, types = [], []
    for field in schema:
        if not _NAME.fullmatch(field.name):
            raise SchemaMismatchError(
                f"column {field.name!r}: an Avro name is letters, digits and _ and begins with no digit; "
                "give it another one with --map"
            )
        made, kind = _avro(field.type, field.name)
        types.append(kind)
        fields.append({"name": field.name, "type": made if made == "null" else ["null", made]})
    record: dict[str, Any] = {"type": "record", "name": config.record_name, "fields": fields}
    if config.record_namespace:
        record["namespace"] = config.record_namespace
    return json.dumps(record), types


def _avro(kind: pa.DataType, where: str) -> tuple[Any, pa.DataType]:  # noqa: PLR0911, PLR0912 - each type
    types = pa.types
    if types.is_dictionary(kind):
        return _avro(kind.value_type, where)
    if types.is_null(kind):
        return "null", kind
    if types.is_boolean(kind):
        return "boolean", kind
    if types.is_integer(kind) and kind != pa.uint64():
        small = kind.bit_width < 32 or kind == pa.int32()
        return ("int", pa.int32()) if small else ("long", pa.int64())
    if types.is_float16(kind) or types.is_float32(kind):
        return "float", pa.float32()
    if types.is_float64(kind):
        return "double", kind
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "string", pa.large_string()
    if types.is_fixed_size_binary(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return "bytes", pa.large_binary()
    if types.is_decimal128(kind) and kind.scale >= 0:
        logical = {"logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
        return {"type": "bytes", **logical}, kind
    if types.is_date(kind):
        return {"type": "int", "logicalType": "date"}, pa.date32()
    if types.is_time32(kind):
        return {"type": "int", "logicalType": "time-millis"}, pa.time32("ms")
    if types.is_time64(kind):
        return {"type": "long", "logicalType": "time-micros"}, pa.time64("us")
    if types.is_timestamp(kind):
        unit = "ms" if kind.unit == "s" else kind.unit
        name = f"{'' if kind.tz else 'local-'}timestamp-{_UNITS[unit]}"
        return {"type": "long", "logicalType": name}, pa.timestamp(unit, kind.tz)
    if types.is_list(kind) or types.is_large_list(kind):
        made, item = _avro(kind.value_type, f"{where}.items")
        if made != "null":
            return {"type": "array", "items": ["null", made]}, pa.list_(item)
    raise SchemaMismatchError(
        f"column {where!r} has the type {kind}, which is not written to Avro; leave it out or convert it"
    )


def plain_values(column: pa.Array) -> list[Any]:
    """The values as Avro stores them: whole numbers for moments, bytes for decimals."""
    kind = column.type
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return list(column.view(width).to_pylist())
    if pa.types.is_decimal(kind):
        width = kind.byte_width
        words = column.view(pa.binary(width)).to_pylist()
        return [None if word is None else _shortest(word) for word in words]
    if pa.types.is_list(kind):
        flat = iter(plain_values(column.flatten()))
        lengths = column.value_lengths().to_pylist()
        return [None if n is None else [next(flat) for _ in range(n)] for n in lengths]
    return list(column.to_pylist())


def _shortest(word: bytes) -> bytes:
    value = int.from_bytes(word, "little", signed=True)
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)
