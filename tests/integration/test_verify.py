"""``--verify``: a sink that writes something else is caught, where possible before anything is visible."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import Record, expected_rows, journals, left_behind, read_shelf

import crossdock
from crossdock import api

ROWS = 1000
WRITTEN = {"written": "t0", "read_back": ""}


class TestRows:
    @pytest.mark.parametrize("corrupt", ["value", "drop", "swap"])
    @pytest.mark.parametrize("splits", ["1", "8"])
    def test_before_the_commit(self, shelf: Path, home: Path, corrupt: str, splits: str) -> None:
        with pytest.raises(crossdock.VerificationError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options={"splits": splits},
                sink_options={"corrupt": corrupt},
                verify=True,
            )
        error = caught.value
        assert (error.exit_code, error.resumable) == (1, False)
        assert error.message.startswith("t0")
        assert list(shelf.rglob("*.*")) == [], "nothing wrong became visible, and nothing is left"
        assert journals(home) == []

    @pytest.mark.parametrize("corrupt", ["value", "drop", "swap"])
    @pytest.mark.parametrize("splits", ["1", "8"])
    def test_after_the_commit(self, shelf: Path, corrupt: str, splits: str) -> None:
        with pytest.raises(crossdock.VerificationError) as caught:
            crossdock.copy(
                "rows://here",
                f"lateshelf://{shelf}",
                source_options={"splits": splits},
                sink_options={"corrupt": corrupt},
                verify=True,
                run_id="r",
            )
        assert caught.value.exit_code == 1
        assert (shelf / "t0.json").exists(), "it can be known only when it is visible"
        assert api.show("r").state == "failed"

    def test_without_it_nobody_looks(self, shelf: Path) -> None:
        result = crossdock.copy("rows://here", f"shelf://{shelf}", sink_options={"corrupt": "value"})
        assert result.verified is None
        assert read_shelf(shelf) != expected_rows(ROWS)

    @pytest.mark.parametrize("sink", ["shelf", "lateshelf"])
    @pytest.mark.parametrize("splits", ["1", "8"])
    def test_a_copy_that_is_right(self, shelf: Path, sink: str, splits: str) -> None:
        result = crossdock.copy(
            "rows://here", f"{sink}://{shelf}", source_options={"splits": splits, "units": "3"}, verify=True
        )
        assert result.verified
        assert result.output()["dataConsistencyVerification"]["VerificationResult"] == "Verified"
        for number in range(3):
            assert read_shelf(shelf, f"t{number}") == expected_rows(ROWS)

    def test_one_unit_of_many(self, shelf: Path) -> None:
        with pytest.raises(crossdock.VerificationError, match="t1"):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options={"units": "3", "name": "t{}"},
                sink_options={"corrupt": "swap", "corrupt_unit": "t1"},
                verify=True,
            )
        assert not (shelf / "t1.json").exists()

    def test_rows_in_another_order_are_the_same_rows(self, tmp_path: Path) -> None:
        """Splits of a table have no order: the digest is that of a multiset."""
        crossdock.copy("rows://here", tmp_path / "a.parquet", source_options={"splits": "5"})
        table = pq.read_table(tmp_path / "a.parquet")
        pq.write_table(table.take(list(reversed(range(ROWS)))), tmp_path / "b.parquet")
        assert crossdock.copy(tmp_path / "b.parquet", tmp_path / "c.csv", verify=True).verified

    def test_a_sink_that_cannot_be_read(self, shelf: Path, home: Path) -> None:
        with pytest.raises(crossdock.NotSupportedError, match="blindshelf cannot be read back"):
            crossdock.copy("rows://here", f"blindshelf://{shelf}", verify=True)
        assert not shelf.exists()
        assert journals(home) == []

    @pytest.mark.parametrize("sink", ["shelf", "lateshelf"])
    def test_a_resumed_run(self, shelf: Path, source_record: Record, sink: str) -> None:
        """The digests of what was read before are in the journal."""
        fail = {"fail": "batch:RuntimeError", "fail_split": "5"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"{sink}://{shelf}",
                source_options=source_record.options | fail,
                verify=True,
                run_id="r",
            )
        result = api.resume("r")
        assert result.verified
        assert result.splits_skipped > 0
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_a_resumed_run_with_a_wrong_split(self, shelf: Path, source_record: Record) -> None:
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"},
                sink_options={"corrupt": "swap"},
                parallel_copies=1,
                verify=True,
                run_id="r",
            )
        with pytest.raises(crossdock.VerificationError):
            api.resume("r", sink_options={"corrupt": ""})
        assert not (shelf / "t0.json").exists()

    @pytest.mark.parametrize("splits", ["1", "8"])
    @pytest.mark.parametrize("where", ["written", "read_back"])
    def test_what_is_staged_gets_lost_while_it_is_read_back(
        self, shelf: Path, source_record: Record, sink_record: Record, where: str, splits: str
    ) -> None:
        """The unit is carried again, once, and the others are not."""
        result = crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options=source_record.options | {"units": "2", "splits": splits},
            sink_options=sink_record.options | {"fail": f"{where}:lost", "fail_unit": WRITTEN[where]},
            verify=True,
        )
        assert result.verified
        assert [read_shelf(shelf, f"t{n}") for n in range(2)] == [expected_rows(ROWS)] * 2
        reads = [event["unit"] for event in source_record.events("read")]
        assert sorted({reads.count("t0"), reads.count("t1")}) == [int(splits), 2 * int(splits)]

    def test_what_gets_lost_twice_ends_the_run(self, shelf: Path, sink_record: Record, home: Path) -> None:
        with pytest.raises(crossdock.StageLostError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                sink_options=sink_record.options | {"fail": "read_back:lost", "fail_times": "0"},
                verify=True,
            )
        assert list(shelf.rglob("*.*")) == []
        assert journals(home) == []

    def test_what_is_visible_cannot_be_carried_again(self, shelf: Path, sink_record: Record) -> None:
        with pytest.raises(crossdock.StageLostError):
            crossdock.copy(
                "rows://here",
                f"lateshelf://{shelf}",
                sink_options=sink_record.options | {"fail": "read_back:lost"},
                verify=True,
            )
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_what_is_written_after_mapping(self, tmp_path: Path) -> None:
        crossdock.copy("rows://here", tmp_path / "a.parquet", map="word=w,id", verify=True)
        expected = expected_rows(ROWS).select(["word", "id"]).rename_columns(["w", "id"])
        assert pq.read_table(tmp_path / "a.parquet") == expected

    def test_a_file_of_no_rows(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": pa.array([], pa.int32())}), tmp_path / "a.parquet")
        assert crossdock.copy(tmp_path / "a.parquet", tmp_path / "b.csv", verify=True).verified
        assert (tmp_path / "b.csv").read_text() == "a\n"


class TestFormats:
    """A store that breaks the bytes of a table is caught, too."""

    @pytest.mark.parametrize("sink", ["csv", "jsonl", "parquet"])
    @pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
    def test_a_copy_that_is_right(self, tmp_path: Path, source: str, sink: str) -> None:
        crossdock.copy("rows://here", tmp_path / f"a.{source}")
        result = crossdock.copy(tmp_path / f"a.{source}", tmp_path / f"b.{sink}", map="value,id", verify=True)
        assert (result.verified, result.payload) == (True, "tabular")

    def test_a_flipped_bit_in_a_csv_file(self, tmp_path: Path) -> None:
        with pytest.raises(crossdock.CrossdockError) as caught:
            crossdock.copy(
                "rows://here",
                f"hooked://{tmp_path}/out.csv",
                map="id",
                sink_options={"corrupt": "flip"},
                verify=True,
            )
        assert caught.value.exit_code in (1, 2)
        assert caught.value.side == "sink" or isinstance(caught.value, crossdock.VerificationError)


class TestBytes:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source.bin"
        path.write_bytes(Random(2).randbytes(300_000))
        return path

    @pytest.mark.parametrize("corrupt", ["flip", "swap"])
    @pytest.mark.parametrize("block", ["64KiB", "1MiB"])
    def test_a_wrong_byte(self, source: Path, tmp_path: Path, corrupt: str, block: str) -> None:
        with pytest.raises(crossdock.VerificationError) as caught:
            crossdock.copy(
                source,
                f"hooked://{tmp_path}/out/copy.bin",
                sink_options={"corrupt": corrupt, "pull": "false"},
                block_size=block,
                verify=True,
            )
        assert caught.value.exit_code == 1
        assert "the bytes from 0 on differ" in caught.value.message
        assert left_behind(tmp_path / "out") == []

    @pytest.mark.parametrize("watch", ["true", "false"])
    @pytest.mark.parametrize("pull", ["true", "false"])
    @pytest.mark.parametrize("block", ["64KiB", "4MiB"])
    def test_a_wrong_byte_in_what_is_there(self, tmp_path: Path, pull: str, watch: str, block: str) -> None:
        """However it came there; also behind the first piece of a range that is read in several."""
        source = tmp_path / "source.bin"
        source.write_bytes(Random(3).randbytes(2_500_000))
        with pytest.raises(
            crossdock.VerificationError, match=r"source\.bin: the bytes from [0-9,]+ on differ"
        ):
            crossdock.copy(
                source,
                f"hooked://{tmp_path}/out/copy.bin",
                sink_options={"corrupt": "tail", "pull": pull, "watch": watch},
                block_size=block,
                verify=True,
            )

    @pytest.mark.parametrize(("watch", "times"), [("true", 1), ("false", 2)])
    def test_how_often_the_source_is_read(
        self, source: Path, tmp_path: Path, source_record: Record, watch: str, times: int
    ) -> None:
        """Once where the store lets its bytes be seen, else once more."""
        result = crossdock.copy(
            f"hooked://{source}",
            f"hooked://{tmp_path}/out/copy.bin",
            source_options=source_record.options,
            sink_options={"watch": watch},
            block_size="100KB",
            verify=True,
        )
        assert result.verification == {"bytes": "all"}
        assert (tmp_path / "out/copy.bin").read_bytes() == source.read_bytes()
        assert source_record.count("opened") == times * result.splits_done == times * 3

    @pytest.mark.parametrize("pull", ["true", "false"])
    @pytest.mark.parametrize("block", ["64KiB", "1MiB"])
    def test_a_copy_that_is_right(self, source: Path, tmp_path: Path, pull: str, block: str) -> None:
        result = crossdock.copy(
            source,
            f"hooked://{tmp_path}/out/copy.bin",
            sink_options={"pull": pull},
            block_size=block,
            verify=True,
        )
        assert result.verified
        assert (tmp_path / "out/copy.bin").read_bytes() == source.read_bytes()

    def test_blocks_as_large_as_the_memory(self, source: Path, tmp_path: Path) -> None:
        """Reading for the digest does not wait for memory that the same split holds."""
        result = crossdock.copy(
            source, tmp_path / "copy.bin", block_size="64MiB", memory="128MiB", parallel_copies=8, verify=True
        )
        assert result.verified

    def test_many_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "many"
        folder.mkdir()
        for number in range(50):
            (folder / f"{number}").write_bytes(Random(number).randbytes(number * 100))
        assert crossdock.copy(folder, tmp_path / "out", verify=True).verified
        with pytest.raises(crossdock.VerificationError):
            crossdock.copy(
                folder,
                f"hooked://{tmp_path}/broken/",
                sink_options={"corrupt": "swap", "pull": "false"},
                verify=True,
            )
