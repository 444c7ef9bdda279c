"""The local file store: staging, exactly one commit, abort."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest
from file_samples import OVER, RUN, hidden, known, paths, put, write

from crossdock import (
    AlreadyExistsError,
    Block,
    ConfigError,
    InternalError,
    NotSupportedError,
    StageLostError,
    UploadRequest,
)
from crossdock_connectors.stores import file_upload
from crossdock_connectors.stores.file_store import FileStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> FileStore:
    return FileStore(str(root))


def test_nothing_is_visible_before_commit(store: FileStore, root: Path) -> None:
    upload = store.open_upload("deep/er/a", RUN)
    blocks = known(3, 4)
    for block, data in reversed([*zip(blocks, (b"abc", b"defg"), strict=True)]):
        store.write_block(upload, block, memoryview(data))
        store.write_block(upload, block, memoryview(data))
    assert paths(store) == []
    assert not (root / "deep").exists()
    FileStore(str(root)).commit(upload, blocks)
    assert paths(store) == ["deep/er/a"]
    assert (root / "deep/er/a").read_bytes() == b"abcdefg"
    store.abort(upload)
    store.abort(upload)
    assert not hidden(root)
    assert (root / "deep/er/a").read_bytes() == b"abcdefg"


def parts_upload(store: FileStore, request: UploadRequest = RUN) -> tuple[bytes, list[Block], bytes]:
    """Three splits without offsets; the second has a failed first attempt and a longer second part."""
    upload = store.open_upload("p", request)
    store.write_block(upload, Block(1, 1, 0, 0, 50), memoryview(b"z" * 50))
    blocks = [Block(0, 1, 0, 0, 3), Block(0, 1, 1, 3, 2), Block(1, 2, 0, 0, 4), Block(2, 1, 0, 0, 1)]
    write(store, upload, blocks, b"abcdefghij")
    # More than the receipts say: an attempt that was killed while it wrote its third block.
    store.write_block(upload, Block(0, 1, 2, 5, 9), memoryview(b"?" * 9))
    return upload, blocks, b"abcdefghij"


def test_parts_are_joined_in_order(store: FileStore, root: Path) -> None:
    upload, blocks, expected = parts_upload(store)
    store.commit(upload, blocks)
    assert (root / "p").read_bytes() == expected
    store.abort(upload)
    assert [p.name for p in root.iterdir()] == ["p"]


def test_a_single_part_is_cut_to_its_receipt(store: FileStore, root: Path) -> None:
    upload = store.open_upload("p", RUN)
    for at in (5, 0):
        store.write_block(upload, Block(0, 3, at, at, 5), memoryview(b"right" if at == 0 else b"wrong"))
    store.commit(upload, [Block(0, 3, 0, 0, 5)])
    assert (root / "p").read_bytes() == b"right"


@pytest.mark.parametrize("request_", [RUN, OVER], ids=["new", "overwrite"])
@pytest.mark.parametrize("killed_at", range(8))
def test_a_commit_killed_anywhere_can_be_repeated(
    store: FileStore, root: Path, monkeypatch, killed_at: int, request_: UploadRequest
) -> None:
    """Each system call of the commit in turn is the last one."""
    calls = itertools.count()

    class Killed(BaseException):
        pass

    def dying(real):
        def call(*args, **kwargs):
            if next(calls) == killed_at:
                raise Killed
            return real(*args, **kwargs)

        return call

    upload, blocks, expected = parts_upload(store, request_)
    if request_.overwrite:
        (root / "p").write_bytes(b"old")
    with monkeypatch.context() as patch:
        for name in ("link", "replace", "ftruncate", "copy_file_range", "open"):
            patch.setattr(os, name, dying(getattr(os, name)))
        try:
            store.commit(upload, blocks)
        except Killed:
            assert not (root / "p").exists() or (root / "p").read_bytes() in (b"old", expected)
        else:
            assert killed_at >= 6
    other = FileStore(str(root))
    other.commit(upload, blocks)
    assert (root / "p").read_bytes() == expected
    other.abort(upload)
    assert [p.name for p in root.iterdir()] == ["p"]


@pytest.mark.parametrize("request_", [RUN, OVER], ids=["new", "overwrite"])
def test_a_second_commit_leaves_a_later_change_alone(
    store: FileStore, root: Path, request_: UploadRequest
) -> None:
    upload = put(store, "a", b"ours", request_)
    (root / "b").write_bytes(b"theirs")
    os.replace(root / "b", root / "a")
    store.commit(upload, known(4))
    assert (root / "a").read_bytes() == b"theirs"


@pytest.mark.parametrize("request_", [RUN, OVER], ids=["new", "overwrite"])
def test_a_tail_written_again_after_commit_changes_nothing(
    store: FileStore, root: Path, request_: UploadRequest
) -> None:
    upload = store.open_upload("a", request_)
    tail = Block(0, 1, 0, 0, 4)
    for _ in range(2):
        FileStore(str(root)).write_block(upload, tail, memoryview(b"tail"))
        FileStore(str(root)).commit(upload, [tail])
        if (root / "a").read_bytes() == b"tail":
            (root / "b").write_bytes(b"theirs")
            os.replace(root / "b", root / "a")
    assert (root / "a").read_bytes() == b"theirs"


def test_somebody_elses_target_is_not_replaced(store: FileStore, root: Path) -> None:
    upload = store.open_upload("a", RUN)
    write(store, upload, known(4), b"ours")
    (root / "a").write_bytes(b"theirs")
    for _ in range(2):
        with pytest.raises(AlreadyExistsError):
            store.commit(upload, known(4))
    store.abort(upload)
    assert (root / "a").read_bytes() == b"theirs"
    assert not hidden(root)


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_systems_without_hard_links(store: FileStore, root: Path, monkeypatch, overwrite: bool) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    request = UploadRequest("r", overwrite)
    upload = put(store, "a", b"first", request)
    (root / "a").write_bytes(b"theirs")
    store.commit(upload, known(5))
    assert (root / "a").read_bytes() == b"theirs"
    store.abort(upload)
    if not overwrite:
        with pytest.raises(AlreadyExistsError):
            put(store, "a", b"second", UploadRequest("r2"))
        store.abort(store.open_upload("a", UploadRequest("r2")))
    assert not hidden(root)


def test_empty_objects(store: FileStore, root: Path) -> None:
    put(store, "a", b"")
    assert (root / "a").read_bytes() == b""


def test_lost_stage_is_noticed(store: FileStore, root: Path) -> None:
    upload = store.open_upload("a", UploadRequest("run-1", size=6))
    write(store, upload, known(3, 3)[:1], b"abc")
    for name in hidden(root):
        (root / name).unlink()
    with pytest.raises(StageLostError):
        write(store, upload, known(3, 3)[1:], b"def")
    with pytest.raises(StageLostError):
        store.commit(upload, known(3, 3))
    (root / "a").write_bytes(b"older")
    with pytest.raises(StageLostError):
        store.commit(upload, known(3, 3))


def test_lost_or_short_parts_are_noticed(store: FileStore, root: Path) -> None:
    upload, blocks, _ = parts_upload(store)
    [folder] = root.glob(".crossdock-*.parts")
    (folder / "1.2").write_bytes(b"efg")
    with pytest.raises(StageLostError, match="too short"):
        store.commit(upload, blocks)
    (folder / "1.2").unlink()
    with pytest.raises(StageLostError, match="missing"):
        store.commit(upload, blocks)
    with pytest.raises(StageLostError):
        store.write_block(upload, Block(1, 2, 1, 4, 1), memoryview(b"x"))
    (folder / "0.1").write_bytes(b"abc")
    with pytest.raises(StageLostError, match="3 of 5 bytes"):
        store.commit(upload, blocks)
    assert not (root / "p").exists()


def test_a_restart_of_the_machine_loses_what_was_not_forced_to_disk(root: Path, monkeypatch) -> None:
    if not file_upload.boot_id():
        pytest.skip("this system does not name its boots")
    plain, forced = FileStore(str(root)), FileStore(str(root), sync=True)
    uploads = {store: store.open_upload(name, RUN) for store, name in ((plain, "a"), (forced, "b"))}
    for store, upload in uploads.items():
        write(store, upload, known(2), b"ok")
    committed = put(plain, "c", b"ok")
    monkeypatch.setattr(file_upload, "boot_id", lambda: "another")
    with pytest.raises(StageLostError, match="restarted"):
        plain.commit(uploads[plain], known(2))
    forced.commit(uploads[forced], known(2))
    plain.commit(committed, known(2))
    assert (root / "b").read_bytes() == b"ok"
    assert not (root / "a").exists()


def test_sync_forces_data_names_and_folders(root: Path, monkeypatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))[1]
    )
    store = FileStore(str(root), sync=True)
    upload = store.open_upload("new/a", RUN)
    assert synced == [str(root)]
    write(store, upload, known(2), b"ok")
    assert synced[1].endswith(".data")
    store.commit(upload, known(2))
    assert synced[2:] == [str(root / "new"), str(root), str(root.parent)]


@pytest.mark.parametrize("layout", ["offsets", "parts"])
def test_abort_leaves_nothing_and_spares_the_neighbours(tmp_path: Path, layout: str) -> None:
    store = FileStore(str(tmp_path / "made" / "for us"))
    mine, other = store.open_upload("x/y/a", RUN), store.open_upload("x/y/b", RUN)
    blocks = known(2) if layout == "offsets" else [Block(0, 1, 0, 0, 2)]
    for upload in (mine, other):
        write(store, upload, blocks, b"ok")
    store.abort(mine)
    store.commit(other, blocks)
    store.abort(other)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()] == ["made/for us/x/y/b"]
    store.delete("x/y/b")
    store.delete("x/y/b")
    later = FileStore(str(tmp_path / "made" / "for us"))
    later.abort(later.open_upload("x/y/c", RUN))
    assert (tmp_path / "made/for us/x/y").is_dir()


def test_abort_where_a_file_took_the_folders_place(store: FileStore, root: Path) -> None:
    """A store of objects may have both ``a`` and ``a/b``, of which only one can be a file here."""
    below = store.open_upload("a/b", RUN)
    store.abort(put(store, "a", b"content"))
    blocks = known(3)
    store.write_block(below, blocks[0], memoryview(b"abc"))
    with pytest.raises(ConfigError, match="needs a folder where there is a file"):
        store.commit(below, blocks)
    store.abort(below)
    assert not hidden(root)
    assert (root / "a").read_bytes() == b"content"


@pytest.mark.parametrize("path", ["x" * 256, "new/" + "x" * 256, "x" * 256 + "/a", "é" * 128])
def test_a_name_that_is_too_long(store: FileStore, root: Path, path: str) -> None:
    """It is refused before the data is there, though the folder is made only with it."""
    for call in (store.stat, lambda path: store.open_upload(path, RUN)):
        with pytest.raises(ConfigError, match="too long for this file system"):
            call(path)
    assert not root.exists()


def test_abort_where_the_name_is_too_long(store: FileStore, root: Path) -> None:
    """As a journal of before may have it."""
    upload = store.open_upload("a", RUN)
    store.write_block(upload, known(3)[0], memoryview(b"abc"))
    store.abort(upload.replace(bytes(root / "a"), bytes(root / ("x" * 256))))
    assert not hidden(root)


def test_abort_removes_the_folders_that_were_made(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "made" / "for us"))
    upload = store.open_upload("x/a", RUN)
    write(store, upload, known(2), b"ok")
    store.abort(upload)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StageLostError):
        store.write_block(upload, known(2)[0], memoryview(b"ok"))
    assert list(tmp_path.iterdir()) == []


def test_aborts_race(store: FileStore, root: Path) -> None:
    uploads = [store.open_upload(f"d/{i}", RUN) for i in range(30)]
    for upload in uploads:
        write(store, upload, [Block(s, 1, 0, 0, 1) for s in range(3)], b"abc")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for upload in uploads:
                FileStore(str(root)).abort(upload)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not root.exists()


def test_two_runs_do_not_meet(store: FileStore, root: Path) -> None:
    one, two = (store.open_upload("a", UploadRequest(run, overwrite=True)) for run in ("r1", "r2"))
    write(store, one, known(3), b"one")
    write(store, two, known(3), b"two")
    store.commit(two, known(3))
    store.abort(two)
    store.commit(one, known(3))
    store.abort(one)
    assert (root / "a").read_bytes() == b"one"
    assert not hidden(root)


def test_the_umask_decides_about_permissions(store: FileStore, root: Path) -> None:
    old = os.umask(0o027)
    try:
        put(store, "d/a", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / "d/a").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750


def test_handles_and_blocks_that_make_no_sense(store: FileStore) -> None:
    upload = store.open_upload("a", RUN)
    with pytest.raises(ConfigError, match="another version"):
        store.commit(b"9" + upload[1:], [])
    with pytest.raises(InternalError):
        store.write_block(upload, known(3)[0], memoryview(b"four"))
    write(store, upload, known(3, 3), b"abcdef")
    with pytest.raises(InternalError, match="gap"):
        store.commit(upload, known(3, 3)[1:])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets blocks aside without a sign of it")
def test_the_blocks_of_a_large_file_are_set_aside(store: FileStore, root: Path) -> None:
    size = 64 << 20
    store.open_upload("large", UploadRequest("r1", size=size))
    (staged,) = hidden(root)
    found = (root / staged).stat()
    assert found.st_size == 0
    assert found.st_blocks * 512 >= size


def test_a_file_that_is_too_large_is_refused_only_when_it_is_written(store: FileStore, root: Path) -> None:
    upload = store.open_upload("vast", UploadRequest("r1", size=1 << 60))
    store.write_block(upload, Block(0, 1, 0, 0, 3, 0), memoryview(b"abc"))
    store.commit(upload, [Block(0, 1, 0, 0, 3, 0)])
    assert (root / "vast").read_bytes() == b"abc"


def test_a_socket_is_not_a_file(store: FileStore, root: Path, monkeypatch) -> None:
    root.mkdir()
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert paths(store) == []
        with pytest.raises(NotSupportedError, match="socket"):
            store.stat("s")
