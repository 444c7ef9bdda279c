"""Checks that an upload goes on in another process with its handle alone."""

from __future__ import annotations

from ..errors import AlreadyExistsError
from ..spi import ObjectStore
from .opening import abort_upload_there, commit_upload_there, write_blocks_there
from .store_base import StoreBase, noise


class ResumeChecks(StoreBase):
    """What a run does after it was killed: the handle comes from the journal."""

    def test_upload_goes_on_in_another_process(self, store: ObjectStore, url: str) -> None:
        data = noise(4 * self.block_size)
        for path, offsets in (("unknown", False), ("known", True)):
            pieces = self.cut(data, offsets=offsets)
            upload = self.stage(store, path, pieces[:2])
            self.elsewhere(write_blocks_there, url, upload, pieces[2:])
            store.commit(upload, [block for block, _ in pieces])
            assert self.get(store, path) == data

    def test_commit_in_another_process(self, store: ObjectStore, url: str) -> None:
        pieces = self.cut(noise(2 * self.block_size))
        upload = self.stage(store, "x", pieces)
        blocks = [block for block, _ in pieces]
        self.elsewhere(commit_upload_there, url, upload, blocks)
        assert self.get(store, "x") == noise(2 * self.block_size)
        store.commit(upload, blocks)
        store.abort(upload)
        assert self.get(store, "x") == noise(2 * self.block_size)

    def test_commit_again_in_another_process(self, store: ObjectStore, url: str) -> None:
        pieces = self.cut(noise(self.block_size))
        blocks = [block for block, _ in pieces]
        upload = self.stage(store, "x", pieces)
        store.commit(upload, blocks)
        self.elsewhere(commit_upload_there, url, upload, blocks)
        assert self.get(store, "x") == noise(self.block_size)

    def test_guard_survives_a_resume(self, store: ObjectStore, url: str) -> None:
        """``overwrite=False`` is part of the handle: the resumed run may not clobber either."""
        pieces = self.cut(noise(self.block_size))
        upload = self.stage(store, "x", pieces)
        self.change(url, "x", b"theirs")
        with self.raises(AlreadyExistsError):
            self.elsewhere(commit_upload_there, url, upload, [block for block, _ in pieces])
        assert self.get(store, "x") == b"theirs"

    def test_abort_in_another_process(self, store: ObjectStore, url: str) -> None:
        before = self.inventory(url)
        upload = self.stage(store, "x", self.cut(noise(2 * self.block_size)))
        self.elsewhere(abort_upload_there, url, upload)
        self.assert_absent(store, "x")
        assert self.inventory(url) == before
