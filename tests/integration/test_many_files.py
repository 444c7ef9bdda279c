"""Folders of many files: odd names, empty files, files that vanish or change while the copy goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from observing import Record, journals, left_behind

import crossdock
from crossdock import api
from crossdock.grouping import MOST
from crossdock.prepare import automatic_parallel

ODD_NAMES = [
    "with space",
    " leading and trailing ",
    "two\nlines",
    "tab\there",
    "-dash",
    "--overwrite",
    "żółw 龜 🐢",
    "e\u0301 decomposed",
    "é composed",
    "'quotes\"",
    "per%20cent%",
    "question?mark*star[1]",
    "hash#tag",
    "back\\slash",
    "$(echo hi) `hi` ;|&",
    ".hidden",
    "dot.",
    "..almost",
    "~home",
    "a=b,c=d",
    "x" * 255,
    "龜" * 85,
    "deep/" * 40 + "file",
]


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def thousands(source: Path) -> Path:
    """2,000 files in nested folders, every tenth of them empty."""
    for number in range(2000):
        folder = source / f"{number % 7}" / f"{number % 13}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.dat").write_bytes(b"%d," % number * (number % 10))
    return source


class TestThousands:
    def test_every_byte(self, thousands: Path, out: Path) -> None:
        result = crossdock.copy(thousands, out)
        assert files_in(out) == files_in(thousands)
        assert (result.files_read, result.files_written, result.exit_code) == (2000, 2000, 0)
        assert result.bytes_read == sum(map(len, files_in(thousands).values()))
        assert left_behind(out) == []

    def test_verified(self, thousands: Path, out: Path) -> None:
        result = crossdock.copy(thousands, out, verify=True, parallel_copies=4)
        assert result.verified
        assert len(files_in(out)) == 2000

    def test_through_this_process(self, thousands: Path, out: Path) -> None:
        crossdock.copy(thousands, f"hooked://{out}/", sink_options={"pull": "false"}, parallel_copies=8)
        assert files_in(out) == files_in(thousands)

    def test_killed_and_resumed(self, thousands: Path, out: Path, source_record: Record) -> None:
        options = source_record.options | {"fail": "read:kill", "fail_skip": "999"}
        code = (
            "import crossdock; crossdock.copy("
            f"'hooked://{thousands}/', {str(out)!r}, source_options={options!r}, run_id='r', "
            f"parallel_copies={automatic_parallel()})"
        )
        killed = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False, timeout=60)
        assert killed.returncode == -9
        before = {name: (out / name).stat().st_mtime_ns for name in files_in(out)}
        assert 400 < len([name for name in before if ".crossdock-" not in name]) <= 1000
        source_record.clear()
        result = api.resume("r")
        assert files_in(out) == files_in(thousands)
        # At most what was in flight is read again: a group, which all workers share, and one split for each.
        assert result.splits_skipped >= 999 - MOST - automatic_parallel()
        assert source_record.count("opened") <= 2000 - result.splits_skipped
        assert left_behind(out) == []

    def test_as_tables(self, source: Path, out: Path) -> None:
        for number in range(300):
            (source / f"{number}.csv").write_text("id\n" + "".join(f"{number}\n" * (number % 5)))
        result = crossdock.copy(source, out, sink_format="parquet")
        assert result.rows_copied == sum(number % 5 for number in range(300))
        assert len(files_in(out)) == 300
        for number in (0, 1, 299):
            assert pq.read_table(out / f"{number}.parquet").num_rows == number % 5


class TestOddNames:
    @pytest.mark.parametrize("pull", ["true", "false"])
    def test_all_in_one_folder(self, source: Path, out: Path, pull: str) -> None:
        fill(source, ODD_NAMES)
        result = crossdock.copy(source, f"hooked://{out}/", sink_options={"pull": pull}, verify=True)
        assert files_in(out) == files_in(source)
        assert result.files_written == len(ODD_NAMES)

    @pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
    def test_names_that_are_no_text(self, source: Path, out: Path) -> None:
        (source / os.fsdecode(b"latin-\xe9")).write_text("x")
        (source / "plain").write_text("y")
        crossdock.copy(source, out)
        assert files_in(out) == files_in(source)

    @pytest.mark.parametrize("name", [n for n in ODD_NAMES if "/" not in n and "*" not in n])
    def test_alone(self, source: Path, out: Path, name: str) -> None:
        fill(source, [name])
        crossdock.copy(source / name, out / name)
        assert (out / name).read_text() == f"content of {name}"

    def test_relative_names_that_look_like_options(
        self, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(source, ["-dash", "~home", "a:b"])
        monkeypatch.chdir(source)
        for name in ("-dash", "~home", "a:b"):
            crossdock.copy(name, f"copy of {name}")
            assert (source / f"copy of {name}").read_text() == f"content of {name}"

    def test_a_literal_bracket(self, source: Path, out: Path) -> None:
        fill(source, ["a[1].txt", "a1.txt"])
        crossdock.copy(f"{source}/a[[]1].txt", out)
        assert list(files_in(out)) == ["a[1].txt"]

    def test_staged_data_of_others_is_not_copied(self, source: Path, out: Path) -> None:
        fill(source, ["a", ".crossdock-run-hash.data", "sub/.crossdock-run-hash.parts/1.2"])
        crossdock.copy(source, out)
        assert list(files_in(out)) == ["a"]


class TestEmpty:
    def test_empty_files(self, source: Path, out: Path) -> None:
        for number in range(20):
            (source / f"{number}").touch()
        result = crossdock.copy(source, out, verify=True)
        assert files_in(out) == {f"{number}": b"" for number in range(20)}
        assert (result.files_written, result.bytes_written) == (20, 0)

    def test_empty_folders_are_not_files(self, source: Path, out: Path) -> None:
        (source / "empty").mkdir()
        fill(source, ["a"])
        crossdock.copy(source, out)
        assert [path.name for path in out.iterdir()] == ["a"]


class TestVanishing:
    """An object that was listed and is gone is skipped and named; the exit code says so."""

    def check(self, result: crossdock.CopyResult, names: list[str], out: Path) -> None:
        assert sorted(result.skipped) == sorted(names)
        assert (result.files_skipped, result.exit_code) == (len(names), 3)
        assert result.status == "Succeeded"
        assert result.output()["filesSkipped"] == len(names)
        assert result.output()["crossdock"]["skipped"] == result.skipped
        assert not set(names) & set(files_in(out))
        assert left_behind(out) == []

    @pytest.mark.parametrize("pull", ["true", "false"])
    def test_small_files(self, source: Path, out: Path, pull: str) -> None:
        fill(source, [f"{number:02}" for number in range(40)])
        result = crossdock.copy(
            f"hooked://{source}/",
            f"hooked://{out}/",
            source_options={"vanish": "03,17,39"},
            sink_options={"pull": pull},
        )
        self.check(result, ["03", "17", "39"], out)
        assert len(files_in(out)) == 37
        assert result.files_written == 37

    @pytest.mark.parametrize("pull", ["true", "false"])
    def test_a_large_file(self, source: Path, out: Path, pull: str) -> None:
        """One of many blocks, when some of it was carried already."""
        fill(source, ["a", "z"])
        (source / "large").write_bytes(bytes(1 << 20))
        result = crossdock.copy(
            f"hooked://{source}/",
            f"hooked://{out}/",
            source_options={"vanish": "large"},
            sink_options={"pull": pull},
            block_size="64KiB",
            parallel_copies=3,
        )
        self.check(result, ["large"], out)
        assert sorted(files_in(out)) == ["a", "z"]

    def test_tables(self, source: Path, out: Path) -> None:
        """Whether it is gone when its schema is asked for or when it is read."""
        for name in ("a", "b", "c"):
            (source / f"{name}.csv").write_text("id\n1\n")
        result = crossdock.copy(
            f"hooked://{source}/", out, sink_format="parquet", source_options={"vanish": "b.csv"}
        )
        self.check(result, ["b.csv"], out)
        assert sorted(files_in(out)) == ["a.parquet", "c.parquet"]

    def test_the_only_one(self, source: Path, out: Path, home: Path) -> None:
        """A copy of nothing is no copy."""
        fill(source, ["a"])
        with pytest.raises(crossdock.NotFoundError) as caught:
            crossdock.copy(f"hooked://{source}/a", out / "a", source_options={"vanish": "a"})
        assert (caught.value.side, caught.value.exit_code) == ("source", 2)
        assert files_in(out) == {}
        assert left_behind(out) == []
        assert journals(home) == []

    def test_after_it_was_verified_or_not(self, source: Path, out: Path) -> None:
        fill(source, ["a", "b"])
        result = crossdock.copy(f"hooked://{source}/", out, source_options={"vanish": "b"}, verify=True)
        self.check(result, ["b"], out)
        verification = result.output()["dataConsistencyVerification"]
        assert verification == {"VerificationResult": "Verified", "InconsistentData": "Skipped"}

    def test_a_file_that_another_takes_the_place_of(
        self, source: Path, out: Path, source_record: Record
    ) -> None:
        """That is not the file that was listed: the run ends and says so."""
        fill(source, ["a", "b"])
        fail = source_record.options | {"fail": "read:changed", "fail_unit": "b"}
        with pytest.raises(crossdock.SourceChangedError):
            crossdock.copy(f"hooked://{source}/", out, source_options=fail)
        assert left_behind(out) == []


def test_a_source_that_is_gone_is_no_reason_to_skip_all_of_it(tmp_path: Path) -> None:
    """An unmounted disk: the run stops, and goes on when the disk is back."""
    folder, away, out = tmp_path / "in", tmp_path / "away", tmp_path / "out"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02d}.bin").write_bytes(bytes([number]) * 100_000)
    cancel = threading.Event()
    with pytest.raises(crossdock.CancelledError) as stopped:
        crossdock.copy(
            folder,
            f"{out}/",
            bandwidth="1MB/s",
            progress=lambda at: at.units_done > 2 and cancel.set(),
            cancel=cancel,
        )
    run_id = stopped.value.run_id
    assert run_id is not None
    folder.rename(away)
    with pytest.raises(crossdock.TransientError, match="not there any more"):
        crossdock.resume(run_id)
    away.rename(folder)
    result = crossdock.resume(run_id)
    assert (result.files_written, result.files_skipped) == (20, 0)
    for number in range(20):
        assert (out / f"{number:02d}.bin").read_bytes() == bytes([number]) * 100_000
