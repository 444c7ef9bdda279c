"""A format for crossdock: Arrow IPC files (``.sample``), on every store.

A file is cut at its record batches; the footer, which is last, says where they are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pydantic import Field

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
    hookimpl,
)


class SampleConfig(ConnectorConfig):
    """The options, as ``-s key=value`` and ``-k key=value`` give them."""

    compression: str | None = Field(None, pattern="^(lz4|zstd)$", description="Compress what is written")


class SampleWriter(FormatWriter):
    """Writes to the engine's stream batch by batch; ``finish`` adds the footer."""

    def __init__(self, out: ByteSink, schema: pa.Schema, compression: str | None) -> None:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        self._writer = self.open(pa.PythonFile(_Counted(out), "w"), schema, options)

    def open(self, out: pa.PythonFile, schema: pa.Schema, options: pa.ipc.IpcWriteOptions) -> Any:
        return pa.ipc.new_file(out, schema, options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def finish(self) -> bytes:
        self._writer.close()
        return b""


class _Counted(io.RawIOBase):
    """The engine's stream as a file that knows its position, which Arrow asks for."""

    def __init__(self, out: ByteSink) -> None:
        self._out, self._position = out, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        count = self._out.write(data)
        self._position += count
        return count


class SampleFormat(FileFormat):
    """A piece is a range of record batches; its token is JSON."""

    def __init__(self, compression: str | None = None) -> None:
        self._compression = compression

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
        return SampleWriter(out, schema, self._compression)


def open_format(config: SampleConfig) -> SampleFormat:
    return SampleFormat(config.compression)


SPEC = ConnectorSpec(
    name="sample",
    summary="Arrow IPC files",
    kind="format",
    config=SampleConfig,
    extensions=(".sample",),
    open_format=open_format,
    example="crossdock copy flights.parquet flights.sample",
)


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [SPEC]
