"""Byte for byte: blocks, folders, modes, and what a copy says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from observing import Record, journals, left_behind

import crossdock
from crossdock import api
from crossdock.limits import Throttle


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of a few blocks and a bit."""
    path = tmp_path / "source.bin"
    path.write_bytes(Random(3).randbytes(1_000_003))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class TestOneFile:
    def test_what_the_result_says(self, source: Path, out: Path) -> None:
        result = crossdock.copy(source, out / "copy.bin", block_size="64KiB", parallel_copies=4)
        assert (out / "copy.bin").read_bytes() == source.read_bytes()
        assert (result.status, result.payload, result.exit_code) == ("Succeeded", "binary", 0)
        assert (result.bytes_read, result.bytes_written) == (1_000_003, 1_000_003)
        assert (result.files_read, result.files_written, result.splits_done) == (1, 1, 16)
        assert (result.rows_read, result.rows_copied) == (None, None)
        assert (result.source.connector, result.sink.connector) == ("file", "file")
        output = json.loads(json.dumps(result.output()))
        assert output["dataRead"] == output["dataWritten"] == 1_000_003
        assert 1 <= output["usedParallelCopies"] <= 4
        assert "rowsCopied" not in output
        assert left_behind(out) == []

    @pytest.mark.parametrize("parallel", [1, 2, 3, 8])
    @pytest.mark.parametrize("pull", ["true", "false"])
    def test_any_number_of_workers(self, source: Path, out: Path, parallel: int, pull: str) -> None:
        result = crossdock.copy(
            source,
            f"hooked://{out}/copy.bin",
            sink_options={"pull": pull},
            block_size=65_537,
            parallel_copies=parallel,
        )
        assert (out / "copy.bin").read_bytes() == source.read_bytes()
        assert 1 <= result.parallel_copies <= parallel

    @pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64, 1000])
    def test_sizes_about_a_block(self, tmp_path: Path, out: Path, size: int, sink_record: Record) -> None:
        """An empty file is a file, and the last block may be of any size."""
        data = bytes(n % 251 for n in range(size))
        (tmp_path / "a").write_bytes(data)
        crossdock.copy(
            tmp_path / "a",
            f"hooked://{out}/b",
            sink_options=sink_record.options | {"pull": "false"},
            block_size="16B",
        )
        assert (out / "b").read_bytes() == data
        lengths = [event["length"] for event in sink_record.events("written")]
        assert sum(lengths) == size
        assert all(length <= 16 for length in lengths)
        assert len(lengths) == -(-size // 16)

    def test_a_store_that_takes_few_blocks(self, source: Path, out: Path, sink_record: Record) -> None:
        """They get larger, up to what the store takes."""
        sink = sink_record.options | {"pull": "false"}
        crossdock.copy(source, f"fewblocks://{out}/a", sink_options=sink, block_size="64KiB", verify=True)
        assert (out / "a").read_bytes() == source.read_bytes()
        lengths = [event["length"] for event in sink_record.events("written")]
        assert sorted(lengths) == [250_000] + [250_001] * 3
        with (out / "large").open("wb") as large:
            large.truncate((4 << 20) + 1)
        with pytest.raises(crossdock.NotSupportedError, match="at most 4 blocks of 1,048,576 bytes"):
            crossdock.copy(out / "large", f"fewblocks://{out}/b")
        assert not (out / "b").exists()

    def test_a_file_of_holes(self, tmp_path: Path, out: Path) -> None:
        with (tmp_path / "sparse").open("wb") as file:
            file.seek(3 << 20)
            file.write(b"end")
        crossdock.copy(tmp_path / "sparse", out / "sparse", block_size="256KiB")
        assert (out / "sparse").read_bytes() == bytes(3 << 20) + b"end"

    def test_a_name_into_a_folder(self, source: Path, out: Path) -> None:
        out.mkdir()
        crossdock.copy(source, out)
        crossdock.copy(source, f"{out}/new/")
        assert (out / "source.bin").read_bytes() == source.read_bytes()
        assert (out / "new/source.bin").read_bytes() == source.read_bytes()

    def test_addresses(self, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A path, a relative path and a URL mean the same file."""
        monkeypatch.chdir(source.parent)
        crossdock.copy("source.bin", "a")
        crossdock.copy(source.as_uri(), (out / "b c#d").as_uri())
        crossdock.copy("./source.bin", "out/../out/e")
        for path in (source.parent / "a", out / "b c#d", out / "e"):
            assert path.read_bytes() == source.read_bytes()

    def test_the_same_format_is_copied_as_it_is(self, tmp_path: Path, out: Path) -> None:
        """Even what no parser would accept."""
        (tmp_path / "odd.csv").write_bytes(b'a,b\n1,2,3\n"\xff')
        result = crossdock.copy(tmp_path / "odd.csv", out / "odd.csv")
        assert result.payload == "binary"
        assert (out / "odd.csv").read_bytes() == b'a,b\n1,2,3\n"\xff'

    def test_any_format_as_bytes(self, tmp_path: Path, out: Path) -> None:
        (tmp_path / "a.csv").write_bytes(b"no table")
        crossdock.copy(tmp_path / "a.csv", out / "b.parquet", source_format="binary", sink_format="binary")
        assert (out / "b.parquet").read_bytes() == b"no table"

    def test_a_source_that_changes_meanwhile(self, source: Path, out: Path, source_record: Record) -> None:
        error = {"fail": "read:changed", "fail_skip": "3"}
        with pytest.raises(crossdock.SourceChangedError) as caught:
            crossdock.copy(
                f"hooked://{source}",
                out / "copy.bin",
                source_options=source_record.options | error,
                block_size="64KiB",
            )
        assert (caught.value.side, caught.value.exit_code) == ("source", 1)
        assert not out.exists()


class TestModes:
    def test_error_leaves_what_is_there(self, source: Path, out: Path, home: Path) -> None:
        out.mkdir()
        (out / "copy.bin").write_text("mine")
        with pytest.raises(crossdock.AlreadyExistsError, match=r"copy\.bin exists already"):
            crossdock.copy(source, out / "copy.bin")
        assert (out / "copy.bin").read_text() == "mine"
        assert left_behind(out) == []
        assert journals(home) == []

    def test_error_also_when_it_appears_meanwhile(self, source: Path, out: Path, sink_record: Record) -> None:
        """The check before the copy is not the last word."""

        def watch(snapshot: crossdock.Snapshot) -> None:
            if snapshot.bytes_done and not (out / "copy.bin").exists():
                (out / "copy.bin").write_text("mine")

        with pytest.raises(crossdock.AlreadyExistsError) as caught:
            crossdock.copy(source, out / "copy.bin", block_size="64KiB", bandwidth="2MB/s", progress=watch)
        assert (caught.value.side, caught.value.exit_code) == ("sink", 2)
        assert (out / "copy.bin").read_text() == "mine"
        assert left_behind(out) == []

    def test_overwrite(self, source: Path, out: Path) -> None:
        out.mkdir()
        (out / "copy.bin").write_text("old")
        crossdock.copy(source, out / "copy.bin", mode="overwrite")
        assert (out / "copy.bin").read_bytes() == source.read_bytes()

    def test_overwrite_shows_the_old_or_the_new(self, source: Path, out: Path) -> None:
        out.mkdir()
        (out / "copy.bin").write_text("old")
        seen: set[int] = set()

        def watch(snapshot: crossdock.Snapshot) -> None:
            seen.add((out / "copy.bin").stat().st_size)

        crossdock.copy(
            source,
            out / "copy.bin",
            mode="overwrite",
            block_size="64KiB",
            bandwidth="3MB/s",
            progress=watch,
        )
        assert 3 in seen
        assert seen <= {3, 1_000_003}

    def test_append_is_refused(self, source: Path, out: Path, home: Path) -> None:
        with pytest.raises(crossdock.NotSupportedError, match="cannot be appended to"):
            crossdock.copy(source, out / "copy.bin", mode="append")
        assert not out.exists()
        assert journals(home) == []


class TestFolders:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        root = tmp_path / "tree"
        for name in ("a.txt", "b.csv", "sub/c.txt", "sub/deep/d.txt", "z/e.csv"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"this is {name}")
        return root

    def names(self, folder: Path) -> list[str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            assert path.read_text() == f"this is {path.relative_to(folder)}"
        return [str(path.relative_to(folder)) for path in files]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("", ["a.txt", "b.csv", "sub/c.txt", "sub/deep/d.txt", "z/e.csv"]),
            ("/", ["a.txt", "b.csv", "sub/c.txt", "sub/deep/d.txt", "z/e.csv"]),
            ("/*.txt", ["a.txt"]),
            ("/**/*.txt", ["a.txt", "sub/c.txt", "sub/deep/d.txt"]),
            ("/*/*.txt", ["sub/c.txt"]),
            ("/[az]*", ["a.txt"]),
            ("/sub*/**", ["sub/c.txt", "sub/deep/d.txt"]),
            ("/?.csv", ["b.csv"]),
        ],
    )
    def test_wildcards(self, tree: Path, out: Path, pattern: str, expected: list[str]) -> None:
        result = crossdock.copy(f"{tree}{pattern}", out)
        assert self.names(out) == expected
        assert result.files_written == len(expected)

    def test_one_that_exists_stops_all(self, tree: Path, out: Path, home: Path) -> None:
        (out / "sub").mkdir(parents=True)
        (out / "sub/c.txt").write_text("mine")
        with pytest.raises(crossdock.AlreadyExistsError, match=r"sub/c\.txt"):
            crossdock.copy(tree, out)
        assert [path.name for path in out.rglob("*")] == ["sub", "c.txt"]
        assert journals(home) == []

    def test_overwrite_keeps_what_is_not_copied(self, tree: Path, out: Path) -> None:
        (out / "sub").mkdir(parents=True)
        (out / "sub/c.txt").write_text("old")
        (out / "other").write_text("this is other")
        crossdock.copy(tree, out, mode="overwrite")
        assert "other" in self.names(out)

    def test_a_link_out_of_the_folder_is_left_out(self, tree: Path, out: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (tree / "link").symlink_to(tmp_path / "secret")
        crossdock.copy(tree, out)
        assert "link" not in self.names(out)


class TestOptions:
    def test_a_dry_run_changes_nothing(self, source: Path, out: Path, home: Path) -> None:
        result = crossdock.copy(source, out / "copy.bin", dry_run=True)
        assert (result.status, result.bytes_read, result.splits_done) == ("Planned", 0, 0)
        assert not out.exists()
        assert journals(home) == []
        assert api.runs() == []

    def test_a_dry_run_refuses_what_the_copy_would(self, source: Path, out: Path) -> None:
        out.mkdir()
        (out / "copy.bin").touch()
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy(source, out / "copy.bin", dry_run=True)

    def test_bandwidth(self, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every byte is booked, and the waits add up to what the rate asks for."""
        waits: list[float] = []
        book = Throttle.delay

        def delay(self: Throttle, amount: int) -> float:
            waits.append(book(self, amount))
            return waits[-1]

        monkeypatch.setattr(Throttle, "delay", delay)
        result = crossdock.copy(
            source, out / "copy.bin", block_size="100kB", bandwidth="4MB/s", parallel_copies=1
        )
        assert len(waits) == 11
        assert result.seconds["throttle"] >= 0.1  # a quarter of a second, less the burst that passes
        assert (out / "copy.bin").read_bytes() == source.read_bytes()

    def test_progress(self, source: Path, out: Path) -> None:
        seen: list[crossdock.Snapshot] = []
        crossdock.copy(source, out / "copy.bin", block_size="64KiB", bandwidth="3MB/s", progress=seen.append)
        assert seen[-1].phase == "done"
        assert (seen[-1].units_done, seen[-1].units_total) == (1, 1)
        assert (seen[-1].bytes_done, seen[-1].bytes_total) == (1_000_003, 1_000_003)
        done = [snapshot.bytes_done for snapshot in seen]
        assert done == sorted(done)
        assert any(0 < count < 1_000_003 for count in done)

    def test_a_progress_display_that_fails(self, source: Path, out: Path) -> None:
        """It is no reason to stop copying."""
        shown: list[int] = []

        def broken(snapshot: crossdock.Snapshot) -> None:
            shown.append(1)
            raise RuntimeError("no terminal")

        result = crossdock.copy(source, out / "copy.bin", bandwidth="3MB/s", progress=broken)
        assert result.status == "Succeeded"
        assert (out / "copy.bin").read_bytes() == source.read_bytes()
        assert len(shown) == 1, "it is not asked again"


class TestRuns:
    def test_ids(self, source: Path, out: Path) -> None:
        first = crossdock.copy(source, out / "1")
        second = crossdock.copy(source, out / "2", run_id="my-run.2")
        third = crossdock.copy(source, out / "3")
        assert second.run_id == "my-run.2"
        assert len({first.run_id, third.run_id}) == 2
        assert {run.run_id for run in api.runs()} == {first.run_id, "my-run.2", third.run_id}
        assert [run.created for run in api.runs()] == sorted((r.created for r in api.runs()), reverse=True)

    def test_show(self, source: Path, out: Path) -> None:
        crossdock.copy(source, out / "copy.bin", block_size="64KiB", run_id="r")
        run = api.show("r")
        assert (run.state, run.error) == ("succeeded", "")
        assert (run.source, run.sink) == (str(source), str(out / "copy.bin"))
        assert (run.units_done, run.units_total, run.splits_done, run.splits_total) == (1, 1, 16, 16)
        assert run.bytes_done == 1_000_003
        assert run.output is not None
        assert run.output["dataRead"] == 1_000_003

    def test_forget_a_run_that_succeeded(self, source: Path, out: Path, home: Path) -> None:
        crossdock.copy(source, out / "copy.bin", run_id="r")
        api.forget("r")
        assert journals(home) == []
        assert (out / "copy.bin").exists()

    def test_another_home(self, source: Path, out: Path, tmp_path: Path, home: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        crossdock.copy(source, out / "copy.bin", run_id="r", home=elsewhere)
        assert [run.run_id for run in api.runs(elsewhere)] == ["r"]
        assert api.show("r", elsewhere).state == "succeeded"
        assert journals(home) == []
        api.forget("r", elsewhere)
        assert api.runs(elsewhere) == []

    def test_journals_are_private(self, source: Path, out: Path, home: Path) -> None:
        crossdock.copy(source, out / "copy.bin")
        assert (home / "runs").stat().st_mode & 0o077 == 0
