"""Checks of what an object has beside its bytes, of deleting one version of it, and of folders."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from ..errors import AlreadyExistsError, NotFoundError, SourceChangedError
from ..spi import Attributes, Folders, ObjectAttributes, ObjectStore
from .store_base import StoreBase, noise

_FOLDER: dict[str, Any] = {
    "acl": "user::rwx,group::r-x,other::--x",
    "owner": "someone",
    "group": "some-group",
}
_GIVEN: dict[str, Any] = {
    "metadata": {"batch": "7", "origin": "contract"},
    "headers": {"content_type": "text/x-contract", "content_language": "nb"},
    "modified_ns": 1_234_567_890_000_000_000,
    "mode": 0o640,
    "tier": "Cool",
}


class AttributeChecks(StoreBase):
    """Attributes and folders, where the store has them, and ``delete_version``."""

    def test_attributes(self, store: ObjectStore) -> None:
        """What is given with an upload is there from the commit on; what is not given is not invented."""
        if not isinstance(store, Attributes):
            pytest.skip("the store has no attributes")
        assert store.keeps, "a store that keeps nothing is no Attributes"
        assert store.keeps <= {field.name for field in fields(ObjectAttributes)}
        given = {name: value for name, value in _GIVEN.items() if name in store.keeps}
        for path, offsets in (("a/x", True), ("y", False)):
            pieces = self.cut(noise(2 * self.block_size), offsets=offsets)
            request = replace(self.request(overwrite=True), attributes=ObjectAttributes(**given))
            upload = store.open_upload(path, request)
            for block, data in pieces:
                store.write_block(upload, block, memoryview(data))
            for _ in range(2):
                store.commit(upload, [block for block, _ in pieces])
            found = store.attributes(store.stat(path))
            assert {name: getattr(found, name) for name in given} == given
            assert self.get(store, path) == noise(2 * self.block_size)
            store.abort(upload)

    def test_attributes_of_another_version(self, store: ObjectStore, url: str) -> None:
        if not isinstance(store, Attributes):
            pytest.skip("the store has no attributes")
        self.put(store, "x", noise(100, 1))
        planned = store.stat("x")
        self.change(url, "x", noise(100, 2))
        with self.raises(SourceChangedError):
            store.attributes(planned)
        store.delete("x")
        with self.raises(NotFoundError, SourceChangedError):
            store.attributes(planned)

    def test_delete_version(self, store: ObjectStore, url: str) -> None:
        for path in ("x", "y"):
            self.put(store, path, noise(100, 1))
        first, second = store.stat("x"), store.stat("y")
        store.delete_version(first)
        store.delete_version(first)
        self.assert_absent(store, "x")
        self.change(url, "y", noise(100, 2))
        with self.raises(SourceChangedError):
            store.delete_version(second)
        assert self.get(store, "y") == noise(100, 2), "a version that was not named is deleted"

    def test_folders(self, store: ObjectStore) -> None:
        """Declared: folders are listed above what is in them, made once or twice, and empty or not."""
        if not isinstance(store, Folders):
            assert not hasattr(store, "make_folder"), "make_folder without Folders is never called"
            return
        assert list(store.folders()) == []
        self.put(store, "a/b/x", b"x")
        for _ in range(2):
            store.make_folder("a/empty/deep", ObjectAttributes())
        assert dict(store.folders()) == {"a": False, "a/b": False, "a/empty": False, "a/empty/deep": True}
        order = [path for path, _ in store.folders()]
        assert order.index("a") < order.index("a/empty") < order.index("a/empty/deep")
        assert self.names(store) == ["a/b/x"], "a folder is listed as an object"
        assert store.is_folder("a/empty/deep")
        upload = self.stage(store, "a/empty/deep/x", self.cut(noise(self.block_size)))
        assert dict(store.folders())["a/empty/deep"], "staged data fills a folder"
        store.abort(upload)
        assert dict(store.folders())["a/empty/deep"], "abort removes a folder that it did not make"
        for path in ("a/b/x", "a/b/x/y"):
            with self.raises(AlreadyExistsError):
                store.make_folder(path, ObjectAttributes())
        assert self.get(store, "a/b/x") == b"x"
        with self.raises(NotFoundError):
            store.folder_attributes("missing")

    def test_folder_attributes(self, store: ObjectStore) -> None:
        if not isinstance(store, Folders):
            pytest.skip("the store has no folders by themselves")
        assert store.folder_keeps <= set(_FOLDER)
        given = {name: _FOLDER[name] for name in store.folder_keeps}
        self.put(store, "a/x", b"x")
        for path in ("a", "new"):
            store.make_folder(path, ObjectAttributes(**given))
            found = store.folder_attributes(path)
            assert {name: getattr(found, name) for name in given} == given
        assert self.get(store, "a/x") == b"x"
