"""Reading back what a sink of files wrote, with a format that a third party could have: it cannot join."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossdock import (
    Attempt,
    ByteSink,
    FileFormat,
    FormatWriter,
    ObjectInfo,
    Part,
    Piece,
    PlanHint,
    Receipt,
    Split,
    Target,
    Unit,
    VerificationError,
    WriteMode,
)  # fmt: skip
from crossdock.digest_range import ByteDigest
from crossdock.files.binary import FileTarget
from crossdock.files.parts import WrittenFile
from crossdock.files.tabular import FormatSink
from crossdock_connectors.stores.file_store import FileStore

SCHEMA = pa.schema([("id", pa.int64())])


class Lengths(FileFormat):
    """Numbers of eight bytes; the tail says how many there are, so that a part alone has another one."""

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        return SCHEMA

    def plan(self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target: int) -> Iterator[Piece]:
        yield Piece(b"all", info.size)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        data = file.read()
        assert data.startswith(b"HEAD") == self.joinable
        numbers = data.removeprefix(b"HEAD")
        assert int.from_bytes(numbers[-8:], "little") == len(numbers) - 8
        ids = pa.array(memoryview(numbers[:-8]).cast("q").tolist(), pa.int64())
        yield iter([pa.record_batch([ids[start : start + 10]], SCHEMA) for start in range(0, len(ids), 10)])

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return LengthsWriter(out)

    def tail(self, schema: pa.Schema, parts: Sequence[Part]) -> bytes:
        return sum(part.length for part in parts).to_bytes(8, "little")


class Joined(Lengths):
    joinable = True

    def head(self, schema: pa.Schema) -> bytes:
        return b"HEAD"


class LengthsWriter(FormatWriter):
    def __init__(self, out: ByteSink) -> None:
        self.out = out

    def write(self, batch: pa.RecordBatch) -> None:
        for number in batch["id"].to_pylist():
            self.out.write(number.to_bytes(8, "little"))

    def finish(self) -> bytes:
        return b""


def write(tmp_path: Path, kind: FileFormat, splits: int) -> WrittenFile:
    """A file of 25 numbers for each split."""
    store = FileStore(str(tmp_path))
    sink = FormatSink(store, kind, FileTarget(store, "here", "out.bin"), 64, digest=True)
    begun = sink.begin(Unit("t"), Target(WriteMode.ERROR, SCHEMA), "r")
    receipts: list[tuple[Split, Receipt]] = []
    for index in range(splits):
        split = Split("t", index, b"")
        writer = sink.writer(begun.handle, split, Attempt("r", 1))
        ids = pa.array(range(25 * index, 25 * index + 25), pa.int64())
        writer.write(pa.record_batch([ids], SCHEMA))
        receipts.append((split, writer.finish()))
    sink.commit(begun.handle, receipts)
    return sink.written_file(begun.handle, receipts)


def read(file: WrittenFile, split: Split) -> list[Any]:
    with file.read(split) as items:
        return [item if isinstance(item, pa.RecordBatch) else bytes(item) for item in items]


def ids(file: WrittenFile, index: int, rows: int | None) -> list[int]:
    return [number for batch in read(file, file.rows_of(index, rows)) for number in batch["id"].to_pylist()]


@pytest.mark.parametrize(("kind", "splits"), [(Lengths(), 1), (Joined(), 1), (Joined(), 3)])
def test_each_part_is_a_file_by_itself(tmp_path: Path, kind: FileFormat, splits: int) -> None:
    file = write(tmp_path, kind, splits)
    for index in range(splits):
        first = 25 * index
        assert ids(file, index, None) == list(range(first, first + 25))
        for rows in (1, 10, 17, 25):
            assert ids(file, index, rows) == list(range(first, first + rows))


@pytest.mark.parametrize("kind", [Lengths(), Joined()])
def test_all_bytes_but_the_tail_have_their_digest(tmp_path: Path, kind: FileFormat) -> None:
    file = write(tmp_path, kind, 2 if kind.joinable else 1)
    found = b""
    for index in range(len(file.written)):
        digest = ByteDigest()
        for piece in read(file, file.bytes_of(index)):
            digest.update(piece)
            found += piece
        file.check_bytes(index, str(digest))
        with pytest.raises(VerificationError, match=r"out\.bin: the bytes from"):
            file.check_bytes(index, str(ByteDigest()))
    assert found == (tmp_path / "out.bin").read_bytes()[:-8]


def test_what_the_format_cannot_read_is_what_verification_looks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock import DataError

    file = write(tmp_path, Lengths(), 1)

    def damaged(*_: Any) -> Any:
        raise DataError("a row is broken")

    monkeypatch.setattr(Lengths, "read", damaged)
    with pytest.raises(VerificationError, match=r"out\.bin cannot be read back") as caught:
        ids(file, 0, None)
    assert caught.value.detail == "a row is broken"
