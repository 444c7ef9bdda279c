"""Tables in files and between table connectors: every pair of formats, mapping, merging, limits."""

from __future__ import annotations

import csv
import gzip
import json
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from observing import Record, expected_rows, left_behind, read_shelf
from originals import ROWS, read

import crossdock
from crossdock import api
from crossdock.journal import Journal

FORMATS = ("csv", "csv.gz", "jsonl", "orc", "avro", "parquet")


class TestPairs:
    @pytest.mark.parametrize(("source", "sink"), [p for p in product(FORMATS, FORMATS) if p[0] != p[1]])
    def test_every_row(
        self, originals: Path, tmp_path: Path, table: pa.Table, source: str, sink: str
    ) -> None:
        result = crossdock.copy(originals / f"t.{source}", tmp_path / f"t.{sink}", parallel_copies=3)
        assert (result.payload, result.rows_read, result.rows_copied) == ("tabular", ROWS, ROWS)
        assert read(tmp_path / f"t.{sink}") == table
        assert left_behind(tmp_path) == []

    def test_what_the_extension_says_is_what_is_written(self, originals: Path, tmp_path: Path) -> None:
        crossdock.copy(originals / "t.parquet", tmp_path / "t.csv.gz")
        packed = gzip.decompress((tmp_path / "t.csv.gz").read_bytes())
        assert packed.startswith(b"id,word,ratio,flag\n")
        crossdock.copy(originals / "t.parquet", tmp_path / "t.tsv")
        assert (tmp_path / "t.tsv").read_bytes().startswith(b"id\tword\tratio\tflag\n")

    def test_a_format_by_name(self, originals: Path, tmp_path: Path, table: pa.Table) -> None:
        (tmp_path / "noname").write_bytes((originals / "t.csv").read_bytes())
        crossdock.copy(
            tmp_path / "noname", tmp_path / "other", source_format="delimited", sink_format="parquet"
        )
        assert pq.read_table(tmp_path / "other") == table

    def test_what_the_result_says(self, originals: Path, tmp_path: Path) -> None:
        source = originals / "t.csv"
        result = crossdock.copy(source, tmp_path / "t.parquet", parallel_copies=2)
        assert result.bytes_read == pytest.approx(source.stat().st_size, rel=0.01)
        assert result.bytes_written == pytest.approx((tmp_path / "t.parquet").stat().st_size, rel=0.05)
        assert (result.source.format, result.sink.format) == ("delimited", "parquet")
        output = json.loads(json.dumps(result.output()))
        assert (output["rowsRead"], output["rowsCopied"], output["rowsSkipped"]) == (ROWS, ROWS, 0)
        assert output["executionDetails"][0]["status"] == "Succeeded"

    def test_format_options_make_another_file_of_the_same_format(
        self, originals: Path, tmp_path: Path, table: pa.Table
    ) -> None:
        result = crossdock.copy(originals / "t.csv", tmp_path / "t.csv", sink_options={"delimiter": ";"})
        assert result.payload == "tabular"
        parse = pacsv.ParseOptions(delimiter=";", newlines_in_values=True)
        convert = pacsv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
        assert pacsv.read_csv(tmp_path / "t.csv", parse_options=parse, convert_options=convert) == table


class TestParallel:
    @pytest.mark.parametrize("parallel", [1, 2, 3, 5, 8])
    def test_the_same_rows_in_the_same_order(
        self, originals: Path, tmp_path: Path, table: pa.Table, parallel: int
    ) -> None:
        result = crossdock.copy(originals / "t.parquet", tmp_path / "t.csv", parallel_copies=parallel)
        assert read(tmp_path / "t.csv") == table
        assert 1 <= result.parallel_copies <= parallel

    def test_a_file_in_many_splits(self, tmp_path: Path) -> None:
        """The parts of a large file end up in its order, each row once."""
        rows = 400_000
        with (tmp_path / "large.csv").open("w") as out:
            out.write("id,text\n")
            out.writelines(f"{n},text number {n:09} of many\n" for n in range(rows))
        for parallel in (2, 8):
            result = crossdock.copy(
                tmp_path / "large.csv", tmp_path / f"{parallel}.parquet", parallel_copies=parallel
            )
            assert result.splits_done >= 3
        two, eight = pq.read_table(tmp_path / "2.parquet"), pq.read_table(tmp_path / "8.parquet")
        assert two["id"].to_pylist() == list(range(rows))
        assert two == eight == read(tmp_path / "large.csv")

    def test_workers_work_at_the_same_time(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options=source_record.options | {"slow": "0.01"},
            sink_options=sink_record.options,
            parallel_copies=4,
        )
        assert most_at_once(sink_record) == 4

    def test_not_more_than_the_sink_takes(self, shelf: Path, sink_record: Record) -> None:
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options={"slow": "0.005"},
            sink_options=sink_record.options | {"max_writers": "2"},
            parallel_copies=6,
        )
        assert most_at_once(sink_record) == 2
        assert read_shelf(shelf) == expected_rows(1000)

    @pytest.mark.parametrize("allowed", [1, 3])
    def test_not_more_splits_than_the_sink_takes(
        self, originals: Path, shelf: Path, table: pa.Table, sink_record: Record, allowed: int
    ) -> None:
        """Of a file and of a table."""
        large = "\n".join(["id,x", *(f"{n},{'x' * 100}" for n in range(200_000))])
        (shelf.parent / "large.csv").write_text(large)
        sink = sink_record.options | {"max_splits": str(allowed)}
        result = crossdock.copy(shelf.parent / "large.csv", f"shelf://{shelf}#t", sink_options=sink)
        assert result.splits_done == allowed
        assert read_shelf(shelf, "t")["id"].to_pylist() == list(range(200_000))
        result = crossdock.copy("rows://here", f"shelf://{shelf}", sink_options=sink)
        assert result.splits_done == allowed

    @pytest.mark.parametrize(("memory", "most"), [("128MiB", 1), ("256MiB", 2), ("2GiB", 4)])
    def test_not_more_than_the_memory_allows(
        self, shelf: Path, sink_record: Record, memory: str, most: int
    ) -> None:
        """A split takes 32 MiB to be read and what its writer says to be written."""
        result = crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options={"slow": "0.01"},
            sink_options=sink_record.options | {"memory": str(28 << 20)},
            parallel_copies=4,
            memory=memory,
        )
        assert most_at_once(sink_record) == most
        assert (result.seconds["budget"] > 0.05) == (most < 4)
        assert read_shelf(shelf) == expected_rows(1000)


@pytest.mark.parametrize("memory", ["64MiB", "127MiB", 1000])
def test_too_little_memory_is_refused(shelf: Path, home: Path, memory: int | str) -> None:
    with pytest.raises(
        crossdock.ConfigError, match=r"--memory .* is too little: a copy needs 128MiB at least"
    ):
        crossdock.copy("rows://here", f"shelf://{shelf}", memory=memory)
    assert not home.exists()
    assert not shelf.exists()


@pytest.mark.parametrize("verify", [False, True])
def test_a_sink_that_says_that_it_lost_rows(shelf: Path, home: Path, verify: bool) -> None:
    with pytest.raises(
        crossdock.InternalError, match=r"t0: the sink says that it has written 124 rows, and was given 125"
    ):
        crossdock.copy(
            "rows://here", f"shelf://{shelf}", sink_options={"corrupt": "lose"}, verify=verify, run_id="r"
        )
    assert not (shelf / "t0.json").exists()
    api.resume("r", sink_options={"corrupt": ""})
    assert read_shelf(shelf) == expected_rows(1000)


@pytest.mark.parametrize(("splits", "used"), [("1", 1), ("8", 3)])
def test_as_many_copies_as_worked_are_reported(shelf: Path, splits: str, used: int) -> None:
    options = {"splits": splits, "slow": "0.02"}
    result = crossdock.copy("rows://here", f"shelf://{shelf}", source_options=options, parallel_copies=3)
    assert result.output()["usedParallelCopies"] == used


def test_both_ends_are_closed_when_the_journal_cannot_be_written(
    shelf: Path, source_record: Record, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(journal: Journal, least: int = 1) -> int:
        raise crossdock.NoSpaceError("the disk of the journal is full")

    monkeypatch.setattr(Journal, "next_epoch", fail)
    with pytest.raises(crossdock.NoSpaceError):
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options=source_record.options,
            sink_options=sink_record.options,
        )
    # The sink was opened once more, when its address was looked at.
    assert (source_record.count("source closed"), sink_record.count("sink closed")) == (1, 2)


def most_at_once(record: Record) -> int:
    """The most splits that were being written at one time."""
    open_now = most = 0
    for event in record.events():
        open_now += {"writer": 1, "finished": -1, "aborted": -1}.get(event["event"], 0)
        most = max(most, open_now)
    return most


class TestMapping:
    def test_names_order_and_choice(self, originals: Path, tmp_path: Path, table: pa.Table) -> None:
        crossdock.copy(originals / "t.csv", tmp_path / "t.parquet", map="flag=ok,id,ratio=r")
        expected = table.select(["flag", "id", "ratio"]).rename_columns(["ok", "id", "r"])
        assert pq.read_table(tmp_path / "t.parquet") == expected

    def test_as_a_dictionary(self, originals: Path, tmp_path: Path, table: pa.Table) -> None:
        crossdock.copy(originals / "t.parquet", tmp_path / "t.jsonl", map={"word": "a,b", "id": "x=y"})
        assert read(tmp_path / "t.jsonl") == table.select(["word", "id"]).rename_columns(["a,b", "x=y"])

    def test_parquet_to_parquet(self, originals: Path, tmp_path: Path, table: pa.Table) -> None:
        """A mapped copy of one format is not a copy of bytes."""
        result = crossdock.copy(originals / "t.parquet", tmp_path / "t.parquet", map="id")
        assert result.payload == "tabular"
        assert pq.read_table(tmp_path / "t.parquet") == table.select(["id"])

    def test_between_tables(self, shelf: Path) -> None:
        crossdock.copy("rows://here", f"shelf://{shelf}", map="value=v,id")
        assert read_shelf(shelf) == expected_rows(1000).select(["value", "id"]).rename_columns(["v", "id"])


class TestModes:
    def test_append(self, shelf: Path) -> None:
        for _ in range(3):
            crossdock.copy("rows://here", f"shelf://{shelf}", mode="append")
        ids = read_shelf(shelf)["id"]
        assert pc.sum(ids).as_py() == 3 * sum(range(1000))
        assert len(ids) == 3000

    def test_overwrite(self, shelf: Path) -> None:
        crossdock.copy("rows://here", f"shelf://{shelf}")
        crossdock.copy("rows://here", f"shelf://{shelf}", mode="overwrite", source_options={"rows": "10"})
        assert read_shelf(shelf) == expected_rows(10)

    def test_error(self, shelf: Path) -> None:
        crossdock.copy("rows://here", f"shelf://{shelf}")
        with pytest.raises(crossdock.AlreadyExistsError, match="the table t0 exists already"):
            crossdock.copy("rows://here", f"shelf://{shelf}", source_options={"rows": "10"})
        assert read_shelf(shelf) == expected_rows(1000)


class TestEdges:
    def test_a_header_and_no_rows(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("x,y\n")
        result = crossdock.copy(tmp_path / "a.csv", tmp_path / "a.parquet")
        assert (result.rows_copied, result.exit_code) == (0, 0)
        assert pq.read_table(tmp_path / "a.parquet").column_names == ["x", "y"]

    def test_no_rows_from_a_table(self, tmp_path: Path) -> None:
        crossdock.copy("rows://here", tmp_path / "a.csv", source_options={"rows": "0"})
        assert (tmp_path / "a.csv").read_text() == "id,word,value\n"

    def test_types_that_csv_does_not_have(self, tmp_path: Path) -> None:
        table = pa.table({"a": pa.array([[1, 2], None]), "b": [{"c": 'x"'}, {"c": None}]})
        pq.write_table(table, tmp_path / "a.parquet")
        crossdock.copy(tmp_path / "a.parquet", tmp_path / "a.csv", verify=True)
        rows = [("a", "b"), ("[1,2]", '{"c":"x\\""}'), ("", '{"c":null}')]
        with (tmp_path / "a.csv").open(newline="") as file:
            assert [tuple(row) for row in csv.reader(file)] == rows

    def test_types_that_csv_does_not_have_either(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": pa.array([1], pa.duration("s"))}), tmp_path / "a.parquet")
        with pytest.raises(crossdock.SchemaMismatchError):
            crossdock.copy(tmp_path / "a.parquet", tmp_path / "a.csv")
        assert not (tmp_path / "a.csv").exists()
        crossdock.copy(tmp_path / "a.parquet", tmp_path / "a.csv", map="a:string")
        assert (tmp_path / "a.csv").read_text() == 'a\n"00:00:01"\n'

    def test_bandwidth_counts_rows_too(self, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from crossdock.limits import Throttle

        booked: list[int] = []

        def delay(self: Throttle, amount: int) -> float:
            booked.append(amount)
            return 0.0

        monkeypatch.setattr(Throttle, "delay", delay)
        result = crossdock.copy("rows://here", f"shelf://{shelf}", bandwidth="1kB/s")
        assert len(booked) == 1000 // 25
        assert sum(booked) == result.bytes_read > 0
