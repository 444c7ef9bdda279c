"""Checks of a store's paths, listing, stat and ranged, pinned reading."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from ..errors import ConfigError, NotFoundError, SourceChangedError
from ..spi import ObjectReader, ObjectStore
from .cases import GOOD_PATHS, HOSTILE_PATHS
from .store_base import StoreBase, noise

# "-" and "." sort before "/": an order made by walking folders is not the order of paths.
_TREE = ("a-b/x", "a.b", "a/b", "a/c/d", "a0", "data/1", "data/10", "data/2", "dat", "ü/z", "z/ü", "😀")


def _read(reader: ObjectReader, offset: int, count: int) -> bytes:
    buffer = bytearray(count)
    return bytes(buffer[: reader.read_into(offset, memoryview(buffer))])


class ReadingChecks(StoreBase):
    """Paths, list, stat, open_read, delete."""

    @pytest.mark.parametrize("path", GOOD_PATHS.values(), ids=list(GOOD_PATHS))
    def test_paths(self, store: ObjectStore, path: str) -> None:
        self.put(store, path, b"content")
        assert store.stat(path).path == path
        assert self.get(store, path) == b"content"
        assert self.names(store) == [path]
        store.delete(path)
        self.assert_absent(store, path)

    @pytest.mark.parametrize("path", HOSTILE_PATHS.values(), ids=list(HOSTILE_PATHS))
    def test_hostile_paths_are_refused(self, store: ObjectStore, url: str, path: str) -> None:
        self.put(store, "inside", b"x")
        before = self.inventory(url)
        with self.raises(ConfigError):
            store.stat(path)
        with self.raises(ConfigError), store.open_read(path):
            pass
        with self.raises(ConfigError):
            store.open_upload(path, self.request())
        with self.raises(ConfigError):
            store.delete(path)
        assert self.inventory(url) == before

    def test_list_is_ordered_and_complete(self, store: ObjectStore) -> None:
        for path in reversed(_TREE):
            self.put(store, path, path.encode())
        assert self.names(store) == sorted(_TREE)

    def test_list_prefix(self, store: ObjectStore) -> None:
        for path in _TREE:
            self.put(store, path, b"")
        for prefix in ("", "a", "a/", "dat", "data/", "data/1", "ü", "data/10"):
            wanted = [path for path in sorted(_TREE) if path.startswith(prefix)]
            assert self.names(store, prefix) == wanted, f"prefix {prefix!r}"

    def test_list_without_a_match_has_no_pages(self, store: ObjectStore) -> None:
        assert list(store.list()) == []
        self.put(store, "a/b", b"")
        assert list(store.list("missing/")) == []
        assert list(store.list("a/b/c")) == []

    def test_list_after(self, store: ObjectStore) -> None:
        for path in _TREE:
            self.put(store, path, b"")
        for after in (*_TREE, "a", "b", "data/", "\U0010ffff"):
            wanted = [path for path in sorted(_TREE) if path > after]
            assert self.names(store, "", after) == wanted, f"after {after!r}"
        assert self.names(store, "data/", "data/1") == ["data/10", "data/2"]

    def test_list_pages_hold_objects_and_agree_with_stat(self, store: ObjectStore) -> None:
        for number in range(30):
            self.put(store, f"many/{number:03}", b"x" * number)
        for page in store.list():
            assert len(page) > 0, "an empty page"
            for info in page:
                there = store.stat(info.path)
                assert (info.size, info.etag) == (there.size, there.etag)
        assert len(self.names(store)) == 30

    def test_list_stays_inside(self, store: ObjectStore) -> None:
        self.put(store, "x", b"x")
        for prefix in ("../", "/"):
            with self.may_raise(ConfigError):
                assert self.names(store, prefix) == [], f"list({prefix!r}) looks outside"

    def test_is_folder(self, store: ObjectStore) -> None:
        self.put(store, "dir/sub/x", b"x")
        for path in ("dir", "dir/", "dir/sub"):
            assert store.is_folder(path), path
        for path in ("missing", "dir/sub/x", "di", "dir/su"):
            assert not store.is_folder(path), path

    def test_stat(self, store: ObjectStore) -> None:
        self.put(store, "dir/x", noise(1234))
        info = store.stat("dir/x")
        assert (info.path, info.size) == ("dir/x", 1234)
        assert info.etag
        assert info == store.stat("dir/x")
        with store.open_read("dir/x") as reader:
            assert (reader.info.path, reader.info.size, reader.info.etag) == ("dir/x", 1234, info.etag)

    def test_missing_objects_are_not_found(self, store: ObjectStore) -> None:
        self.put(store, "dir/x", b"x")
        for path in ("missing", "missing/x", "dir", "dir/x/y"):
            with self.raises(NotFoundError):
                store.stat(path)
            with self.raises(NotFoundError), store.open_read(path):
                pass

    def test_etag_changes_with_the_content(self, store: ObjectStore) -> None:
        seen = set()
        for seed in range(5):
            self.put(store, "x", noise(100, seed))
            seen.add(store.stat("x").etag)
        assert len(seen) == 5, "the same etag for other content of the same size"

    def test_read_ranges(self, store: ObjectStore) -> None:
        size = 2 * self.block_size + 17
        data = noise(size)
        self.put(store, "x", data)
        ranges = ((0, size), (0, 1), (0, 0), (1, 10), (size - 1, 1), (self.block_size - 1, 2), (3, size - 3))
        with store.open_read("x") as reader:
            for offset, count in ranges:
                assert _read(reader, offset, count) == data[offset : offset + count], (offset, count)

    def test_read_past_the_end(self, store: ObjectStore) -> None:
        self.put(store, "x", b"0123456789")
        with store.open_read("x") as reader:
            assert _read(reader, 6, 100) == b"6789"
            assert _read(reader, 10, 5) == b""
            assert _read(reader, 1000, 5) == b""

    def test_read_empty_object(self, store: ObjectStore) -> None:
        self.put(store, "x", b"")
        assert store.stat("x").size == 0
        with store.open_read("x") as reader:
            assert _read(reader, 0, 10) == b""

    def test_readers_close_twice(self, store: ObjectStore) -> None:
        self.put(store, "x", b"x")
        reader = store.open_read("x")
        reader.close()
        reader.close()

    def test_read_from_several_threads(self, store: ObjectStore) -> None:
        data = noise(8 * 4096)
        self.put(store, "x", data)
        with store.open_read("x") as reader, ThreadPoolExecutor(4) as pool:
            parts = pool.map(lambda i: _read(reader, i % 8 * 4096, 4096), range(64))
            assert b"".join(parts) == data * 8

    def test_pinned_version_is_read(self, store: ObjectStore) -> None:
        self.put(store, "x", noise(100))
        with store.open_read("x", store.stat("x")) as reader:
            assert _read(reader, 0, 100) == noise(100)

    def test_pinned_version_that_changed(self, store: ObjectStore, url: str) -> None:
        self.put(store, "x", noise(100, 1))
        planned = store.stat("x")
        self.change(url, "x", noise(100, 2))
        with self.raises(SourceChangedError), store.open_read("x", planned) as reader:
            _read(reader, 0, 100)

    def test_pinned_version_that_is_gone(self, store: ObjectStore) -> None:
        self.put(store, "x", b"x")
        planned = store.stat("x")
        store.delete("x")
        with self.raises(NotFoundError, SourceChangedError), store.open_read("x", planned) as reader:
            _read(reader, 0, 1)

    def test_change_while_reading(self, store: ObjectStore, url: str) -> None:
        """The old bytes or SourceChangedError; never bytes of two versions."""
        self.put(store, "x", noise(100, 1))
        with store.open_read("x", store.stat("x")) as reader:
            assert _read(reader, 0, 50) == noise(100, 1)[:50]
            self.change(url, "x", noise(100, 2))
            with self.may_raise(SourceChangedError):
                assert _read(reader, 50, 50) == noise(100, 1)[50:]

    def test_delete(self, store: ObjectStore) -> None:
        for path in ("a/x", "a/y", "az"):
            self.put(store, path, b"x")
        store.delete("a/x")
        store.delete("a/x")
        store.delete("never/was")
        self.assert_absent(store, "a/x")
        assert self.names(store) == ["a/y", "az"]

    def test_close_twice(self, url: str) -> None:
        store = self.open(url)
        self.put(store, "x", b"x")
        store.close()
        store.close()
        with closing(self.open(url)) as again:
            assert self.get(again, "x") == b"x"
