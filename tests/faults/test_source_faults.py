"""The source breaks off, stutters, or changes while it is copied: never a mixture, never a short success."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest
from fault_bench import Bench
from fault_child import change_file
from fault_payloads import SPLIT, CsvToParquet, ManyBinary, OneBinary, Payload, leftovers, numbers, write_csv

FORMATS = ["bin", "csv", "parquet", "jsonl"]


class Flaky(Payload):
    """One file on ``flaky://`` with a format, copied to a local file."""

    options: ClassVar[dict[str, Any]] = {"block_size": SPLIT}

    def __init__(self, folder: Path, extension: str) -> None:
        self.extension = extension
        super().__init__(folder)

    def make(self) -> None:
        path = self.folder / "from" / f"data.{self.extension}"
        self.table = numbers(6000)
        self.sink = f"{self.sink}.parquet"
        if self.extension == "bin":
            path.write_bytes(random.Random(4).randbytes(1_000_000))
            self.sink = f"{self.folder}/to/data.bin"
        elif self.extension == "csv":
            write_csv(path, self.table)
        elif self.extension == "jsonl":
            rows = (repr(row).replace("None", "null").replace("'", '"') for row in self._plain())
            path.write_text("\n".join(rows) + "\n")
        else:
            pq.write_table(self.table, path, row_group_size=500)
            self.sink = f"{self.folder}/to/data.jsonl"
        self.size = path.stat().st_size
        self.path, self.source = path, f"flaky://{path}"

    def _plain(self) -> list[dict[str, Any]]:
        self.table = self.table.drop_columns("word")
        return self.table.to_pylist()

    def visible(self) -> bool:
        sink = Path(self.sink)
        if not sink.exists():
            return False
        if self.extension == "bin":
            assert sink.read_bytes() == self.path.read_bytes()
        elif self.extension == "parquet":
            import pyarrow.json

            read = pyarrow.json.read_json(sink)
            assert read.select(self.table.column_names).cast(self.table.schema).equals(self.table)
        else:
            assert pq.read_table(sink).equals(self.table)
        return True


@pytest.mark.parametrize("extension", FORMATS)
def test_a_store_that_ends_early_is_never_a_success(bench: Bench, extension: str) -> None:
    payload = Flaky(bench.folder, extension)
    options = payload.options | {"parallel_copies": 2}
    given: dict[str, Any] = {"options": options, "smallest_split": SPLIT // 2}
    healthy = {"kill": "journal.add_units:after:1"}
    # Planned while all was well; the short answers begin with the data.
    assert bench.copy(payload, **given, **healthy).killed
    ended = bench.resume(flaky={"short": payload.size // 2 + 1}, smallest_split=SPLIT // 2)
    assert (ended.code, ended.answer.get("error")) == (1, "ShortRead"), ended
    assert ended.answer["resumable"] is True
    assert not payload.visible()
    ended = bench.resume(smallest_split=SPLIT // 2)
    assert ended.answer["status"] == "Succeeded"
    payload.check()


@pytest.mark.parametrize("extension", FORMATS)
def test_retry_after_a_half_read_stream(bench: Bench, extension: str) -> None:
    payload = Flaky(bench.folder, extension)
    given: dict[str, Any] = {"options": {"parallel_copies": 1}, "smallest_split": SPLIT // 2}
    assert bench.copy(payload, kill="journal.begin:after:1", **given).killed
    ended = bench.resume(flaky={"broken": 3}, smallest_split=SPLIT // 2)
    assert ended.answer.get("status") == "Succeeded", ended
    assert ended.answer["retries"] == 3
    payload.check()


@pytest.mark.parametrize("how", ["truncated", "replaced", "written"])
@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet])
@pytest.mark.parametrize("stream", [False, True])
def test_a_file_that_changes_is_noticed(bench: Bench, kind: type[Payload], how: str, stream: bool) -> None:
    payload = kind(bench.folder)
    change = {"at": 4, "path": payload.source, "how": how}
    ended = bench.copy(payload, change=change, stream=stream)
    assert (ended.code, ended.answer.get("error")) == (1, "SourceChanged"), ended
    assert ended.answer["resumable"] is False
    assert not Path(payload.sink).exists()
    assert leftovers(bench.folder) == []


@pytest.mark.parametrize("how", ["truncated", "written"])
@pytest.mark.parametrize(
    # The 64th is the last split of it: nobody opens the file after that.
    ("kind", "stream", "at"),
    [(OneBinary, False, 64), (OneBinary, True, 64), (CsvToParquet, False, 8)],
)
def test_a_file_that_changes_while_it_is_open(
    bench: Bench, kind: type[Payload], how: str, stream: bool, at: int
) -> None:
    payload = kind(bench.folder)
    change = {"at": at, "path": payload.source, "how": how, "open": True}
    ended = bench.copy(payload, change=change, stream=stream)
    assert (ended.code, ended.answer.get("error")) == (1, "SourceChanged"), ended
    assert not Path(payload.sink).exists()
    assert leftovers(bench.folder) == []


@pytest.mark.parametrize("how", ["truncated", "replaced", "written", "deleted"])
@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet])
def test_a_file_that_changed_before_the_resume(bench: Bench, kind: type[Payload], how: str) -> None:
    payload = kind(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:3").killed
    change_file(Path(payload.source), how)
    ended = bench.resume()
    expected = (2, "NotFound") if how == "deleted" else (1, "SourceChanged")
    assert (ended.code, ended.answer.get("error")) == expected, ended
    assert not Path(payload.sink).exists()
    assert leftovers(bench.folder) == []


@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet])
def test_what_was_read_whole_needs_its_source_no_more(bench: Bench, kind: type[Payload]) -> None:
    payload = kind(bench.folder)
    assert bench.copy(payload, kill="sink.commit:before:1").killed
    source = Path(payload.source)
    source.rename(source.with_name("elsewhere"))
    assert bench.resume().answer["carried"] == []
    source.with_name("elsewhere").rename(source)
    payload.check()


@pytest.mark.parametrize("name", ["large1.bin", "3/0/f3.bin"])
def test_one_of_many_that_vanishes_is_skipped(bench: Bench, name: str) -> None:
    payload = ManyBinary(bench.folder)
    gone = Path(payload.source) / name
    # The large ones come last: by then one of its splits has been carried.
    at = 498 + 17 + 3 if name.startswith("large") else 1
    ended = bench.copy(payload, change={"at": at, "path": str(gone), "how": "deleted"})
    assert (ended.code, ended.answer["files_skipped"]) == (3, 1), ended
    assert not (Path(payload.sink) / name).exists()
    assert len([path for path in Path(payload.sink).rglob("*") if path.is_file()]) == 499
    payload.visible()
    assert leftovers(bench.folder) == []


def test_one_of_many_that_vanished_before_the_resume_is_skipped(bench: Bench) -> None:
    payload = ManyBinary(bench.folder)
    assert bench.copy(payload, kill=f"journal.add_receipts:after:{4 + 17 + 3}").killed
    (Path(payload.source) / "large1.bin").unlink()
    ended = bench.resume()
    assert (ended.code, ended.answer["files_skipped"]) == (3, 1), ended
    assert not (Path(payload.sink) / "large1.bin").exists()
    payload.visible()
    assert leftovers(bench.folder) == []


def test_one_of_many_that_changes_is_an_error(bench: Bench) -> None:
    payload = ManyBinary(bench.folder)
    path = Path(payload.source) / "large1.bin"
    ended = bench.copy(payload, change={"at": 100, "path": str(path), "how": "replaced"})
    assert (ended.code, ended.answer.get("error")) == (1, "SourceChanged"), ended
    assert not (Path(payload.sink) / "large1.bin").exists()
    assert leftovers(bench.folder) == []
