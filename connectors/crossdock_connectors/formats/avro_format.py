"""The Avro format: how files are cut, read and written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa
from fastavro.schema import SchemaParseException

from crossdock import (
    ByteSink,
    DataError,
    FileFormat,
    FormatWriter,
    NotSupportedError,
    ObjectInfo,
    Piece,
    PlanHint,
    SchemaMismatchError,
)

from .avro_blocks import SYNC, Header, blocks, cut_at_syncs, read_header
from .avro_types import Column, Types, without_logical
from .avro_write import AvroWriter, head, stored

if TYPE_CHECKING:
    from .avro_config import AvroConfig

_TOKEN_VERSION = 1
_ROWS = 8192
_BYTES = 4 << 20
_MEMORY = 128 << 20
_DAMAGE = (
    EOFError, IndexError, KeyError, ValueError, TypeError, OverflowError, ArithmeticError,
    AttributeError, RecursionError, pa.ArrowException,
)  # fmt: skip


class AvroFormat(FileFormat):
    """A piece's token is JSON: its version and a range of bytes that begins and ends with a block."""

    joinable = True

    def __init__(self, config: AvroConfig) -> None:
        self._config = config

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        columns, _ = _columns(read_header(file, info.path), info.path)
        return pa.schema([(name, column.type) for name, column in columns.items()])

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        header = read_header(file, info.path)
        size = info.size - header.start
        step = max(target_bytes, hint.min_split_bytes, math.ceil(size / (hint.max_splits or size or 1)), 1)
        count = min(math.ceil(size / step), 1 + size // (1 + SYNC))
        targets = [header.start + size * number // count for number in range(1, count)]
        cuts = [header.start, *cut_at_syncs(file, header, info.size, targets), info.size]
        for begin, end in pairwise(cuts):
            token = json.dumps({"v": _TOKEN_VERSION, "start": begin, "end": end}).encode()
            yield Piece(token, max(end - begin, 0), _MEMORY)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        piece = json.loads(token)
        if piece.get("v") != _TOKEN_VERSION:
            raise NotSupportedError("this copy was planned by another version of crossdock; start it anew")
        batches = _batches(file, info, (piece["start"], piece["end"]), schema)
        try:
            yield batches
        finally:
            batches.close()

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return AvroWriter(out, schema, self._config)

    def check(self, schema: pa.Schema) -> None:
        stored(schema, self._config)

    def head(self, schema: pa.Schema) -> bytes:
        return head(schema, self._config)


def _columns(header: Header, path: str) -> tuple[dict[str, Column], Any]:
    """The columns of a file, and the schema to decode its values by."""
    try:
        parsed = fastavro.parse_schema(header.schema, _force=True)
        return Types(path).columns(parsed), fastavro.parse_schema(without_logical(header.schema))
    except SchemaParseException as error:
        raise DataError(f"{path} has a schema that is not Avro's", detail=str(error)[:200]) from error
    except _DAMAGE as error:
        raise DataError(f"{path} has a schema that is damaged", detail=str(error)[:200]) from error


def _batches(
    file: io.RawIOBase, info: ObjectInfo, span: tuple[int, int], schema: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    header = read_header(file, info.path)
    columns, decoded = _columns(header, info.path)
    missing = [name for name in schema.names if name not in columns]
    if missing:
        raise SchemaMismatchError(f"{info.path} has no column {missing[0]!r}, which other files here have")
    chosen = {name: columns[name] for name in schema.names}
    rows: list[dict[str, Any]] = []
    room, offset = _BYTES, span[0]
    for offset, count, data in blocks(file, header, span, info.path):
        if count > len(data) + _ROWS:
            raise DataError(f"{info.path}, block at byte {offset}: more rows than it has bytes")
        width = max(1, len(data) // max(1, count))
        stream = io.BytesIO(data)
        for _ in range(count):
            rows.append(_record(stream, decoded, info, offset))
            room -= width
            if len(rows) >= _ROWS or room <= 0:
                yield _batch(rows, chosen, schema, info, offset)
                rows, room = [], _BYTES
        if stream.read(1):
            raise DataError(f"{info.path}, block at byte {offset}: bytes are left over behind its rows")
    if rows:
        yield _batch(rows, chosen, schema, info, offset)


def _record(stream: io.BytesIO, schema: Any, info: ObjectInfo, offset: int) -> Any:
    try:
        return fastavro.schemaless_reader(stream, schema, None)
    except _DAMAGE as error:
        raise _damaged(info, offset, error) from error


def _batch(
    rows: list[dict[str, Any]], columns: dict[str, Column], schema: pa.Schema, info: ObjectInfo, offset: int
) -> pa.RecordBatch:
    try:
        arrays = [column.array([row[name] for row in rows]) for name, column in columns.items()]
        cast = [
            array if array.type == field.type else array.cast(field.type)
            for array, field in zip(arrays, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(cast, schema=schema)
    except _DAMAGE as error:
        raise _damaged(info, offset, error) from error


def _damaged(info: ObjectInfo, offset: int, error: Exception) -> DataError:
    return DataError(
        f"{info.path}, block at byte {offset}: a value cannot be read; the file is damaged",
        detail=f"{type(error).__name__}: {error}"[:300],
    )
