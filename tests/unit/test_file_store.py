"""The local file store beyond what the contract kit checks: names, links, staging, exactly one commit."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Block,
    ConfigError,
    InternalError,
    Location,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    ShortReadError,
    SourceChangedError,
    StageLostError,
    TransientError,
    UploadRequest,
)
from crossdock_connectors.stores import file_bytes, file_upload
from crossdock_connectors.stores.file import SPEC, FileConfig, FileStore
from crossdock_connectors.stores.file_errors import classify, fault

RUN = UploadRequest("run-1")
OVER = UploadRequest("run-1", overwrite=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> FileStore:
    return FileStore(str(root))


def known(*lengths: int) -> list[Block]:
    starts = itertools.accumulate(lengths, initial=0)
    return [
        Block(i, 1, 0, 0, length, at) for i, (length, at) in enumerate(zip(lengths, starts, strict=False))
    ]


def write(store: FileStore, upload: bytes, blocks: list[Block], data: bytes) -> None:
    at = 0
    for block in blocks:
        store.write_block(upload, block, memoryview(data)[at : at + block.length])
        at += block.length


def put(store: FileStore, path: str, data: bytes, request: UploadRequest = RUN) -> bytes:
    upload = store.open_upload(path, request)
    blocks = known(len(data)) if data else []
    write(store, upload, blocks, data)
    store.commit(upload, blocks)
    return upload


def hidden(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if ".crossdock-" in str(p))


def paths(store: FileStore, prefix: str = "", after: str | None = None) -> list[str]:
    return [info.path for page in store.list(prefix, after) for info in page]


def plant(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


NAMES = [
    "plain.txt",
    "with space",
    "-rf",
    "new\nline",
    "täb\tü",
    "emoji 🚢.csv",
    "x" * 255,
    "a'\"b;$(c)",
    "...",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back(store: FileStore, root: Path, name: str) -> None:
    store.abort(put(store, f"sub/{name}", b"cargo"))
    assert (root / "sub" / name).read_bytes() == b"cargo"
    [info] = [info for page in store.list() for info in page]
    assert info.path == f"sub/{name}"
    with store.open_read(info.path, info) as reader:
        buffer = bytearray(10)
        assert reader.read_into(2, memoryview(buffer)) == 3
        assert buffer[:3] == b"rgo"
    assert not hidden(root)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "nul\0",
        "esc\x1b[2J",
        ".crossdock-r/x",
    ],
)
def test_paths_that_leave_the_root_are_refused(store: FileStore, root: Path, path: str) -> None:
    for call in (
        lambda: store.stat(path),
        lambda: store.open_read(path),
        lambda: store.open_upload(path, RUN),
        lambda: store.delete(path),
    ):
        with pytest.raises(ConfigError):
            call()
    assert not root.exists()


@pytest.mark.parametrize("prefix", ["../", "/", "a/../b", "a//"])
def test_prefixes_that_leave_the_root_are_refused(store: FileStore, prefix: str) -> None:
    with pytest.raises(ConfigError):
        paths(store, prefix)


def test_a_run_id_names_a_file(store: FileStore) -> None:
    with pytest.raises(ConfigError, match="run id"):
        store.open_upload("a", UploadRequest("../../up"))


def test_urls() -> None:
    with pytest.raises(ConfigError, match="three slashes"):
        SPEC.open_store(FileConfig(), Location.parse("file://data/x"))  # type: ignore[misc]
    store = SPEC.open_store(FileConfig(), Location.parse("file:///no/such%20place"))  # type: ignore[misc]
    assert paths(store) == []  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="/no/such place/a does not exist"):
        store.stat("a")


# --- listing


def test_order_is_that_of_whole_paths(store: FileStore, root: Path) -> None:
    names = ["a/b", "a.txt", "a-b/c", "a/b.d/e", "a/b/c", "A", "ä/1", "z", "🚢", "\uffee"]
    names.remove("a/b")  # a file and a folder cannot share a name
    plant(root, *names)
    assert paths(store) == sorted(names, key=str.encode)


@pytest.mark.parametrize("size", [3, 20_000, 45_001])
def test_pages_and_large_folders(store: FileStore, root: Path, size: int) -> None:
    root.mkdir()
    names = [f"f{i * 7919 % size:06}-é" for i in range(size)]
    for name in names:
        os.close(os.open(root / name, os.O_CREAT | os.O_WRONLY))
    pages = list(store.list())
    assert [info.path for page in pages for info in page] == sorted(names)
    assert max(map(len, pages)) <= 1000
    cut = sorted(names)[size // 2]
    assert paths(store, after=cut) == sorted(names)[size // 2 + 1 :]


def test_listing_goes_on_behind_any_path(store: FileStore, root: Path) -> None:
    plant(root, "a", "b/1", "b/2/x", "b/2.y", "b0", "c/1/2/3", "d")
    everything = paths(store)
    for cut in ["", *everything, "b/", "b/2/", "c/1/2/4", "0", "e"]:
        assert paths(store, after=cut) == [path for path in everything if path > cut]


def test_prefix_is_a_part_of_the_text(store: FileStore, root: Path) -> None:
    plant(root, "sub/x", "subway", "sub/y/z", "other/x")
    for prefix in ["", "s", "sub", "sub/", "sub/y", "sub/y/z", "subw", "none/", "subway/"]:
        assert paths(store, prefix) == [
            p for p in ("other/x", "sub/x", "sub/y/z", "subway") if p.startswith(prefix)
        ]


def test_only_folders_that_can_match_are_entered(store: FileStore, root: Path) -> None:
    plant(root, "a/1", "b/1", "c/1")
    (root / "b").chmod(0)
    try:
        assert paths(store, "a/") == ["a/1"]
        assert paths(store, after="b/9") == ["c/1"]
        if os.getuid():
            with pytest.raises(AccessDeniedError, match="/b may not be accessed"):
                paths(store)
    finally:
        (root / "b").chmod(0o755)


def test_links_inside_are_followed_and_links_outside_are_not(
    store: FileStore, root: Path, tmp_path: Path
) -> None:
    plant(root, "in/1", "in/deep/2")
    plant(tmp_path, "secret/3")
    (root / "to-in").symlink_to(root / "in")
    (root / "to-file").symlink_to("in/1")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "out-file").symlink_to(tmp_path / "secret/3")
    (root / "dangling").symlink_to("nothing")
    (root / "in/deep/up").symlink_to(root)
    (root / "self").symlink_to("self")
    assert paths(store) == ["in/1", "in/deep/2", "to-file", "to-in/1", "to-in/deep/2"]
    assert paths(store, "out/") == []
    for path in ("out/3", "out-file"):
        for call in (store.stat, store.open_read):
            with pytest.raises(ConfigError, match="through a symbolic link"):
                call(path)
    for change in (store.delete, lambda path: store.open_upload(path, OVER)):
        with pytest.raises(ConfigError, match="through a symbolic link"):
            change("out/3")
    assert (tmp_path / "secret/3").read_bytes() == b"secret/3"


def test_what_is_not_a_file_is_not_listed_nor_opened(store: FileStore, root: Path) -> None:
    root.mkdir()
    os.mkfifo(root / "pipe")
    plant(root, "folder/x")
    assert paths(store) == ["folder/x"]
    with pytest.raises(NotSupportedError):
        store.open_read("pipe")
    with pytest.raises(NotFoundError, match="is a folder"):
        store.stat("folder")
    with pytest.raises(NotFoundError, match="does not exist"):
        store.open_read("folder/x/y")
    assert store.is_folder("folder")
    assert store.is_folder("folder/")
    assert not store.is_folder("folder/x")


# --- reading


def opened(store: FileStore, root: Path, data: bytes = b"0123456789"):
    root.mkdir(exist_ok=True)
    (root / "a").write_bytes(data)
    return store.open_read("a", store.stat("a"))


def test_a_version_is_pinned(store: FileStore, root: Path) -> None:
    plant(root, "a")
    info = store.stat("a")
    (root / "b").write_bytes(b"a")
    os.replace(root / "b", root / "a")
    with pytest.raises(SourceChangedError):
        store.open_read("a", info)


@pytest.mark.parametrize("change", ["truncate", "append", "rewrite"])
def test_a_file_that_changes_under_the_reader_is_an_error(store: FileStore, root: Path, change: str) -> None:
    with opened(store, root) as reader:
        buffer = memoryview(bytearray(5))
        assert reader.read_into(0, buffer) == 5
        if change == "truncate":
            os.truncate(root / "a", 5)
        else:
            with open(root / "a", "r+b" if change == "rewrite" else "ab") as file:
                file.write(b"x")
            os.utime(root / "a", ns=(1, 1))
        with pytest.raises(SourceChangedError):
            reader.read_into(5, buffer)


def test_a_replaced_file_is_read_to_its_end(store: FileStore, root: Path) -> None:
    with opened(store, root) as reader:
        put(store, "a", b"new", OVER)
        buffer = bytearray(10)
        assert reader.read_into(0, memoryview(buffer)) == 10
        assert buffer == b"0123456789"


def test_an_early_end_is_never_a_short_success(store: FileStore, root: Path, monkeypatch) -> None:
    with opened(store, root) as reader:
        real = os.preadv
        monkeypatch.setattr(
            os, "preadv", lambda fd, buffers, at: real(fd, [buffers[0][:3]], at) if at < 6 else 0
        )
        buffer = memoryview(bytearray(10))
        with pytest.raises(ShortReadError, match="after 6 of 10 bytes"):
            reader.read_into(0, buffer)
        assert reader.read_into(0, buffer[:4]) == 4


def test_end_of_object(store: FileStore, root: Path) -> None:
    with opened(store, root) as reader:
        buffer = memoryview(bytearray(8))
        assert reader.read_into(6, buffer) == 4
        assert reader.read_into(10, buffer) == 0
        reader.close()


def test_readers_are_safe_between_threads_without_preadv(store: FileStore, root: Path, monkeypatch) -> None:
    monkeypatch.delattr(os, "preadv")
    monkeypatch.delattr(os, "pwrite")
    data = os.urandom(200_000)
    with opened(store, root, data) as reader:
        out = bytearray(len(data))

        def part(start: int) -> None:
            for at in range(start, len(data), 4000):
                reader.read_into(at, memoryview(out)[at : at + 1000])

        threads = [threading.Thread(target=part, args=(i * 1000,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert out == data
    put(store, "b", data)
    assert (root / "b").read_bytes() == data


# --- uploads


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


# --- errors


def test_folders_and_files_in_each_others_place(store: FileStore, root: Path) -> None:
    plant(root, "file", "folder/x")
    with pytest.raises(ConfigError, match="file/a needs a folder where there is a file"):
        store.open_upload("file/a", RUN)
    with pytest.raises(AlreadyExistsError, match="folder exists already"):
        put(store, "folder", b"x")
    with pytest.raises(ConfigError, match="folder is a folder where a file is needed"):
        put(store, "folder", b"x", OVER)
    late = store.open_upload("soon/a", RUN)
    (root / "soon").write_bytes(b"")
    with pytest.raises(ConfigError, match="needs a folder"):
        store.commit(late, [])
    with pytest.raises(ConfigError, match="too long"):
        put(store, "n" * 256, b"x")


@pytest.mark.skipif(os.getuid() == 0, reason="root may do anything")
def test_permissions(store: FileStore, root: Path) -> None:
    plant(root, "a")
    (root / "a").chmod(0)
    root.chmod(0o500)
    try:
        with pytest.raises(AccessDeniedError, match="/a may not"):
            store.open_read("a")
        with pytest.raises(AccessDeniedError, match="/b may not"):
            store.open_upload("b", RUN)
    finally:
        root.chmod(0o700)


def test_a_full_disk(store: FileStore) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no device that is always full")
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space") as caught:
            os.write(fd, b"x")
    finally:
        os.close(fd)
    error = fault(caught.value, "out/a")
    assert isinstance(error, NoSpaceError)
    assert error.message == "out/a cannot be written: no space is left on the disk"


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_system_error_becomes_one_sentence(number: int) -> None:
    error = classify(OSError(number, os.strerror(number), "data/a.csv"))
    assert error is not None
    assert error.message.startswith("data/a.csv ")
    assert "\n" not in error.message


def test_other_errors_are_left_alone() -> None:
    assert classify(ValueError("x")) is None
    assert isinstance(classify(OSError(errno.EIO, "I/O error")), TransientError)


# --- copies within the kernel


@pytest.mark.parametrize("kernel", ["copies", "refuses", "stops early"])
@pytest.mark.parametrize("layout", ["offsets", "parts"])
def test_copy_block(tmp_path: Path, monkeypatch, kernel: str, layout: str) -> None:
    store, data = FileStore(str(tmp_path / "to")), os.urandom(3_000_000)
    (tmp_path / "from").mkdir()
    (tmp_path / "from/src").write_bytes(data)
    source = FileStore(str(tmp_path / "from"))
    if kernel != "copies":
        real = os.copy_file_range

        def other(src: int, dst: int, count: int, offset: int, at: int) -> int:
            if kernel == "refuses":
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return real(src, dst, 1000, offset, at) if offset % 7 else 0

        monkeypatch.setattr(os, "copy_file_range", other)
    assert store.can_copy_from(source)
    info = source.stat("src")
    upload = store.open_upload("copy", UploadRequest("r", size=len(data)))
    cuts = [0, 1_000_001, 2_500_000, len(data)]
    blocks = []
    for split, (at, end) in reversed([*enumerate(itertools.pairwise(cuts))]):
        block = Block(split, 1, 0, 0, end - at, at if layout == "offsets" else None)
        store.copy_block(source, info, at, upload, block)
        blocks.insert(0, block)
    store.commit(upload, blocks)
    assert (tmp_path / "to/copy").read_bytes() == data


def test_copy_block_of_a_changed_or_shorter_source(store: FileStore, tmp_path: Path, monkeypatch) -> None:
    plant(tmp_path, "src")
    source = FileStore(str(tmp_path))
    info = source.stat("src")
    upload = store.open_upload("copy", RUN)
    with pytest.raises(ShortReadError):
        store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 4, 0))
    real = os.copy_file_range

    def meanwhile(*args: int) -> int:
        os.truncate(tmp_path / "src", 1)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "copy_file_range", meanwhile)
        with pytest.raises(SourceChangedError):
            store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 3, 0))
    with pytest.raises(SourceChangedError):
        store.copy_block(source, info, 0, upload, Block(0, 1, 0, 0, 3, 0))


def test_a_portable_copy_says_where_the_source_ends(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delattr(os, "copy_file_range")
    (tmp_path / "a").write_bytes(b"12345")
    source, target = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    try:
        assert file_bytes.copy_range(source, 1, target, 2, 100) == 4
    finally:
        os.close(source)
        os.close(target)
    assert (tmp_path / "b").read_bytes() == b"\0\0" + b"2345"


def test_a_socket_is_not_a_file(store: FileStore, root: Path, monkeypatch) -> None:
    root.mkdir()
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert paths(store) == []
        with pytest.raises(NotSupportedError, match="socket"):
            store.stat("s")
