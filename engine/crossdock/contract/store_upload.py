"""Checks of a store's uploads: blocks in any order and from any thread, attempts, limits, copied ranges."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from ..errors import AlreadyExistsError, NotFoundError, ShortReadError, SourceChangedError, StageLostError
from ..spi import Block, ObjectInfo, ObjectStore, RangeCopier, WholeWriter
from .store_base import StoreBase, noise

_BOTH = pytest.mark.parametrize("offsets", [False, True], ids=["unknown_offsets", "known_offsets"])
_LARGEST_TRIED = 64 << 20


class UploadChecks(StoreBase):
    """write_block and what commit makes of the blocks."""

    @_BOTH
    @pytest.mark.parametrize("sized", [False, True], ids=["unsized", "sized"])
    def test_upload(self, store: ObjectStore, offsets: bool, sized: bool) -> None:
        size = self.block_size
        splits = (noise(2 * size, 1), noise(size, 2), noise(size // 2 + 1, 3))
        pieces = self.cut(*splits, offsets=offsets)
        whole = b"".join(splits)
        upload = store.open_upload("dir/x", self.request(size=len(whole) if sized else None))
        for block, data in pieces:
            store.write_block(upload, block, memoryview(data))
        store.commit(upload, [block for block, _ in pieces])
        store.abort(upload)
        assert self.get(store, "dir/x") == whole

    @_BOTH
    def test_blocks_out_of_order(self, store: ObjectStore, offsets: bool) -> None:
        splits = (noise(3 * self.block_size, 1), noise(2 * self.block_size, 2))
        pieces = self.cut(*splits, offsets=offsets)
        upload = self.stage(store, "x", list(reversed(pieces)))
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == b"".join(splits)

    @_BOTH
    def test_blocks_from_several_threads(self, store: ObjectStore, offsets: bool) -> None:
        splits = [noise(3 * self.block_size, seed) for seed in range(4)]
        pieces = self.cut(*splits, offsets=offsets)
        upload = store.open_upload("x", self.request())
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda p: store.write_block(upload, p[0], memoryview(p[1])), reversed(pieces)))
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == b"".join(splits)

    @_BOTH
    def test_block_written_twice(self, store: ObjectStore, offsets: bool) -> None:
        data = noise(3 * self.block_size)
        pieces = self.cut(data, offsets=offsets)
        upload = self.stage(store, "x", [pieces[1], *pieces, pieces[0]])
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == data

    def test_block_data_is_not_kept(self, store: ObjectStore) -> None:
        """The engine reuses its buffers as soon as write_block returns."""
        data = noise(2 * self.block_size)
        upload = store.open_upload("x", self.request())
        pieces = self.cut(data)
        buffer = bytearray(self.block_size)
        for block, part in pieces:
            buffer[: len(part)] = part
            store.write_block(upload, block, memoryview(buffer)[: len(part)])
        buffer[:] = bytes(len(buffer))
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == data

    def test_two_attempts_at_a_split(self, store: ObjectStore) -> None:
        """Only the committed attempt's blocks appear, whichever was written last."""
        for path, committed in (("first", 1), ("second", 2)):
            by_attempt = {
                number: self.cut(noise(2 * self.block_size, number), attempt=number) for number in (1, 2)
            }
            mixed = [piece for pair in zip(by_attempt[2], by_attempt[1], strict=True) for piece in pair]
            upload = self.stage(store, path, mixed)
            store.commit(upload, [block for block, _ in by_attempt[committed]])
            assert self.get(store, path) == noise(2 * self.block_size, committed)

    def test_two_attempts_at_a_split_with_known_offsets(self, store: ObjectStore) -> None:
        """A split whose attempts read the same pinned bytes; the first one broke off half-way."""
        data = noise(3 * self.block_size)
        late = self.cut(data, attempt=1, offsets=True)
        done = self.cut(data, attempt=2, offsets=True)
        upload = self.stage(store, "x", [late[0], *done, late[1]])
        store.commit(upload, [block for block, _ in done])
        assert self.get(store, "x") == data

    def test_attempts_of_different_length(self, store: ObjectStore) -> None:
        """A retried split may be shorter than what a killed attempt left behind."""
        long = self.cut(noise(3 * self.block_size, 1), attempt=1)
        short = self.cut(noise(self.block_size, 2), attempt=2)
        upload = self.stage(store, "x", [*long, *short])
        store.commit(upload, [block for block, _ in short])
        assert self.get(store, "x") == noise(self.block_size, 2)

    @_BOTH
    def test_only_named_blocks_are_committed(self, store: ObjectStore, offsets: bool) -> None:
        data = noise(4 * self.block_size)
        pieces = self.cut(data, offsets=offsets)
        upload = self.stage(store, "x", pieces)
        store.commit(upload, [block for block, _ in pieces[:2]])
        assert self.get(store, "x") == data[: 2 * self.block_size]

    def test_blocks_appear_in_the_order_of_the_commit(self, store: ObjectStore) -> None:
        """The order of the list counts, not the number of the split."""
        pieces = self.cut(*(noise(self.block_size, seed) for seed in range(4)))
        upload = self.stage(store, "x", pieces)
        order = [pieces[2], pieces[0], pieces[3], pieces[1]]
        store.commit(upload, [block for block, _ in order])
        assert self.get(store, "x") == b"".join(part for _, part in order)

    def test_zero_blocks_make_an_empty_object(self, store: ObjectStore) -> None:
        upload = store.open_upload("x", self.request(size=0))
        store.commit(upload, [])
        store.abort(upload)
        assert self.get(store, "x") == b""
        assert store.stat("x").size == 0

    @_BOTH
    def test_missing_block_is_stage_lost(self, store: ObjectStore, offsets: bool) -> None:
        pieces = self.cut(noise(2 * self.block_size), noise(self.block_size), offsets=offsets)
        upload = self.stage(store, "x", pieces[:2])
        with self.raises(StageLostError):
            store.commit(upload, [block for block, _ in pieces])
        self.assert_absent(store, "x")

    def test_block_limits(self, store: ObjectStore) -> None:
        capabilities = self.spec.capabilities
        smallest, largest = capabilities.block_range or (1, 4 << 20)
        assert 0 < smallest <= largest
        sizes = [smallest, smallest + 1, min(largest, _LARGEST_TRIED)]
        data = noise(sum(sizes))
        pieces, start = [], 0
        for index, size in enumerate(sizes):
            pieces.append((Block(0, 1, index, start, size), data[start : start + size]))
            start += size
        upload = self.stage(store, "x", pieces)
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == data

    def test_block_count(self, store: ObjectStore) -> None:
        """As many blocks as are declared, as far as a test can go; many where no limit is declared."""
        smallest = (self.spec.capabilities.block_range or (1, 0))[0]
        tried = max(1, min(self.spec.capabilities.max_blocks or 500, 500, _LARGEST_TRIED // smallest))
        data = noise(tried * smallest)
        pieces = [
            (Block(0, 1, i, i * smallest, smallest), data[i * smallest : (i + 1) * smallest])
            for i in range(tried)
        ]
        upload = self.stage(store, "x", pieces)
        store.commit(upload, [block for block, _ in pieces])
        assert self.get(store, "x") == data

    def test_concurrent_uploads(self, store: ObjectStore) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: self.put(store, f"same/dir/{i}", noise(3000, i)), range(12)))
            read = list(pool.map(lambda i: self.get(store, f"same/dir/{i}"), range(12)))
        assert read == [noise(3000, i) for i in range(12)]

    def test_whole_writer(self, store: ObjectStore, url: str) -> None:
        """Declared: one call makes the object, guarded and repeatable as a commit is."""
        if not isinstance(store, WholeWriter):
            assert not hasattr(store, "put_whole"), "put_whole without WholeWriter is never called"
            return
        for size in (0, 1, min(store.whole_limit, self.block_size)):
            upload = store.open_upload(f"dir/{size}", self.request(size=size))
            store.put_whole(upload, memoryview(noise(size)))
            store.put_whole(upload, memoryview(noise(size)))
            assert self.get(store, f"dir/{size}") == noise(size)
            store.abort(upload)
            assert self.get(store, f"dir/{size}") == noise(size)
        guarded = store.open_upload("x", self.request(size=4))
        self.change(url, "x", b"theirs")
        with self.raises(AlreadyExistsError):
            store.put_whole(guarded, memoryview(b"ours"))
        assert self.get(store, "x") == b"theirs"
        store.put_whole(store.open_upload("x", self.request(overwrite=True, size=4)), memoryview(b"ours"))
        assert self.get(store, "x") == b"ours"

    def test_range_copier(self, store: ObjectStore, url: str) -> None:
        """Declared: a range arrives as if written. Not declared, or another store: it says no."""
        if not isinstance(store, RangeCopier):
            assert not hasattr(store, "copy_block"), "copy_block without RangeCopier is never called"
            return
        with closing(self.open(url)) as other:
            assert store.can_copy_from(other), "RangeCopier must work at least within one location"
            assert not store.can_copy_from(_Stranger()), "it claims to copy from a store it cannot know"
            self._copy_ranges(store, other)

    def _copy_ranges(self, store: ObjectStore, other: ObjectStore) -> None:
        assert isinstance(store, RangeCopier)
        size = self.block_size
        data = noise(2 * size)
        self.put(other, "from", data)
        info = other.stat("from")
        for offsets in (False, True):
            upload = store.open_upload(f"to-{offsets}", self.request())
            blocks = [Block(0, 1, i, i * size, size, i * size if offsets else None) for i in (0, 1)]
            for block in blocks:
                store.copy_block(other, info, size - block.start, upload, block)
            self.assert_absent(store, f"to-{offsets}")
            store.commit(upload, blocks)
            assert self.get(store, f"to-{offsets}") == data[size:] + data[:size]
        self._copy_seen(store, other, info, data)
        upload = store.open_upload("never", self.request())
        with self.raises(ShortReadError):
            store.copy_block(other, info, size + 1, upload, Block(0, 1, 0, 0, size))
        self.put(other, "from", noise(2 * size, 1))
        with self.raises(SourceChangedError):
            store.copy_block(other, info, 0, upload, Block(0, 2, 0, 0, size))
        store.abort(upload)
        with self.raises(NotFoundError):
            store.stat("never")

    def _copy_seen(self, store: RangeCopier, other: ObjectStore, info: ObjectInfo, data: bytes) -> None:
        """Either what is copied is seen as well, whole and in order, or nothing is done."""
        assert isinstance(store, ObjectStore)
        upload, seen = store.open_upload("seen", self.request()), bytearray()
        block = Block(0, 1, 0, 0, len(data) - 7, 0)
        if store.copy_seen(other, info, 7, upload, block, seen=seen.extend):
            store.commit(upload, [block])
            assert seen == data[7:], "what copy_seen shows is not what it reads"
            assert self.get(store, "seen") == data[7:]
        else:
            assert not seen, "copy_seen says no and has begun"
        store.abort(upload)


class _Stranger(ObjectStore):
    """A store of another vendor, which nobody can copy from."""

    list = stat = open_read = open_upload = write_block = commit = abort = delete = None  # type: ignore[assignment] # none is called
