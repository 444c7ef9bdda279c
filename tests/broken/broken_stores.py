"""Stores that are each wrong in one way: variations of the template's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crossdock import Block, Location, ObjectInfo, ObjectReader, UploadRequest
from crossdock.contract import StoreContract
from crossdock.template.store import SPEC, SampleReader, SampleStore


class Wrong(StoreContract):
    """The kit on a broken store; not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sample://{tmp_path / 'store'}"

    def inventory(self, url: str) -> Collection[str]:
        root = Path(url.removeprefix("sample://"))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".staged")


class AmnesicStore(SampleStore):
    """Keeps in memory, not in the handle, that an object may not be replaced."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.guarded: set[bytes] = set()

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        upload = super().open_upload(path, request)
        self.guarded.add(upload)
        return upload

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        if upload not in self.guarded:
            upload = json.dumps(json.loads(upload) | {"overwrite": True}).encode()
        super().commit(upload, blocks)


def open_amnesic(config: Any, location: Location) -> AmnesicStore:
    return AmnesicStore(location.path)


class TestForgetsItsGuardOnResume(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_amnesic)
    caught_by = frozenset({"test_guard_survives_a_resume"})


class CarelessStore(SampleStore):
    """Looks for a foreign object when the upload begins and not at commit."""

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        upload = super().open_upload(path, request)
        if request.overwrite or not self.place(path).exists():
            return json.dumps(json.loads(upload) | {"overwrite": True}).encode()
        return upload


def open_careless(config: Any, location: Location) -> CarelessStore:
    return CarelessStore(location.path)


class TestLooksOnlyOnce(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_careless)
    caught_by = frozenset({"test_guard_against_an_object_that_appeared", "test_guard_survives_a_resume"})


class RepeatingStore(SampleStore):
    """Commits anew each time, from the blocks that are still staged."""

    def is_done(self, folder: Path) -> bool:
        return False


def open_repeating(config: Any, location: Location) -> RepeatingStore:
    return RepeatingStore(location.path)


class TestCommitsTwice(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_repeating)
    caught_by = frozenset({"test_commit_again_after_a_foreign_change"})


class SharingStore(SampleStore):
    """Gives the blocks of all attempts at a split the same name."""

    def block_name(self, block: Block) -> str:
        return f"{block.split}.{block.index}"


def open_sharing(config: Any, location: Location) -> SharingStore:
    return SharingStore(location.path)


class TestOneStagingNameForTwoAttempts(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_sharing)
    caught_by = frozenset({"test_two_attempts_at_a_split"})


class GreedyStore(SampleStore):
    """Commits all blocks that were written, whatever the commit names."""

    def assemble(self, folder: Path, blocks: Sequence[Block]) -> None:
        names = {self.block_name(block) for block in blocks}
        staged = {path.name for path in folder.glob("[0-9]*")}
        extra = [Block(*map(int, name.split(".")), 0, 0) for name in sorted(staged - names)]  # type: ignore[arg-type]
        super().assemble(folder, [*blocks, *extra])


def open_greedy(config: Any, location: Location) -> GreedyStore:
    return GreedyStore(location.path)


class TestCommitsBlocksThatAreNotNamed(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_greedy)
    caught_by = frozenset({"test_only_named_blocks_are_committed"})
    also = frozenset(
        {
            "test_abort_after_commit_leaves_the_object_only",
            "test_attempts_of_different_length",
            "test_two_attempts_at_a_split",
            "test_two_attempts_at_a_split_with_known_offsets",
        }
    )


class LazyReader(ObjectReader):
    """Returns what the first packet brought, though more is to come."""

    def __init__(self, reader: SampleReader) -> None:
        self.reader, self.info = reader, reader.info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self.reader.read_into(offset, buffer[:512])

    def close(self) -> None:
        self.reader.close()


class LazyStore(SampleStore):
    """Its readers return less than asked before the end."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> Any:
        return LazyReader(super().open_read(path, info))


def open_lazy(config: Any, location: Location) -> LazyStore:
    return LazyStore(location.path)


class TestReturnsShortReads(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_lazy)
    caught_by = frozenset({"test_read_ranges"})
    also = frozenset({"test_read_from_several_threads"})


class UnpinnedStore(SampleStore):
    """Reads whatever is there now."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        return super().open_read(path)


def open_unpinned(config: Any, location: Location) -> UnpinnedStore:
    return UnpinnedStore(location.path)


class TestForgetsThePinnedVersion(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_unpinned)
    caught_by = frozenset({"test_pinned_version_that_changed"})


class IndiscreetStore(SampleStore):
    """Lists what is staged."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.staging = self.root / "tmp"

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        hidden, self.staging = self.staging, self.root / "elsewhere"
        yield from list(super().list(prefix, after))
        self.staging = hidden


def open_indiscreet(config: Any, location: Location) -> IndiscreetStore:
    return IndiscreetStore(location.path)


class TestListsStagedData(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_indiscreet)
    caught_by = frozenset({"test_nothing_is_visible_before_commit"})
    also = frozenset(
        {
            "test_abort_before_any_block",
            "test_abort_in_another_process",
            "test_old_content_is_visible_until_commit",
        }
    )


class LeakingStore(SampleStore):
    """Abort removes nothing."""

    def abort(self, upload: bytes) -> None:
        pass


def open_leaking(config: Any, location: Location) -> LeakingStore:
    return LeakingStore(location.path)


class TestLeaksOnAbort(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_leaking)
    caught_by = frozenset({"test_abort_is_idempotent_and_leaves_nothing"})
    also = frozenset(
        {
            "test_abort_after_commit_leaves_the_object_only",
            "test_abort_before_any_block",
            "test_a_run_is_cleaned_up_without_its_paths",
            "test_abort_in_another_process",
            "test_commit_after_abort_is_stage_lost",
        }
    )


class AbsentStore(SampleStore):
    """Leaves what was staged under a handle that was lost."""

    def abandon(self, path: str, run_id: str) -> None:
        pass


def open_absent(config: Any, location: Location) -> AbsentStore:
    return AbsentStore(location.path)


class TestLeavesWhatALostHandleStaged(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_absent)
    caught_by = frozenset({"test_a_lost_handle_leaves_nothing"})


class ForgetfulStore(SampleStore):
    """Knows what a run has staged by the paths only."""

    def abandon_all(self, run_id: str) -> None:
        pass


def open_forgetful(config: Any, location: Location) -> ForgetfulStore:
    return ForgetfulStore(location.path)


class TestLeavesWhatARunStaged(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_forgetful)
    caught_by = frozenset({"test_a_run_is_cleaned_up_without_its_paths"})


class ConfidentStore(SampleStore):
    """Declares private staging; its commit throws away what other runs staged."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        super().commit(upload, blocks)
        own = json.loads(upload)["staged"]
        for folder in self.staging.iterdir():
            if folder.name != own:
                shutil.rmtree(folder, ignore_errors=True)


def open_confident(config: Any, location: Location) -> ConfidentStore:
    return ConfidentStore(location.path)


class TestDeclaresPrivateStaging(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_confident)
    caught_by = frozenset({"test_two_runs_on_one_object"})
    also = frozenset(
        {
            "test_concurrent_uploads",
            "test_guard_against_an_object_that_appeared",
            "test_guard_survives_a_resume",
        }
    )


class WalkingStore(SampleStore):
    """Lists in the order of a walk through folders, which is not that of the paths."""

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        for page in super().list(prefix, after):
            yield sorted(page, key=lambda info: info.path.split("/"))


def open_walking(config: Any, location: Location) -> WalkingStore:
    return WalkingStore(location.path)


class TestListsInTheOrderOfAWalk(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_walking)
    caught_by = frozenset({"test_list_is_ordered_and_complete"})
    also = frozenset({"test_list_after", "test_list_prefix"})
