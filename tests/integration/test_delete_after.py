"""``delete_files_after_completion``: only what was copied and verified is deleted, whatever happens."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from observing import Record

import crossdock
from crossdock import api

DELETE = {"delete_files_after_completion": "true"}


def fill(folder: Path, count: int = 6, size: int = 100) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    for n in range(count):
        (folder / f"f{n}").write_bytes(bytes([n % 256]) * size)
    return files_in(folder)


def files_in(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".crossdock-"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("block", ["16B", "1MiB"])
def test_what_was_copied_is_gone(source: Path, out: Path, verify: bool, block: str) -> None:
    content = fill(source)
    result = crossdock.copy(
        source, f"hooked://{out}", source_options=DELETE, verify=verify, block_size=block, parallel_copies=3
    )
    assert files_in(out) == content
    assert files_in(source) == {}
    assert result.notes == []


def test_one_file_and_merged_files(source: Path, out: Path) -> None:
    content = fill(source)
    crossdock.copy(source / "f5", out / "x", source_options=DELETE)
    assert sorted(files_in(source)) == ["f0", "f1", "f2", "f3", "f4"]
    (source / "empty").touch()
    merge = {"copy_behavior": "MergeFiles"}
    crossdock.copy(source, out / "all.bin", source_options=DELETE, sink_options=merge, verify=True)
    assert files_in(source) == {}
    assert files_in(out) == {"x": content["f5"], "all.bin": b"".join(content[f"f{n}"] for n in range(5))}


def test_only_what_was_chosen(source: Path, out: Path) -> None:
    fill(source)
    crossdock.copy(f"{source}/f[12]", out, source_options=DELETE)
    assert sorted(files_in(out)) == ["f1", "f2"]
    assert sorted(files_in(source)) == ["f0", "f3", "f4", "f5"]


@pytest.mark.parametrize("sink", ["out/", "out", "out/all.bin"])
@pytest.mark.parametrize("below", ["", "/f*"])
def test_a_folder_that_is_empty_by_now(source: Path, out: Path, sink: str, below: str) -> None:
    """Who moves files every hour must not fail in the hour in which nothing came."""
    source.mkdir()
    behavior = {"copy_behavior": "MergeFiles" if sink.endswith(".bin") else "PreserveHierarchy"}
    result = crossdock.copy(
        f"{source}{below}", f"{out.parent}/{sink}", source_options=DELETE, sink_options=behavior
    )
    assert (result.status, result.files_read, result.files_written) == ("Succeeded", 0, 0)
    assert not out.exists()
    with pytest.raises(crossdock.NotFoundError, match="no file matches"):
        crossdock.copy(f"{source}{below}", out)
    source.rmdir()
    with pytest.raises(crossdock.NotFoundError):
        crossdock.copy(f"{source}{below}", out, source_options=DELETE)


@pytest.mark.parametrize("gone", ["f3", "*"])
def test_the_last_one_vanishes(source: Path, out: Path, source_record: Record, gone: str) -> None:
    """That the folder is empty then is this run's own doing, unless the folder itself is gone."""
    content = fill(source, 4)
    options = (
        DELETE | source_record.options | {"fail": "read:RuntimeError", "fail_skip": "3", "pull": "false"}
    )
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(f"hooked://{source}", out, source_options=options, parallel_copies=1, run_id="r")
    assert sorted(files_in(source)) == ["f3"]
    (source / "f3").unlink()
    if gone == "*":
        source.rmdir()
        with pytest.raises(crossdock.TransientError, match="not there any more"):
            api.resume("r")
        source.mkdir()
    result = api.resume("r")
    assert result.skipped == ["f3"]
    del content["f3"]
    assert files_in(out) == content


def test_links_into_the_folder(source: Path, out: Path) -> None:
    """What a link led to may have gone with an earlier file: the link is skipped, and the run ends."""
    content = fill(source, 2)
    (source / "link").symlink_to("f0")
    result = crossdock.copy(source, out, source_options=DELETE, parallel_copies=1)
    assert files_in(out).items() >= content.items()
    assert files_in(source) == {}
    assert result.files_skipped == len(result.skipped) == 3 - len(files_in(out))


def test_never_where_the_copy_is_wrong(source: Path, out: Path) -> None:
    content = fill(source, 1)
    options = {"corrupt": "flip", "pull": "false"}
    with pytest.raises(crossdock.VerificationError):
        crossdock.copy(source, f"hooked://{out}", source_options=DELETE, sink_options=options, verify=True)
    assert files_in(source) == content


def test_never_where_a_target_exists(source: Path, out: Path) -> None:
    content = fill(source)
    fill(out, 1)
    with pytest.raises(crossdock.AlreadyExistsError):
        crossdock.copy(source, out, source_options=DELETE)
    assert files_in(source) == content


def test_a_rehearsal_deletes_nothing(source: Path, out: Path) -> None:
    content = fill(source)
    crossdock.copy(source, out, source_options=DELETE, dry_run=True)
    assert files_in(source) == content


def test_a_file_onto_itself_is_kept(source: Path) -> None:
    content = fill(source, 2)
    result = crossdock.copy(source, source, source_options=DELETE, mode="overwrite")
    assert files_in(source) == content
    assert len(result.notes) == 2


def test_tables_refuse_it(source: Path, out: Path) -> None:
    source.mkdir()
    (source / "a.csv").write_text("id\n1\n")
    with pytest.raises(crossdock.ConfigError, match="binary copy"):
        crossdock.copy(source, out, sink_format="parquet", source_options=DELETE)
    assert (source / "a.csv").exists()


def changes_at_commit(source: Path, out: Path, sink_record: Record, change: str) -> crossdock.CopyResult:
    """The first file changes between its copy and its deletion: the commit of the last one fails first."""
    options = sink_record.options | {"fail": "commit:RuntimeError", "pull": "false"}
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(source, f"hooked://{out}", source_options=DELETE, sink_options=options, run_id="r")
    if change == "write":
        (source / "f0").write_bytes(b"new content")
    else:
        (source / "f0").unlink()
    return api.resume("r")


def test_what_changed_since_is_kept(source: Path, out: Path, sink_record: Record) -> None:
    content = fill(source, 1)
    result = changes_at_commit(source, out, sink_record, "write")
    assert files_in(out) == content
    assert files_in(source) == {"f0": b"new content"}
    assert result.notes == ["f0 changed after it was copied; it was not deleted"]


def test_what_is_gone_already_is_fine(source: Path, out: Path, sink_record: Record) -> None:
    content = fill(source, 1)
    result = changes_at_commit(source, out, sink_record, "remove")
    assert files_in(out) == content
    assert result.notes == []


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_stopped_about_a_deletion(
    source: Path, out: Path, verify: bool, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file that has since come under the name of one that was deleted is nobody's to delete."""
    from crossdock_connectors.stores.file_store import FileStore

    content = fill(source, 4)
    delete, calls = FileStore.delete, []

    def fails(store: FileStore, path: str) -> None:
        calls.append(path)
        if when == "after":
            delete(store, path)
        if len(calls) == 2:
            raise RuntimeError("stopped")
        if when == "before":
            delete(store, path)

    monkeypatch.setattr(FileStore, "delete", fails)
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(source, out, source_options=DELETE, verify=verify, parallel_copies=1, run_id="r")
    monkeypatch.setattr(FileStore, "delete", delete)
    assert files_in(source).items() < content.items()
    (source / calls[1]).write_bytes(b"newcomer")
    result = api.resume("r")
    assert files_in(out) == content
    assert files_in(source) == {calls[1]: b"newcomer"}
    assert result.notes == [f"{calls[1]} changed after it was copied; it was not deleted"]


def test_a_verified_unit_is_not_verified_again(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source is gone, and its copy may have been moved on by whoever waited for it."""
    from crossdock_connectors.stores.file_store import FileStore

    fill(source, 1, 1000)
    delete = FileStore.delete

    def fails(store: FileStore, path: str) -> None:
        delete(store, path)
        raise RuntimeError("stopped")

    monkeypatch.setattr(FileStore, "delete", fails)
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(f"{source}/f0", out / "x", source_options=DELETE, verify=True, run_id="r")
    monkeypatch.setattr(FileStore, "delete", delete)
    (out / "x").rename(out / "moved on")
    assert api.resume("r").status == "Succeeded"
    assert files_in(source) == {}


def test_killed_at_any_moment(source: Path, out: Path) -> None:
    """At every moment each file is whole at the source or at the sink; in the end at the sink only."""
    content = fill(source, 400, 20_000)
    options = {"source_options": DELETE, "verify": True, "parallel_copies": 2, "run_id": "r"}
    code = f"import crossdock; crossdock.copy({str(source)!r}, {str(out)!r}, **{options!r})"
    for goal in (20, 130, 270):
        child = subprocess.Popen([sys.executable, "-c", code])
        while child.poll() is None and len(list(out.glob("f*"))) < goal:
            time.sleep(0.002)
        child.kill()
        child.wait()
        left, arrived = files_in(source), files_in(out)
        assert left.items() <= content.items()
        assert arrived.items() <= content.items()
        assert {**left, **arrived} == content
        assert api.show("r").state == "interrupted"
        code = "from crossdock import api; api.resume('r')"
    api.resume("r")
    assert files_in(out) == content
    assert files_in(source) == {}
