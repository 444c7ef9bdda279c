"""Objects as files, and files as blocks."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossdock import ObjectInfo, ObjectReader, ShortReadError, UploadRequest
from crossdock.files import objectfile
from crossdock.files.objectfile import ObjectFile, PartStream, blocks_of
from crossdock.limits import BufferPool
from crossdock_connectors.stores.file_store import FileStore

DATA = bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    (tmp_path / "data").write_bytes(DATA)
    return FileStore(str(tmp_path))


@pytest.fixture
def file(store: FileStore) -> ObjectFile:
    return ObjectFile(store.open_read("data"))


class TestObjectFile:
    def test_reading_as_any_file(self, file: ObjectFile) -> None:
        """Compared with a file of the standard library, step by step."""
        model, random = io.BytesIO(DATA), Random(5)
        for _ in range(500):
            match random.randrange(5):
                case 0:
                    size = random.randrange(-1, 400)
                    assert bytes(file.read(size)) == model.read(size)
                case 1:
                    to = random.randrange(len(DATA) + 300)
                    assert file.seek(to) == model.seek(to)
                case 2:
                    offset = random.randrange(-min(50, model.tell()), 50)
                    assert file.seek(offset, io.SEEK_CUR) == model.seek(offset, io.SEEK_CUR)
                case 3:
                    offset = -random.randrange(len(DATA))
                    assert file.seek(offset, io.SEEK_END) == model.seek(offset, io.SEEK_END)
                case 4:
                    ours, theirs = bytearray(random.randrange(300)), bytearray(0)
                    theirs = bytearray(len(ours))
                    assert file.readinto(ours) == model.readinto(theirs)
                    assert ours == theirs
            assert file.tell() == model.tell()

    def test_what_it_says_of_itself(self, file: ObjectFile) -> None:
        assert (file.readable(), file.seekable(), file.writable(), file.size()) == (
            True,
            True,
            False,
            len(DATA),
        )

    def test_before_the_start(self, file: ObjectFile) -> None:
        with pytest.raises(ValueError, match="before the start"):
            file.seek(-1)

    def test_arrow_reads_it(self, store: FileStore, tmp_path: Path) -> None:
        table = pa.table({"a": list(range(5000))})
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=500)
        with ObjectFile(store.open_read("t.parquet")) as file:
            assert pq.read_table(pa.PythonFile(file, mode="r")) == table

    def test_closing_closes_the_reader_once(self) -> None:
        closed = []

        class Reader(ObjectReader):
            info = ObjectInfo("x", 3, "")

            def read_into(self, offset: int, buffer: memoryview) -> int:
                return 0

            def close(self) -> None:
                closed.append(1)

        with ObjectFile(Reader()) as file, pytest.raises(ShortReadError, match="x ended after 0 bytes"):
            file.read()
        file.close()
        assert closed == [1]


class TestPartStream:
    @pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
    @pytest.mark.parametrize("sizes", [[], [0], [1], [64], [63, 1], [65], [5, 0, 200, 3, 64, 1000]])
    def test_what_is_written_is_what_is_there(
        self, store: FileStore, tmp_path: Path, block: int, sizes: list[int]
    ) -> None:
        upload = store.open_upload("out", UploadRequest("r"))
        stream = PartStream(store, upload, split=0, attempt=1, block=block)
        data, at = Random(1).randbytes(sum(sizes)), 0
        for size in sizes:
            assert stream.write(data[at : at + size]) == size
            at += size
        lengths = stream.finish()
        assert stream.size == sum(lengths) == len(data)
        assert all(length == block for length in lengths[:-1])
        store.commit(upload, blocks_of(0, 1, lengths))
        store.abort(upload)
        assert (tmp_path / "out").read_bytes() == data

    @pytest.mark.parametrize("size", [1, 3, 64, 5000])
    def test_blocks_of_a_long_one_grow(
        self, store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        """A store takes so many of them, and nobody knows beforehand how long it will be."""
        monkeypatch.setattr(objectfile, "GROWS", 10)
        monkeypatch.setattr(objectfile, "LARGEST", 50)
        upload = store.open_upload("out", UploadRequest("r"))
        stream, data = PartStream(store, upload, split=0, attempt=1, block=8), Random(1).randbytes(5000)
        for at in range(0, len(data), size):
            stream.write(data[at : at + size])
        lengths = stream.finish()
        assert lengths[:10] + lengths[10:20] + lengths[20:30] == [8] * 10 + [16] * 10 + [32] * 10
        assert set(lengths[30:-1]) == {50}
        store.commit(upload, blocks_of(0, 1, lengths))
        assert (tmp_path / "out").read_bytes() == data

    def test_any_buffer(self, store: FileStore, tmp_path: Path) -> None:
        upload = store.open_upload("out", UploadRequest("r"))
        stream = PartStream(store, upload, split=0, attempt=1, block=16)
        for data in (
            b"bytes",
            bytearray(b"array"),
            memoryview(b"view"),
            pa.py_buffer(b"arrow"),
            pa.py_buffer(b""),
        ):
            stream.write(data)
        stream.write(memoryview(pa.array([1, 2], pa.int16()).buffers()[1])[:4])
        store.commit(upload, blocks_of(0, 1, stream.finish()))
        assert (tmp_path / "out").read_bytes() == b"bytesarrayviewarrow\x01\0\x02\0"

    def test_what_was_given_may_change_afterwards(self, store: FileStore, tmp_path: Path) -> None:
        """The stream keeps no buffer."""
        upload = store.open_upload("out", UploadRequest("r"))
        stream, buffer = PartStream(store, upload, split=0, attempt=1, block=10), bytearray(b"abcd")
        for _ in range(5):
            stream.write(buffer)
            buffer[:] = bytes(b + 1 for b in buffer)
        store.commit(upload, blocks_of(0, 1, stream.finish()))
        assert (tmp_path / "out").read_bytes() == b"abcdbcdecdefdefgefgh"

    def test_buffers_come_back(self, store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(objectfile, "BUFFERS", BufferPool())
        upload = store.open_upload("out", UploadRequest("r"))
        first = PartStream(store, upload, 0, 1, 3 << 20)
        buffer = first._buffer.obj
        first.write(b"x")
        first.abort()
        first.abort()
        second = PartStream(store, upload, 0, 2, 3 << 20)
        assert second._buffer.obj is buffer
        second.abort()
        store.abort(upload)


def test_blocks() -> None:
    blocks = blocks_of(3, 1002, [10, 10, 4])
    assert [(b.split, b.attempt, b.index, b.start, b.length, b.offset) for b in blocks] == [
        (3, 1002, 0, 0, 10, None),
        (3, 1002, 1, 10, 10, None),
        (3, 1002, 2, 20, 4, None),
    ]
    assert [block.offset for block in blocks_of(3, 1, [10, 4], offset=100)] == [100, 110]
    assert blocks_of(0, 1, []) == []
