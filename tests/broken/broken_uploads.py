"""Stores that are each wrong about one thing when they are written to: variations of the template's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import get_ident

import broken_stores

from crossdock import (
    AlreadyExistsError,
    Block,
    NotFoundError,
    ObjectInfo,
    ObjectStore,
    RangeCopier,
    RemembersUploads,
    ShortReadError,
    StageLostError,
    UploadRequest,
    WholeWriter,
)
from crossdock.template.store import SampleStore

found_by = partial(broken_stores.found_by, also=None)


class OpenStore(SampleStore):
    """Correct; says where things are."""

    def target(self, upload: bytes) -> Path:
        return self.place(json.loads(upload)["path"])

    def staged(self, upload: bytes) -> Path:
        return Path(self.staging, json.loads(upload)["staged"])


# -- blocks ---------------------------------------------------------------------------------------


@found_by("test_upload")
class WordyStore(SampleStore):
    """Writes whole words of two bytes, and loses what is left over."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        super().write_block(upload, block, data[: len(data) // 2 * 2])


@found_by("test_blocks_out_of_order")
class OrderlyStore(OpenStore):
    """Takes a block of a split only behind the one before it."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        before = self.block_name(replace(block, index=block.index - 1))
        if block.index and not (self.staged(upload) / before).exists():
            raise StageLostError(f"block {block.index - 1} is missing")
        super().write_block(upload, block, data)


@found_by("test_blocks_from_several_threads", "test_concurrent_uploads")
class OwnedStore(SampleStore):
    """Works in the thread that has opened it."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.thread = get_ident()

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        if self.thread != get_ident():
            raise RuntimeError("made in another thread")
        super().write_block(upload, block, data)


@found_by("test_block_written_twice")
class OnceStore(OpenStore):
    """Takes each block once."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        if (self.staged(upload) / self.block_name(block)).exists():
            raise AlreadyExistsError(self.block_name(block))
        super().write_block(upload, block, data)


@found_by("test_block_data_is_not_kept")
class KeepingStore(SampleStore):
    """Keeps the engine's buffers until the commit."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.kept: list[tuple[bytes, Block, memoryview]] = []

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        self.kept.append((upload, block, data))

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        for each in self.kept:
            super().write_block(*each)
        super().commit(upload, blocks)


@found_by("test_two_attempts_at_a_split", "test_two_attempts_at_a_split_with_known_offsets")
class JealousStore(OpenStore):
    """Throws away what other attempts at the split have staged."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        for path in self.staged(upload).glob(f"{block.split}.*"):
            if path.name.split(".")[1] != str(block.attempt):
                path.unlink()
        super().write_block(upload, block, data)


@found_by("test_blocks_appear_in_the_order_of_the_commit")
class SortingStore(SampleStore):
    """Joins blocks by their numbers, in whatever order the commit names them."""

    def assemble(self, folder: Path, blocks: Sequence[Block]) -> None:
        super().assemble(folder, sorted(blocks, key=lambda block: (block.split, block.index)))


@found_by("test_block_limits", "test_block_count")
class LimitedStore(SampleStore):
    """Has limits and does not declare them."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        assert len(data) <= 1 << 20, "a block is too large"
        super().write_block(upload, block, data)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        assert len(blocks) <= 100, "there are too many blocks"
        super().commit(upload, blocks)


# -- commit ---------------------------------------------------------------------------------------


@found_by("test_old_content_is_visible_until_commit")
class HastyStore(OpenStore):
    """Removes what will be overwritten when the upload begins."""

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        if request.overwrite:
            self.delete(path)
        return super().open_upload(path, request)


@found_by("test_overwrite_with_less")
class PatchingStore(OpenStore):
    """Writes over what is there, which may be longer."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        target = self.target(upload)
        old = target.read_bytes() if target.exists() else b""
        super().commit(upload, blocks)
        new = target.read_bytes()
        target.write_bytes(new + old[len(new) :])


@found_by("test_zero_blocks_make_an_empty_object", "test_commit_of_an_empty_object_twice")
class StockedStore(SampleStore):
    """Makes no object of nothing."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        if not blocks:
            raise StageLostError("there are no blocks")
        super().commit(upload, blocks)


@found_by("test_missing_block_is_stage_lost", "test_commit_after_abort_is_stage_lost")
class EasyStore(SampleStore):
    """Takes a commit without its blocks for done."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        try:
            super().commit(upload, blocks)
        except StageLostError:
            return


@found_by("test_commit_twice", "test_commit_raced", "test_commit_again_in_another_process")
class SoleCommitStore(OpenStore):
    """Takes its own earlier commit for somebody else's."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        try:
            Path(f"{self.staged(upload)}.taken").touch(exist_ok=False)
        except FileExistsError:
            raise AlreadyExistsError(self.target(upload).name) from None
        super().commit(upload, blocks)


@found_by("test_commit_again_after_abort")
class SweepingStore(OpenStore):
    """Removes the object when a commit of it fails."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        try:
            super().commit(upload, blocks)
        except StageLostError:
            self.target(upload).unlink()
            raise


@found_by("test_guard_against_an_object_that_exists")
class ForcefulStore(SampleStore):
    """Overwrites, whether it may or not."""

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        return super().open_upload(path, replace(request, overwrite=True))


@found_by("test_zombie_block_after_commit")
class LinkedStore(OpenStore):
    """Writes blocks that come late straight into the object."""

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        super().write_block(upload, block, data)
        if self.target(upload).exists():
            self.target(upload).write_bytes(data)


# -- abort, and other processes -------------------------------------------------------------------


@found_by("test_abort_before_any_block")
class BusyStore(OpenStore):
    """Removes what is staged, and nothing where that is nothing."""

    def abort(self, upload: bytes) -> None:
        if any(self.staged(upload).glob("[0-9]*")):
            super().abort(upload)


@found_by("test_abort_after_commit_leaves_the_object_only")
class UntidyStore(OpenStore):
    """Leaves what was staged once it is committed."""

    def abort(self, upload: bytes) -> None:
        if not self.is_done(self.staged(upload)):
            super().abort(upload)


@found_by("test_abort_raced")
class SoleStore(OpenStore):
    """Complains when somebody else has removed what was staged."""

    def abort(self, upload: bytes) -> None:
        shutil.rmtree(self.staged(upload))


@found_by(
    "test_upload_goes_on_in_another_process",
    "test_commit_in_another_process",
    "test_abort_in_another_process",
)
class ForgetfulStore(SampleStore):
    """Knows in memory what was staged, and only that."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.known: set[object] = set()

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        upload = super().open_upload(path, request)
        self.known.add(upload)
        return upload

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        super().write_block(upload, block, data)
        self.known.add(block)

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        if not self.known.issuperset(blocks):
            raise StageLostError("a block is gone")
        super().commit(upload, blocks)

    def abort(self, upload: bytes) -> None:
        if upload in self.known:
            super().abort(upload)


# -- abilities ------------------------------------------------------------------------------------


@found_by("test_run_of_an_object_is_remembered")
class AloofStore(SampleStore, RemembersUploads):
    """Remembers no upload."""

    def committed(self, path: str, run_id: str) -> ObjectInfo | None:
        return None


@found_by("test_whole_writer")
class BluntStore(OpenStore, WholeWriter):
    """Replaces what may not be replaced, where one call makes the object."""

    whole_limit = 1 << 20

    def put_whole(self, upload: bytes, data: memoryview) -> None:
        self.target(upload).parent.mkdir(parents=True, exist_ok=True)
        self.target(upload).write_bytes(data)


class CopyingStore(OpenStore, RangeCopier):
    """Correct."""

    def can_copy_from(self, source: ObjectStore) -> bool:
        return isinstance(source, CopyingStore)

    def copy_block(
        self, source: ObjectStore, info: ObjectInfo, offset: int, upload: bytes, block: Block
    ) -> None:
        data = bytearray(block.length)
        with source.open_read(info.path, info) as reader:
            if reader.read_into(offset, memoryview(data)) < len(data):
                raise ShortReadError(info.path)
        self.write_block(upload, block, memoryview(data))


@found_by("test_range_copier")
class WelcomingStore(CopyingStore):
    """Says that it copies from any store."""

    def can_copy_from(self, source: ObjectStore) -> bool:
        return True


@found_by("test_range_copier")
class OfferingStore(SampleStore):
    """Has the method without the ability: nobody would call it."""

    def copy_block(self) -> None:
        raise NotFoundError("nobody calls this")
