"""A full disk, a read-only one, one without inodes: one sentence, nothing left behind, and a resume later."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from fault_bench import Bench
from fault_payloads import (
    CsvToParquet,
    CsvToSqlite,
    ManyBinary,
    ManyCsvToParquet,
    OneBinary,
    Payload,
    leftovers,
)

MOUNT, UMOUNT = which("mount") or "", which("umount") or ""


class SmallDisk:
    """A file system in memory, of a size that can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=64m", "tmpfs")

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(
            [MOUNT, *arguments, str(self.path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")

    def resize(self, size: str, inodes: int = 100_000) -> None:
        self._mount("-o", f"remount,rw,size={size},nr_inodes={inodes}")

    def read_only(self) -> None:
        self._mount("-o", "remount,ro")

    def end(self) -> None:
        subprocess.run([UMOUNT, "--lazy", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if not (MOUNT and UMOUNT) or os.geteuid():
        pytest.skip("only root may mount a small disk")
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.end()


@pytest.mark.parametrize(
    ("kind", "size"), [(OneBinary, "1m"), (ManyBinary, "700k"), (CsvToParquet, "100k"), (CsvToSqlite, "300k")]
)
def test_the_sink_is_full(bench: Bench, disk: SmallDisk, kind: type[Payload], size: str) -> None:
    payload = _onto(disk, kind, bench.folder)
    disk.resize(size)
    ended = bench.copy(payload)
    assert (ended.code, ended.answer.get("error")) == (1, "NoSpace"), ended
    assert ended.answer["resumable"] is True
    assert ended.errors == "ready\n"
    assert leftovers(bench.folder) == []
    assert not payload.visible()
    assert bench.resume(smallest_split=payload.smallest_split).answer["error"] == "NoSpace"
    disk.resize("64m")
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


def _onto(disk: SmallDisk, kind: type[Payload], folder: Path) -> Payload:
    """A payload whose sink is the small disk."""
    (folder / "to").symlink_to(disk.path, target_is_directory=True)
    # Payloads that prepare their sink make the folder first.
    return kind(folder)


def test_the_sink_has_no_inodes_left(bench: Bench, disk: SmallDisk) -> None:
    payload = _onto(disk, ManyBinary, bench.folder)
    disk.resize("64m", inodes=200)
    ended = bench.copy(payload)
    assert (ended.code, ended.answer.get("error")) == (1, "NoSpace"), ended
    assert leftovers(bench.folder) == []
    disk.resize("64m")
    ended = bench.resume()
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        (OneBinary, "torn.copy_range:before:10"),
        (ManyBinary, "torn.copy_range:before:200"),
        (CsvToParquet, "torn.write_at:before:4"),
        (CsvToParquet, "os.ftruncate:before:1"),
        # Between the two steps of a commit: the target has its name already.
        (OneBinary, "os.replace:before:1"),
        (CsvToParquet, "os.replace:before:1"),
    ],
)
def test_half_of_a_step_finds_room(bench: Bench, kind: type[Payload], point: str) -> None:
    payload = kind(bench.folder)
    ended = bench.copy(payload, fail=point)
    assert (ended.code, ended.answer.get("error")) == (1, "NoSpace"), ended
    assert leftovers(bench.folder) == []
    assert not payload.visible()
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


@pytest.mark.parametrize("kind", [ManyBinary, ManyCsvToParquet])
def test_the_sink_is_full_while_a_group_is_committed(bench: Bench, kind: type[Payload]) -> None:
    """Some of the group are visible already: to carry these again would fail, for they exist."""
    payload = kind(bench.folder)
    ended = bench.copy(payload, fail="os.link:before:8")
    assert (ended.code, ended.answer.get("error")) == (1, "NoSpace"), ended
    assert leftovers(bench.folder) == []
    payload.visible()
    seen = sum(path.is_file() for path in Path(payload.sink).rglob("*"))
    assert seen
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    assert ended.answer["skipped"] == ended.answer["done"] - len(ended.carried) == seen
    payload.check()


def test_the_sink_becomes_read_only(bench: Bench, disk: SmallDisk) -> None:
    payload = _onto(disk, OneBinary, bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:5").killed
    disk.read_only()
    ended = bench.resume()
    assert (ended.code, ended.answer.get("error")) == (2, "AccessDenied"), ended
    assert "read-only" in ended.answer["message"]
    assert ended.answer["resumable"] is True
    disk.resize("64m")
    ended = bench.resume()
    assert len(ended.answer["carried"]) == 64 - 5
    payload.check()


@pytest.mark.parametrize("size", ["4k", "16k", "48k", "72k", "100k", "200k"])
def test_the_disk_of_the_journals_is_full(bench: Bench, disk: SmallDisk, size: str) -> None:
    payload = ManyBinary(bench.folder)
    bench.home.symlink_to(disk.path, target_is_directory=True)
    disk.resize(size)
    ended = bench.copy(payload)
    assert (ended.code, ended.answer.get("error")) == (1, "NoSpace"), ended
    assert "journal" in ended.answer["message"]
    assert "CROSSDOCK_HOME" in ended.answer["message"]
    payload.visible()
    begun = bench.state()
    if not begun:
        assert list((disk.path / "runs").iterdir()) == []
    disk.resize("64m")
    ended = bench.resume() if begun else bench.copy(payload)
    assert ended.answer.get("status") == "Succeeded", (begun, ended)
    payload.check()


def test_the_command_says_it_in_one_sentence(tmp_path: Path, disk: SmallDisk) -> None:
    (tmp_path / "from.bin").write_bytes(bytes(3 << 20))
    disk.resize("1m")
    command = [sys.executable, "-m", "crossdock", "copy", "from.bin", "disk/to.bin", "--run-id", "full"]
    environment = os.environ | {"CROSSDOCK_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == f"crossdock: {disk.path}/to.bin cannot be written: no space is left on the disk"
    assert second == "resume with: crossdock runs resume full"
    assert list(disk.path.iterdir()) == []


def test_a_folder_for_journals_that_cannot_be(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    bench.home.write_text("a file")
    ended = bench.copy(payload)
    assert (ended.code, ended.answer.get("error")) == (2, "AccessDenied"), ended
    assert os.strerror(errno.ENOTDIR) in ended.answer["message"]
    assert not Path(payload.sink).exists()
