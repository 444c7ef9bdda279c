"""Checks of a store's commit and abort: what is visible when, and to whom the object belongs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from ..errors import AlreadyExistsError, CrossdockError, StageLostError
from ..spi import Block, ObjectStore, RemembersUploads
from .store_base import Piece, StoreBase, noise


def _blocks(pieces: Sequence[Piece]) -> list[Block]:
    return [block for block, _ in pieces]


class CommitChecks(StoreBase):
    """Visibility, guards, repeated commits and cleaning up."""

    def test_nothing_is_visible_before_commit(self, store: ObjectStore, url: str) -> None:
        upload = self.stage(store, "dir/x", self.cut(noise(2 * self.block_size), offsets=True))
        again = self.open(url)
        for seen_by in (store, again):
            self.assert_absent(seen_by, "dir/x")
            assert list(seen_by.list()) == [], "staged data is listed"
        again.close()
        store.abort(upload)

    def test_old_content_is_visible_until_commit(self, store: ObjectStore) -> None:
        self.put(store, "x", b"old")
        pieces = self.cut(noise(2 * self.block_size), offsets=True)
        upload = self.stage(store, "x", pieces, overwrite=True)
        assert self.get(store, "x") == b"old"
        assert self.names(store) == ["x"]
        store.commit(upload, _blocks(pieces))
        assert self.get(store, "x") == noise(2 * self.block_size)

    def test_overwrite_with_less(self, store: ObjectStore) -> None:
        self.put(store, "x", noise(3000))
        self.put(store, "x", b"tiny")
        assert self.get(store, "x") == b"tiny"

    def test_commit_twice(self, store: ObjectStore) -> None:
        pieces = self.cut(noise(self.block_size))
        for path, overwrite in (("guarded", False), ("overwritten", True)):
            upload = self.stage(store, path, pieces, overwrite=overwrite)
            store.commit(upload, _blocks(pieces))
            first = store.stat(path)
            store.commit(upload, _blocks(pieces))
            assert self.get(store, path) == noise(self.block_size)
            assert store.stat(path).size == first.size

    def test_commit_of_an_empty_object_twice(self, store: ObjectStore) -> None:
        upload = store.open_upload("x", self.request())
        store.commit(upload, [])
        store.commit(upload, [])
        assert self.get(store, "x") == b""

    def test_commit_raced(self, store: ObjectStore, url: str) -> None:
        """Two committers of one upload: a job that was given to a second node."""
        pieces = self.cut(noise(2 * self.block_size))
        upload = self.stage(store, "x", pieces)
        stores = [self.open(url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: each.commit(upload, _blocks(pieces)), stores))
        for each in stores:
            each.close()
        assert self.get(store, "x") == noise(2 * self.block_size)

    def test_commit_again_after_a_foreign_change(self, store: ObjectStore, url: str) -> None:
        """Killed between commit and journal; meanwhile somebody replaced the object. It stays theirs."""
        pieces = self.cut(noise(self.block_size))
        for path, overwrite in (("guarded", False), ("overwritten", True)):
            upload = self.stage(store, path, pieces, overwrite=overwrite)
            store.commit(upload, _blocks(pieces))
            self.change(url, path, b"theirs")
            self._tolerate_refusal(store, upload, pieces)
            assert self.get(store, path) == b"theirs", f"{path}: the second commit replaced a foreign change"

    def test_commit_again_after_abort(self, store: ObjectStore) -> None:
        pieces = self.cut(noise(self.block_size))
        upload = self.stage(store, "x", pieces)
        store.commit(upload, _blocks(pieces))
        store.abort(upload)
        self._tolerate_refusal(store, upload, pieces)
        assert self.get(store, "x") == noise(self.block_size)

    def _tolerate_refusal(self, store: ObjectStore, upload: bytes, pieces: Sequence[Piece]) -> None:
        with self.may_raise(CrossdockError):
            store.commit(upload, _blocks(pieces))

    def test_guard_against_an_object_that_exists(self, store: ObjectStore) -> None:
        self.put(store, "x", b"theirs")
        pieces = self.cut(noise(self.block_size))
        with self.raises(AlreadyExistsError):
            upload = self.stage(store, "x", pieces)
            store.commit(upload, _blocks(pieces))
        assert self.get(store, "x") == b"theirs"

    def test_guard_against_an_object_that_appeared(self, store: ObjectStore, url: str) -> None:
        pieces = self.cut(noise(self.block_size))
        upload = self.stage(store, "x", pieces)
        self.change(url, "x", b"theirs")
        with self.raises(AlreadyExistsError):
            store.commit(upload, _blocks(pieces))
        assert self.get(store, "x") == b"theirs"
        store.abort(upload)
        assert self.get(store, "x") == b"theirs"

    def test_abort_is_idempotent_and_leaves_nothing(self, store: ObjectStore, url: str) -> None:
        self.put(store, "kept", b"kept")
        before = self.inventory(url)
        upload = self.stage(store, "dir/x", self.cut(noise(2 * self.block_size)))
        store.abort(upload)
        store.abort(upload)
        self.assert_absent(store, "dir/x")
        assert self.names(store) == ["kept"]
        assert self.inventory(url) == before, "abort leaves staged data behind"

    def test_a_lost_handle_leaves_nothing(self, store: ObjectStore, url: str) -> None:
        """Killed before the handle was journaled: whoever cleans up knows the path and the run."""
        self.put(store, "kept", b"kept")
        before = self.inventory(url)
        request = self.request()
        store.open_upload("x", request)
        for _ in range(2):
            store.abandon("x", request.run_id)
        assert self.inventory(url) == before, "abandon leaves staged data behind"
        upload = store.open_upload("x", request)
        assert not store.is_committed(upload)
        store.abort(upload)

    def test_a_run_is_cleaned_up_without_its_paths(self, store: ObjectStore, url: str) -> None:
        self.put(store, "kept", b"kept")
        before, mine, other = self.inventory(url), self.request(), self.request()
        theirs = store.open_upload("y", other)
        for path in ("x", "y"):
            store.open_upload(path, mine)
        for _ in range(2):
            store.abandon_all(mine.run_id)
        piece = self.cut(noise(self.block_size))
        for block, data in piece:
            store.write_block(theirs, block, memoryview(data))
        store.commit(theirs, _blocks(piece))
        store.abort(theirs)
        assert self.get(store, "y") == noise(self.block_size), "another run's upload is gone"
        store.delete("y")
        assert self.inventory(url) == before, "abandon_all leaves staged data behind"

    def test_abort_before_any_block(self, store: ObjectStore, url: str) -> None:
        before = self.inventory(url)
        store.abort(store.open_upload("dir/x", self.request()))
        assert self.inventory(url) == before

    def test_abort_after_commit_leaves_the_object_only(self, store: ObjectStore, url: str) -> None:
        """What a run that was killed, retried and committed leaves is what an undisturbed one leaves."""
        pieces = self.cut(noise(self.block_size), attempt=2)
        killed = self.cut(noise(2 * self.block_size, 1), attempt=1)
        upload = self.stage(store, "dir/x", [*killed, *pieces])
        store.commit(upload, _blocks(pieces))
        store.abort(upload)
        store.abort(upload)
        assert self.get(store, "dir/x") == noise(self.block_size)
        disturbed = self.inventory(url)
        store.delete("dir/x")
        self.put(store, "dir/x", noise(self.block_size))
        undisturbed = self.inventory(url)
        assert disturbed is None or undisturbed is None or len(disturbed) == len(undisturbed), disturbed

    def test_abort_raced(self, store: ObjectStore) -> None:
        upload = self.stage(store, "x", self.cut(noise(3 * self.block_size)))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: store.abort(upload), range(4)))
        self.assert_absent(store, "x")

    def test_commit_after_abort_is_stage_lost(self, store: ObjectStore) -> None:
        pieces = self.cut(noise(self.block_size))
        upload = self.stage(store, "x", pieces)
        store.abort(upload)
        with self.raises(StageLostError):
            store.commit(upload, _blocks(pieces))
        self.assert_absent(store, "x")

    def test_zombie_block_after_commit(self, store: ObjectStore) -> None:
        """A worker that was thought dead writes once more; the object stays as it was committed."""
        pieces = self.cut(noise(2 * self.block_size), attempt=2, offsets=True)
        zombie = self.cut(noise(2 * self.block_size, 1), attempt=1, offsets=True)
        upload = self.stage(store, "x", pieces)
        store.commit(upload, _blocks(pieces))
        for _ in range(2):
            with self.may_raise(CrossdockError):
                store.write_block(upload, zombie[0][0], memoryview(zombie[0][1]))
            assert self.get(store, "x") == noise(2 * self.block_size)
            store.abort(upload)
        assert self.names(store) == ["x"]

    def test_two_runs_on_one_object(self, store: ObjectStore) -> None:
        """``private_staging``: both commits work, the last one stays. Else the second stage is lost."""
        ours, theirs = self.cut(noise(self.block_size, 1)), self.cut(noise(self.block_size, 2))
        first = self.stage(store, "x", ours, overwrite=True)
        second = self.stage(store, "x", theirs, overwrite=True)
        store.commit(first, _blocks(ours))
        store.abort(first)
        assert self.get(store, "x") == noise(self.block_size, 1)
        if self.spec.capabilities.private_staging:
            store.commit(second, _blocks(theirs))
            assert self.get(store, "x") == noise(self.block_size, 2)
        else:
            with self.raises(StageLostError):
                store.commit(second, _blocks(theirs))
                pytest.fail("both runs committed: declare private_staging=True")

    def test_run_of_an_object_is_remembered(self, store: ObjectStore, url: str) -> None:
        """``RemembersUploads``: whoever takes a run over knows what it has committed, and nothing else."""
        if not isinstance(store, RemembersUploads):
            pytest.skip("the store does not remember uploads")
        pieces, request = self.cut(noise(2 * self.block_size), offsets=True), self.request(overwrite=True)
        self.put(store, "x", b"of somebody else")
        assert store.committed("x", request.run_id) is None
        assert store.committed("missing/y", request.run_id) is None
        upload = store.open_upload("x", request)
        for block, data in pieces:
            store.write_block(upload, block, memoryview(data))
        store.commit(upload, _blocks(pieces))
        with closing(self.open(url)) as other:
            assert isinstance(other, RemembersUploads)
            assert other.committed("x", request.run_id) == other.stat("x"), "the commit is not known"
            assert other.committed("x", request.run_id[:-1]) is None, "another run has committed nothing"
        store.abort(upload)
        assert self.get(store, "x") == noise(2 * self.block_size)
