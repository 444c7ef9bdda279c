"""A correct, small FileFormat: Arrow IPC files. What the broken formats vary."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from crossdock import (
    ByteSink,
    ConnectorConfig,
    ConnectorSpec,
    DataError,
    FileFormat,
    FormatWriter,
    ObjectInfo,
    Piece,
    PlanHint,
)


class ArrowFileWriter(FormatWriter):
    def __init__(self, out: ByteSink, schema: pa.Schema) -> None:
        self.out = out
        self.buffer = pa.BufferOutputStream()
        self.writer = self.open(schema)

    def open(self, schema: pa.Schema) -> Any:
        return pa.ipc.new_file(self.buffer, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self.writer.write_batch(batch)

    def finish(self) -> bytes:
        self.writer.close()
        self.out.write(self.buffer.getvalue())
        return b""


class ArrowFile(FileFormat):
    @contextmanager
    def opened(self, file: io.RawIOBase, info: ObjectInfo) -> Iterator[Any]:
        try:
            yield self.reader(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{info.path} is no whole Arrow file: {error}") from error

    def reader(self, file: io.RawIOBase) -> Any:
        return pa.ipc.open_file(file)

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        with self.opened(file, info) as reader:
            return reader.schema

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        with self.opened(file, info) as reader:
            count = reader.num_record_batches
        pieces = min(count, max(1, info.size // target_bytes), hint.max_splits or count)
        for number in range(pieces):
            span = [count * number // pieces, count * (number + 1) // pieces]
            yield Piece(json.dumps(span).encode(), info.size // pieces)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.opened(file, info) as reader:
            yield (reader.get_batch(number) for number in range(*json.loads(token)))

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return ArrowFileWriter(out, schema)


def open_arrow(config: ConnectorConfig) -> ArrowFile:
    return ArrowFile()


def spec_of(opened: Any) -> ConnectorSpec:
    """The spec of a format that ``opened`` opens."""
    return ConnectorSpec(
        name="arrowfile",
        summary="Arrow IPC files",
        kind="format",
        extensions=(".arrow",),
        open_format=opened,
        example="crossdock copy flights.arrow flights.parquet",
    )


SPEC = spec_of(open_arrow)
