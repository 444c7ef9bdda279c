"""The local file store: names, listing, links, reading, errors."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from file_samples import OVER, RUN, hidden, paths, plant, put

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigError,
    Location,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    ShortReadError,
    SourceChangedError,
    TransientError,
    UploadRequest,
)
from crossdock_connectors.stores.file import SPEC
from crossdock_connectors.stores.file_config import FileConfig
from crossdock_connectors.stores.file_errors import classify, fault
from crossdock_connectors.stores.file_store import FileStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> FileStore:
    return FileStore(str(root))


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
