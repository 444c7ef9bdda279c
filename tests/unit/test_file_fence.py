"""The fence of the local file store: what is known already is still refused when a link takes its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from file_samples import hidden, plant, put

from crossdock import ConfigError, NotFoundError
from crossdock_connectors.stores.file_store import FileStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> FileStore:
    return FileStore(str(root))


@pytest.mark.parametrize("swapped", ["a", "a/b", "a/b/c"])
def test_a_link_in_the_place_of_a_known_folder(
    store: FileStore, root: Path, tmp_path: Path, swapped: str
) -> None:
    plant(root, "a/b/c/file")
    plant(tmp_path / "elsewhere", "b/c/file", "c/file", "file")
    assert store.stat("a/b/c/file").size
    os.rename(root / swapped, tmp_path / "before")
    (root / swapped).symlink_to(tmp_path / "elsewhere" / swapped[2:-2])
    for path in ("a/b/c/file", "a/b/c/missing"):
        with pytest.raises(ConfigError, match="through a symbolic link"):
            store.stat(path)


@pytest.mark.parametrize("target", ["elsewhere", "nothing"])
def test_a_link_in_the_place_of_a_missing_folder(
    store: FileStore, root: Path, tmp_path: Path, target: str
) -> None:
    plant(root, "x")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(NotFoundError):
        store.stat("new/deep/er/file")
    (root / "new").symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match="through a symbolic link"):
        store.stat("new/deep/er/file")


def test_links_within_the_root_are_no_matter(store: FileStore, root: Path) -> None:
    plant(root, "a/file")
    (root / "b").symlink_to("a")
    for _ in range(2):
        assert store.stat("b/file").size == len("a/file")
    (root / "a/file").unlink()
    with pytest.raises(NotFoundError):
        store.stat("b/file")


def test_a_known_folder_costs_one_look(store: FileStore, root: Path, monkeypatch) -> None:
    plant(root, "a/b/c/d/1", "a/b/c/d/2")
    store.stat("a/b/c/d/1")
    looks: list[str] = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: (looks.append(os.fspath(path)), real(path))[1])
    store.stat("a/b/c/d/2")
    assert looks == [str(root / "a/b/c/d"), str(root / "a/b/c/d/2")]


def test_cleaning_up_behind_a_commit_costs_one_request(store: FileStore, root: Path, monkeypatch) -> None:
    upload = put(store, "a", b"x")
    removed: list[str] = []
    real = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path: (removed.append(path), real(path))[1])
    store.abort(upload)
    assert [path.rpartition(".")[2] for path in removed] == ["done"]
    assert not hidden(root)
    store.abort(upload)
    assert (root / "a").read_bytes() == b"x"
