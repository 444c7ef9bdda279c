"""Stores that are each wrong in one way: variations of the template's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from only import AnyWrong
from only import found_by as found

from crossdock import Block, ConnectorSpec, ObjectInfo, ObjectReader, UploadRequest
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


def found_by(
    *checks: str, also: Collection[str] | None = (), spec: ConnectorSpec = SPEC
) -> Callable[[AnyWrong], AnyWrong]:
    return found(
        *checks,
        contract=Wrong,
        spec=spec,
        factory="open_store",
        opens=lambda kind, _, at: kind(at.path),
        also=also,
    )


@found_by("test_guard_survives_a_resume")
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


@found_by("test_guard_against_an_object_that_appeared", "test_guard_survives_a_resume")
class CarelessStore(SampleStore):
    """Looks for a foreign object when the upload begins and not at commit."""

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        upload = super().open_upload(path, request)
        if request.overwrite or not self.place(path).exists():
            return json.dumps(json.loads(upload) | {"overwrite": True}).encode()
        return upload


@found_by("test_commit_again_after_a_foreign_change")
class RepeatingStore(SampleStore):
    """Commits anew each time, from the blocks that are still staged."""

    def is_done(self, folder: Path) -> bool:
        return False


@found_by("test_two_attempts_at_a_split")
class SharingStore(SampleStore):
    """Gives the blocks of all attempts at a split the same name."""

    def block_name(self, block: Block) -> str:
        return f"{block.split}.{block.index}"


@found_by(
    "test_attempts_of_different_length",
    "test_only_named_blocks_are_committed",
    also=(
        "test_abort_after_commit_leaves_the_object_only",
        "test_two_attempts_at_a_split",
        "test_two_attempts_at_a_split_with_known_offsets",
    ),
)
class GreedyStore(SampleStore):
    """Commits all blocks that were written, whatever the commit names."""

    def assemble(self, folder: Path, blocks: Sequence[Block]) -> None:
        names = {self.block_name(block) for block in blocks}
        staged = {path.name for path in folder.glob("[0-9]*")}
        extra = [Block(*map(int, name.split(".")), 0, 0) for name in sorted(staged - names)]  # type: ignore[arg-type]
        super().assemble(folder, [*blocks, *extra])


class LazyReader(ObjectReader):
    """Returns what the first packet brought, though more is to come."""

    def __init__(self, reader: SampleReader) -> None:
        self.reader, self.info = reader, reader.info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self.reader.read_into(offset, buffer[:512])

    def close(self) -> None:
        self.reader.close()


@found_by("test_read_ranges", also=("test_read_from_several_threads",))
class LazyStore(SampleStore):
    """Its readers return less than asked before the end."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> Any:
        return LazyReader(super().open_read(path, info))


@found_by("test_pinned_version_that_changed")
class UnpinnedStore(SampleStore):
    """Reads whatever is there now."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        return super().open_read(path)


@found_by(
    "test_nothing_is_visible_before_commit",
    also=(
        "test_abort_before_any_block",
        "test_abort_in_another_process",
        "test_old_content_is_visible_until_commit",
    ),
)
class IndiscreetStore(SampleStore):
    """Lists what is staged."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.staging = self.root / "tmp"

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        hidden, self.staging = self.staging, self.root / "elsewhere"
        yield from list(super().list(prefix, after))
        self.staging = hidden


@found_by(
    "test_abort_is_idempotent_and_leaves_nothing",
    also=(
        "test_a_run_is_cleaned_up_without_its_paths",
        "test_abort_after_commit_leaves_the_object_only",
        "test_abort_before_any_block",
        "test_abort_in_another_process",
        "test_commit_after_abort_is_stage_lost",
    ),
)
class LeakingStore(SampleStore):
    """Abort removes nothing."""

    def abort(self, upload: bytes) -> None:
        pass


@found_by("test_a_lost_handle_leaves_nothing")
class AbsentStore(SampleStore):
    """Leaves what was staged under a handle that was lost."""

    def abandon(self, path: str, run_id: str) -> None:
        pass


@found_by("test_a_run_is_cleaned_up_without_its_paths")
class ForgetfulStore(SampleStore):
    """Knows what a run has staged by the paths only."""

    def abandon_all(self, run_id: str) -> None:
        pass


@found_by(
    "test_two_runs_on_one_object",
    also=(
        "test_concurrent_uploads",
        "test_guard_against_an_object_that_appeared",
        "test_guard_survives_a_resume",
    ),
)
class ConfidentStore(SampleStore):
    """Declares private staging; its commit throws away what other runs staged."""

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        super().commit(upload, blocks)
        own = json.loads(upload)["staged"]
        for folder in self.staging.iterdir():
            if folder.name != own:
                shutil.rmtree(folder, ignore_errors=True)


@found_by(
    "test_list_is_ordered_and_complete",
    also=(
        "test_list_after",
        "test_list_prefix",
    ),
)
class WalkingStore(SampleStore):
    """Lists in the order of a walk through folders, which is not that of the paths."""

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        for page in super().list(prefix, after):
            yield sorted(page, key=lambda info: info.path.split("/"))
