"""``--verify`` of files of a format: all bytes are compared, and the values of a sample of the splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import Record, expected_rows

import crossdock
from crossdock import api
from crossdock.journal_rows import UnitRow, UnitState
from crossdock.spi.data import Unit
from crossdock.verify import sampled_share
from crossdock_connectors.formats import delimited_write, jsonlines_format, parquet_format, parquet_write

ROWS = 4000
SPLITS = 8
FORMATS = ["csv", "csv.gz", "jsonl", "parquet"]


def sampled(run_id: str, splits: int = SPLITS) -> int:
    """The split of the only unit whose values are compared."""
    row = UnitRow(1, Unit("t0"), UnitState.PLANNED, None)
    (chosen,) = (index for index in range(splits) if sampled_share(run_id, row, splits, index))
    return chosen


def copy(target: str | Path, **options: Any) -> crossdock.CopyResult:
    source = {"rows": str(ROWS), "splits": str(SPLITS)} | options.pop("source_options", {})
    options = {"map": "id,value", "verify": True, "run_id": "r"} | options
    return crossdock.copy("rows://here", target, source_options=source, **options)


def refused(target: str | Path, **options: Any) -> str:
    with pytest.raises(crossdock.VerificationError) as caught:
        copy(target, **options)
    assert caught.value.exit_code == 1
    return caught.value.message


@pytest.fixture
def wrong_rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``wrong_rows(change)``: every writer writes what ``change`` makes of a batch with the row ``first``."""

    def install(first: int, change: Any) -> None:
        for kind in (
            parquet_write.PartWriter,
            delimited_write.DelimitedWriter,
            jsonlines_format.JsonLinesWriter,
        ):
            write = kind.write

            def wrong(self: Any, batch: pa.RecordBatch, write: Any = write) -> None:
                here = pa.compute.is_in(pa.scalar(first), batch["id"]).as_py()
                write(self, change(batch) if here else batch)

            monkeypatch.setattr(kind, "write", wrong)

    return install


def one_more(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(1, "value", pa.compute.add(batch["value"], 1.0))


@pytest.mark.parametrize("extension", FORMATS)
class TestBytes:
    """What a store does to the bytes is found wherever it is."""

    @pytest.mark.parametrize("corrupt", ["flip", "swap"])
    def test_a_byte_of_a_split_whose_values_nobody_compares(
        self, tmp_path: Path, extension: str, corrupt: str
    ) -> None:
        if (corrupt, extension) == ("swap", "csv.gz"):
            pytest.skip("the two bytes that change places are equal in the head of gzip")
        split = (sampled("r") + 1) % SPLITS
        options = {"corrupt": corrupt, "corrupt_split": str(split)}
        message = refused(f"hooked://{tmp_path}/out.{extension}", sink_options=options)
        assert message.startswith("out." + extension + ": the bytes from ")
        assert "are not those that were written" in message

    def test_a_byte_of_the_split_whose_values_are_compared(self, tmp_path: Path, extension: str) -> None:
        options = {"corrupt": "flip", "corrupt_split": str(sampled("r"))}
        assert f"out.{extension}" in refused(f"hooked://{tmp_path}/out.{extension}", sink_options=options)

    def test_blocks_in_another_order(self, tmp_path: Path, extension: str) -> None:
        message = refused(f"hooked://{tmp_path}/out.{extension}", sink_options={"corrupt": "order"})
        assert message.startswith(f"out.{extension}: the bytes from 0 on")

    def test_an_object_that_is_too_short(self, tmp_path: Path, extension: str) -> None:
        message = refused(f"hooked://{tmp_path}/out.{extension}", sink_options={"corrupt": "cut"})
        assert message.startswith(f"out.{extension} has ")

    def test_the_last_byte(self, tmp_path: Path, extension: str) -> None:
        """Of Parquet that is the footer, which no split has written."""
        message = refused(f"hooked://{tmp_path}/out.{extension}", sink_options={"corrupt": "tail"})
        assert message.startswith(f"out.{extension}: the bytes from ")

    def test_a_file_of_no_rows(self, tmp_path: Path, extension: str) -> None:
        pq.write_table(pa.table({"a": pa.array([], pa.int32())}), tmp_path / "in.parquet")
        target = f"hooked://{tmp_path}/to/out.{extension}"
        assert crossdock.copy(tmp_path / "in.parquet", target, map="a", verify=True).verified
        if extension == "jsonl":
            return
        with pytest.raises(crossdock.VerificationError):
            crossdock.copy(
                tmp_path / "in.parquet", target, map="a", verify=True, mode="overwrite",
                sink_options={"corrupt": "tail"},
            )  # fmt: skip


@pytest.mark.parametrize("extension", FORMATS)
class TestValues:
    """What a format makes of the values is found in the sample, and anywhere with ``full``."""

    def test_a_wrong_value_in_the_sample(self, tmp_path: Path, extension: str, wrong_rows: Any) -> None:
        wrong_rows(sampled("r") * ROWS // SPLITS, one_more)
        message = refused(tmp_path / f"out.{extension}")
        assert message == f"out.{extension}: the values that were read back differ from those written"

    def test_a_wrong_value_elsewhere_needs_full(
        self, tmp_path: Path, extension: str, wrong_rows: Any
    ) -> None:
        wrong_rows((sampled("r") + 1) % SPLITS * ROWS // SPLITS, one_more)
        assert copy(tmp_path / f"a.{extension}").verified
        assert refused(tmp_path / f"b.{extension}", verify="full", run_id="f").startswith("t0: the values")

    def test_a_missing_row_in_the_sample(self, tmp_path: Path, extension: str, wrong_rows: Any) -> None:
        wrong_rows(sampled("r") * ROWS // SPLITS, lambda batch: batch[1:])
        assert f"out.{extension}" in refused(tmp_path / f"out.{extension}")

    def test_what_was_compared(self, tmp_path: Path, extension: str) -> None:
        result = copy(tmp_path / f"a.{extension}")
        expected = {"bytes": "all", "values": "sample", "rows": ROWS // SPLITS, "splits": 1}
        assert result.output()["crossdock"]["verification"] == expected
        full = copy(tmp_path / f"b.{extension}", verify="full", run_id="f")
        assert full.output()["crossdock"]["verification"] == {"values": "all"}
        assert (tmp_path / f"a.{extension}").read_bytes() == (tmp_path / f"b.{extension}").read_bytes()

    def test_over_child_processes(self, tmp_path: Path, extension: str) -> None:
        result = crossdock.copy(
            "gilrows://here", tmp_path / f"out.{extension}", map="id,value", verify=True, run_id="r"
        )
        assert result.verification["splits"] == 1


def test_a_row_that_parquet_does_not_count(tmp_path: Path, wrong_rows: Any) -> None:
    """Of every split, for nothing."""
    split = (sampled("r") + 1) % SPLITS
    wrong_rows(split * ROWS // SPLITS, lambda batch: batch[1:])
    message = refused(tmp_path / "out.parquet")
    assert message.startswith(f"out.parquet: {ROWS // SPLITS - 1} rows were written for split {split}")


def test_a_footer_that_points_to_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes, rightly counted; but who reads the file gets other rows."""
    join = parquet_format.join
    split = sampled("r")

    def wrong(parts: list[Any]) -> bytes:
        if len(parts) < SPLITS:
            return join(parts)
        other = (split + 1) % SPLITS
        changed = list(parts)
        changed[split], changed[other] = changed[other], changed[split]
        return join(changed)

    monkeypatch.setattr(parquet_format, "join", wrong)
    assert "out.parquet" in refused(tmp_path / "out.parquet")


def test_a_part_of_large_splits(tmp_path: Path) -> None:
    """Of a unit of few splits only the first rows of one are decoded."""
    result = copy(tmp_path / "a.csv", source_options={"rows": "400000", "splits": "1", "batch": "10000"})
    assert result.verification["values"] == "sample"
    assert 25_000 <= result.verification["rows"] <= 60_000


def test_a_wrong_row_behind_a_part_of_a_split(tmp_path: Path, wrong_rows: Any) -> None:
    options = {"rows": "400000", "splits": "1", "batch": "10000"}
    wrong_rows(10_000, one_more)
    assert "a.csv" in refused(tmp_path / "a.csv", source_options=options)


def test_small_files(tmp_path: Path) -> None:
    """Some are decoded as a whole, and the first of them always is."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(100):
        pq.write_table(expected_rows(100), folder / f"{number:03}.parquet")
    result = crossdock.copy(folder, tmp_path / "out", sink_format="csv", map="id", verify=True)
    assert result.verification["values"] == "sample"
    assert 1 <= result.verification["splits"] <= 25
    assert result.verification["rows"] == 100 * result.verification["splits"]
    one = crossdock.copy(folder / "001.parquet", tmp_path / "one.csv", map="id", verify=True)
    assert one.verification == {"bytes": "all", "values": "all"}


def test_a_flipped_byte_in_one_of_many_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdock_connectors.stores.file_store import FileStore

    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        pq.write_table(expected_rows(100), folder / f"{number:03}.parquet")
    commit = FileStore.commit

    def flip(self: FileStore, upload: bytes, blocks: Any) -> None:
        commit(self, upload, blocks)
        path = tmp_path / "out" / "017.csv"
        if path.exists() and path.read_bytes().endswith(b"99\n"):
            path.write_bytes(path.read_bytes()[:-2] + b"8\n")

    monkeypatch.setattr(FileStore, "commit", flip)
    with pytest.raises(crossdock.VerificationError, match=r"^017\.csv: the bytes from 0 on"):
        crossdock.copy(folder, tmp_path / "out", sink_format="csv", map="id", verify=True)


@pytest.mark.parametrize("extension", FORMATS)
def test_a_resumed_run(tmp_path: Path, extension: str, source_record: Record) -> None:
    """The sample is the same, and what was carried before the break is not read again."""
    fail = {"fail": "batch:RuntimeError", "fail_split": str((sampled("r") + 1) % SPLITS), "fail_after": "5"}
    with pytest.raises(crossdock.InternalError):
        copy(tmp_path / f"out.{extension}", source_options=source_record.options | fail, parallel_copies=1)
    done = {event["split"] for event in source_record.events("read")}
    source_record.clear()
    result = api.resume("r")
    assert result.verification == {
        "bytes": "all", "values": "sample", "rows": ROWS // SPLITS, "splits": 1
    }  # fmt: skip
    again = {event["split"] for event in source_record.events("read")}
    assert len(done & again) <= 1
    assert done | again == set(range(SPLITS))


def test_a_wrong_value_from_before_the_break(tmp_path: Path, source_record: Record, wrong_rows: Any) -> None:
    run = next(f"r{n}" for n in range(100) if sampled(f"r{n}") == 2)
    wrong_rows(2 * ROWS // SPLITS, one_more)
    fail = {"fail": "batch:RuntimeError", "fail_split": "5"}
    options = source_record.options | fail
    with pytest.raises(crossdock.InternalError):
        copy(tmp_path / "out.parquet", source_options=options, parallel_copies=1, run_id=run)
    assert {event["split"] for event in source_record.events("read")} >= {2}
    source_record.clear()
    with pytest.raises(crossdock.VerificationError, match=r"out\.parquet: the values"):
        api.resume(run)
    assert 2 not in {event["split"] for event in source_record.events("read")}


class TestSample:
    def row(self, seq: int, size: int | None, name: str = "t") -> UnitRow:
        return UnitRow(seq, Unit(name, size), UnitState.PLANNED, None)

    @pytest.mark.parametrize("splits", [1, 2, 3, 7, 8, 15, 16, 17, 24, 25, 100, 1000])
    @pytest.mark.parametrize("size", [None, 1 << 30])
    def test_one_row_in_sixteen_of_a_large_unit(self, splits: int, size: int | None) -> None:
        for run in range(20):
            shares = [sampled_share(f"r{run}", self.row(5, size), splits, i) for i in range(splits)]
            assert sum(shares) / splits == pytest.approx(1 / 16, rel=0.35)
            assert any(shares)

    def test_one_in_sixteen_of_small_units(self) -> None:
        shares = [sampled_share("r", self.row(n, 1000, f"t{n}"), 1, 0) for n in range(1, 10_001)]
        assert shares[0] == 1
        assert sum(shares) == pytest.approx(10_000 / 16, rel=0.2)

    def test_another_run_takes_another_sample(self) -> None:
        chosen = {sampled(f"r{n}") for n in range(200)}
        assert chosen == set(range(SPLITS))


def test_what_is_asked_for_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(crossdock.ConfigError, match="verify='half' is not known"):
        copy(tmp_path / "a.csv", verify="half")
