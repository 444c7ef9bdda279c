"""Tables in files: what two committers of one file do to each other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crossdock import Attempt, Block, Receipt, Split, Target, Unit, WriteMode
from crossdock.files.binary import FileTarget
from crossdock.files.tabular import FormatSink
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.stores.file_store import FileStore

BATCH = pa.record_batch({"id": pa.array(range(100), pa.int64())})
SPLIT = Split("t", 0, b"")


class Noting(FileStore):
    """Remembers the names of blocks, and what was written under each."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.written: dict[tuple[int, int, int], set[bytes]] = {}

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        name = (block.split, block.attempt, block.index)
        self.written.setdefault(name, set()).add(bytes(data))
        super().write_block(upload, block, data)


def test_late_and_new_committers_do_not_write_each_others_end_of_the_file(tmp_path: Path) -> None:
    """The same name is the same content: an older process that commits late has other receipts."""
    assert SPEC.open_format is not None
    store = Noting(str(tmp_path))
    sink = FormatSink(store, SPEC.open_format(SPEC.config()), FileTarget(store, "here", "t.parquet"))
    begun = sink.begin(Unit("t"), Target(WriteMode.ERROR, BATCH.schema), "run")

    def carried(number: int, rows: int) -> Receipt:
        writer = sink.writer(begun.handle, SPLIT, Attempt("run", number))
        writer.write(BATCH.slice(0, rows))
        return writer.finish()

    older, newer = carried(1001, 40), carried(2001, 100)
    sink.commit(begun.handle, [(SPLIT, newer)])
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 100
    sink.commit(begun.handle, [(SPLIT, older)])
    assert all(len(contents) == 1 for contents in store.written.values())
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 100
