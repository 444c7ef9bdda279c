"""What the checks of a format share: writing to a plain stream, reading pieces from memory or a file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from ..spi import FileFormat, ObjectInfo, Part, Piece, PlanHint
from .opening import open_format
from .spec_checks import SpecContract

Origin = Literal["memory", "file"]


class PlainStream:
    """A ByteSink and nothing more: no tell, no flush, no close. Copies what it is given."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        view = memoryview(data).cast("B")
        self.data += view
        return len(view)


def info_of(data: bytes, size: int | None = None) -> ObjectInfo:
    """An object whose etag is its content, as a store would give it; ``size`` where the store is wrong."""
    etag = hashlib.sha256(data).hexdigest()
    return ObjectInfo("dir/object.ext", len(data) if size is None else size, etag)


class FormatBase(SpecContract):
    """Fixtures and small operations; contains no check of its own."""

    @pytest.fixture
    def format(self) -> FileFormat:
        return open_format(self.spec, self.options)

    @pytest.fixture(params=["memory", "file"])
    def origin(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
        """Where files are read from: memory (None) or a folder."""
        return tmp_path if request.param == "file" else None

    def open(self, data: bytes, folder: Path | None = None) -> Any:
        """A seekable binary file with this content."""
        if folder is None:
            return io.BytesIO(data)
        path = folder / info_of(data).etag[:16]
        path.write_bytes(data)
        return path.open("rb")

    def part(self, format: FileFormat, table: pa.Table, batch: int = 100) -> tuple[bytes, Part]:  # noqa: A002
        """One part as a writer makes it, and what the engine keeps of it."""
        out = PlainStream()
        writer = format.writer(out, table.schema)
        for each in table.to_batches(max_chunksize=batch):
            writer.write(each)
        token = writer.finish()
        assert isinstance(token, bytes), "finish returns the token that tail needs"
        out.write(b"")
        return bytes(out.data), Part(len(out.data), token)

    def join(self, format: FileFormat, schema: pa.Schema, parts: Sequence[tuple[bytes, Part]]) -> bytes:  # noqa: A002
        """A whole file as the engine assembles it: head, parts, tail."""
        body = b"".join(data for data, _ in parts)
        return format.head(schema) + body + format.tail(schema, [part for _, part in parts])

    def write(self, format: FileFormat, table: pa.Table, batch: int = 100) -> bytes:  # noqa: A002
        format.check(table.schema)
        return self.join(format, table.schema, [self.part(format, table, batch)])

    def plan(
        self,
        format: FileFormat,  # noqa: A002
        data: bytes,
        hint: PlanHint | None = None,
        target_bytes: int = 1 << 20,
        folder: Path | None = None,
    ) -> list[Piece]:
        with self.open(data, folder) as file:
            return list(format.plan(file, info_of(data), hint or PlanHint(), target_bytes))

    def read(
        self,
        format: FileFormat,  # noqa: A002
        data: bytes,
        pieces: Sequence[Piece] | None = None,
        folder: Path | None = None,
        info: ObjectInfo | None = None,
    ) -> pa.Table:
        """The rows of the pieces (default: of a plan without a limit), each batch of exactly ``schema``."""
        info = info or info_of(data)
        with self.open(data, folder) as file:
            schema = format.schema(file, info)
        if pieces is None:
            with self.open(data, folder) as file:
                pieces = list(format.plan(file, info, PlanHint(parallel=2), 1 << 20))
        batches = []
        for piece in pieces:
            with self.open(data, folder) as file, format.read(file, info, piece.token, schema) as items:
                for batch in items:
                    assert batch.schema.equals(schema), f"schema() says {schema}, a batch has {batch.schema}"
                    batches.append(batch)
        return pa.Table.from_batches(batches, schema)
