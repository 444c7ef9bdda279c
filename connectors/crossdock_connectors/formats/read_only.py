"""What the formats share that are only read, each file as one piece."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa

from crossdock import ByteSink, FileFormat, FormatWriter, NotSupportedError, ObjectInfo, Piece, PlanHint


class ReadOnlyFormat(FileFormat):
    """A file is one piece; writing is refused with ``refusal``."""

    refusal: ClassVar[str]

    @abstractmethod
    def memory(self, info: ObjectInfo) -> int:
        """Bytes that reading the file takes, beside its batches."""

    @abstractmethod
    def batches(
        self, file: io.RawIOBase, info: ObjectInfo, schema: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """All rows of the file."""

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        yield Piece(b"1", max(info.size, 1), self.memory(info))

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        batches = self.batches(file, info, schema)
        try:
            yield batches
        finally:
            batches.close()

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        raise NotSupportedError(self.refusal)

    def check(self, schema: pa.Schema) -> None:
        raise NotSupportedError(self.refusal)
