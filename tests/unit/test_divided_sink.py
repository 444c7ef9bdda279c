"""A table in many files: what is staged, what is visible, and what another process finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from crossdock import (
    AlreadyExistsError,
    Attempt,
    Block,
    Receipt,
    Split,
    Target,
    TransientError,
    Unit,
    WriteMode,
)
from crossdock.files.binary import FileTarget
from crossdock.files.divided import DividedSink, numbered
from crossdock_connectors.formats.jsonlines import SPEC
from crossdock_connectors.stores.file_store import FileStore

BATCH = pa.record_batch({"id": pa.array(range(10), pa.int64())})
SPLIT = Split("t", 0, b"")
UNIT = Unit("t")


class Breaking(FileStore):
    """Fails at one of its commits."""

    def __init__(self, root: str, at: int = -1) -> None:
        super().__init__(root)
        self.at, self.commits = at, 0

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        self.commits += 1
        if self.commits == self.at:
            raise TransientError("the line is down")
        super().commit(upload, blocks)


def sink_on(store: FileStore) -> DividedSink:
    assert SPEC.open_format is not None
    target = FileTarget(store, "here", extension=".jsonl")
    return DividedSink(store, SPEC.open_format(SPEC.config()), target, 4096, most_rows=4)


def carried(sink: DividedSink, handle: bytes, number: int, rows: int = 10) -> Receipt:
    writer = sink.writer(handle, SPLIT, Attempt("run", number))
    writer.write(BATCH.slice(0, rows))
    return writer.finish()


def files(folder: Path) -> dict[str, int]:
    return {each.name: len(each.read_text().splitlines()) for each in sorted(folder.iterdir())}


ALL = {"t_00000.jsonl": 4, "t_00001.jsonl": 4, "t_00002.jsonl": 2}


def test_nothing_is_visible_before_the_commit_and_nothing_else_after_it(tmp_path: Path) -> None:
    sink = sink_on(FileStore(str(tmp_path)))
    handle = sink.begin(UNIT, Target(WriteMode.ERROR, BATCH.schema), "run").handle
    receipt = carried(sink, handle, 1001)
    assert not [each for each in tmp_path.iterdir() if each.suffix == ".jsonl"]
    sink.commit(handle, [(SPLIT, receipt)])
    sink.commit(handle, [(SPLIT, receipt)])
    sink.cleanup(handle)
    sink.cleanup(handle)
    assert files(tmp_path) == ALL


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_commit_that_broke_off_is_ended_by_another_process(tmp_path: Path, at: int) -> None:
    first = sink_on(Breaking(str(tmp_path), at))
    handle = first.begin(UNIT, Target(WriteMode.ERROR, BATCH.schema), "run").handle
    receipt = carried(first, handle, 1001)
    with pytest.raises(TransientError):
        first.commit(handle, [(SPLIT, receipt)])
    second = sink_on(FileStore(str(tmp_path)))
    second.commit(handle, [(SPLIT, receipt)])
    second.cleanup(handle)
    assert files(tmp_path) == ALL


class Late(Breaking):
    """Somebody else writes the last file while the others become visible."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        Path(self._path("t_00002.jsonl")).write_text("theirs\n")
        super().commit(upload, blocks)


@pytest.mark.parametrize("when", ["before", "meanwhile", "after it broke off"])
def test_a_file_of_somebody_else_keeps_all_of_ours_away(tmp_path: Path, when: str) -> None:
    """With mode error a table is there as a whole, or not at all."""
    store = Late(str(tmp_path)) if when == "meanwhile" else Breaking(str(tmp_path), 2)
    sink = sink_on(store)
    handle = sink.begin(UNIT, Target(WriteMode.ERROR, BATCH.schema), "run").handle
    receipt = carried(sink, handle, 1001)
    if when == "after it broke off":
        with pytest.raises(TransientError):
            sink.commit(handle, [(SPLIT, receipt)])
        assert [each.name for each in tmp_path.glob("*.jsonl")] == ["t_00000.jsonl"]
    if when != "meanwhile":
        (tmp_path / "t_00002.jsonl").write_text("theirs\n")
    with pytest.raises(AlreadyExistsError, match=r"t_00002\.jsonl"):
        sink.commit(handle, [(SPLIT, receipt)])
    assert store.commits == {"before": 0, "meanwhile": 3, "after it broke off": 2}[when]
    sink.cleanup(handle)
    assert files(tmp_path) == {"t_00002.jsonl": 1}
    assert (tmp_path / "t_00002.jsonl").read_text() == "theirs\n"


@pytest.mark.parametrize("committed", [True, False])
def test_files_of_an_attempt_that_nobody_knows_are_removed(tmp_path: Path, committed: bool) -> None:
    """A process was killed with three files staged; the next attempt has fewer, or there is none."""
    killed = sink_on(FileStore(str(tmp_path)))
    handle = killed.begin(UNIT, Target(WriteMode.ERROR, BATCH.schema), "run").handle
    carried(killed, handle, 1001)
    sink = sink_on(FileStore(str(tmp_path)))
    if committed:
        sink.commit(handle, [(SPLIT, carried(sink, handle, 2001, rows=3))])
    sink.cleanup(handle)
    assert files(tmp_path) == ({"t_00000.jsonl": 3} if committed else {})


def test_a_second_attempt_in_one_process_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    sink = sink_on(FileStore(str(tmp_path)))
    handle = sink.begin(UNIT, Target(WriteMode.ERROR, BATCH.schema), "run").handle
    writer = sink.writer(handle, SPLIT, Attempt("run", 1001))
    writer.write(BATCH)
    writer.abort()
    sink.commit(handle, [(SPLIT, carried(sink, handle, 1002, rows=3))])
    sink.cleanup(handle)
    assert files(tmp_path) == {"t_00000.jsonl": 3}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.csv", "a/b_00007.csv"), ("b.csv.gz", "b_00007.csv.gz"), ("v1.2/b", "v1.2/b_00007"),
        (".hidden", ".hidden_00007"), ("dbo.orders.parquet", "dbo.orders_00007.parquet"),
    ],
)  # fmt: skip
def test_numbers_stand_before_the_ending(path: str, expected: str) -> None:
    assert numbered(path, 7) == expected
