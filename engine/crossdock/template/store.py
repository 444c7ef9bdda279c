"""A store connector for crossdock: objects as files in a folder (``sample:///folder``).

Each staged block is a file of its own in ``.staged``; a commit joins them and gives the object its name in
one step. ``done``, a second name of what was committed, is how a second commit finds the first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path

from pydantic import Field

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Block,
    Capabilities,
    ConfigError,
    ConnectorConfig,
    ConnectorSpec,
    CrossdockError,
    Location,
    NoSpaceError,
    NotFoundError,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    SourceChangedError,
    StageLostError,
    UploadRequest,
    WriteMode,
    hookimpl,
)

_BAD = re.compile(r"[\x00-\x1f\x7f]|^/|(^|/)\.{0,2}(/|$)|^\.staged")


class SampleConfig(ConnectorConfig):
    """The options, as ``-s key=value`` and ``-k key=value`` give them."""

    page_size: int = Field(1000, ge=1, le=10_000, description="How many objects a page of a listing has")


class SampleReader(ObjectReader):
    """One open file: what is read is one version, whatever happens to its name."""

    def __init__(self, file: int, info: ObjectInfo) -> None:
        self._file, self.info = file, info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        done = 0
        while done < len(buffer) and (count := os.preadv(self._file, [buffer[done:]], offset + done)):
            done += count
        return done

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class SampleStore(ObjectStore):
    """Handles are JSON: everything that another process needs to go on."""

    def __init__(self, root: str, page_size: int = 1000) -> None:
        self.root, self.page_size = Path(root), page_size
        self.staging = self.root / ".staged"

    def place(self, path: str) -> Path:
        if _BAD.search(path):
            raise ConfigError(f"{path!r} is no path in this store")
        return self.root / path

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self.root)) for path in found if self.staging not in path.parents)
        names = [name for name in names if name.startswith(prefix) and (after is None or name > after)]
        for start in range(0, len(names), self.page_size):
            yield [self.stat(name) for name in names[start : start + self.page_size]]

    def stat(self, path: str) -> ObjectInfo:
        with self.open_read(path) as reader:
            return reader.info

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        place = self.place(path)
        if not place.is_file():
            raise NotFoundError(f"there is no object {path!r}")
        file = os.open(place, os.O_RDONLY)
        found = os.fstat(file)
        etag = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
        if info is not None and info.etag != etag:
            os.close(file)
            raise SourceChangedError(f"{path!r} changed")
        return SampleReader(file, ObjectInfo(path, found.st_size, etag, found.st_mtime))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        self.place(path)
        staged = self.staged_name(path, request.run_id)
        (self.staging / staged).mkdir(parents=True)
        return json.dumps({"path": path, "overwrite": request.overwrite, "staged": staged}).encode()

    def staged_name(self, path: str, run_id: str) -> str:
        """By the path and the run alone: whoever cleans up may have lost the handle."""
        return f"{run_id}-{hashlib.sha256(path.encode()).hexdigest()[:24]}"

    def abandon(self, path: str, run_id: str) -> None:
        shutil.rmtree(self.staging / self.staged_name(path, run_id), ignore_errors=True)

    def abandon_all(self, run_id: str) -> None:
        for staged in self.staging.glob("*"):
            if staged.name.rpartition("-")[0] == run_id:
                shutil.rmtree(staged, ignore_errors=True)

    def block_name(self, block: Block) -> str:
        """No other attempt has this name: a worker that was thought dead may still be writing."""
        return f"{block.split}.{block.attempt}.{block.index}"

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        folder = self.staging / json.loads(upload)["staged"]
        draft = folder / f"draft-{os.urandom(8).hex()}"
        try:
            with draft.open("wb") as file:
                file.write(data)
                os.fsync(file.fileno())
            draft.rename(folder / self.block_name(block))
        except FileNotFoundError:
            raise StageLostError("the upload was aborted") from None

    def commit(self, upload: bytes, blocks: Sequence[Block]) -> None:
        begun = json.loads(upload)
        folder, target = self.staging / begun["staged"], self.place(begun["path"])
        if self.is_done(folder):
            return
        self.assemble(folder, blocks)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another committer of this upload was faster
            if begun["overwrite"]:
                with suppress(FileExistsError):
                    os.link(folder / "object", folder / "done")
                (folder / "object").replace(target)
            else:
                self.link(folder, target)

    def link(self, folder: Path, target: Path) -> None:
        """A hard link fails where the name is taken, which a rename does not."""
        try:
            os.link(folder / "object", target)
        except FileExistsError:
            if not (folder / "done").exists() and not target.samefile(folder / "object"):
                raise AlreadyExistsError(f"{target.name} exists already") from None
        (folder / "object").replace(folder / "done")

    def is_done(self, folder: Path) -> bool:
        """``done`` is a second name of what was committed; ``object`` is gone once it is the target."""
        return (folder / "done").exists() and not (folder / "object").exists()

    def assemble(self, folder: Path, blocks: Sequence[Block]) -> None:
        draft = folder / f"draft-{os.urandom(8).hex()}"
        try:
            with draft.open("wb") as file:
                for block in blocks:
                    with (folder / self.block_name(block)).open("rb") as staged:
                        shutil.copyfileobj(staged, file)
                os.fsync(file.fileno())
        except FileNotFoundError as error:
            raise StageLostError(f"a block is gone: {error}") from None
        if not self.is_done(folder):
            with suppress(FileExistsError):
                os.link(draft, folder / "object")

    def abort(self, upload: bytes) -> None:
        shutil.rmtree(self.staging / json.loads(upload)["staged"], ignore_errors=True)

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            self.place(path).unlink()


def classify(error: BaseException) -> CrossdockError | None:
    """What the file system raises, in crossdock's words."""
    if isinstance(error, FileNotFoundError):
        return NotFoundError(str(error))
    if isinstance(error, PermissionError):
        return AccessDeniedError(str(error))
    if isinstance(error, OSError):
        return NoSpaceError(str(error)) if error.errno in (ENOSPC, EDQUOT) else ConfigError(str(error))
    return None


def open_store(config: SampleConfig, location: Location) -> SampleStore:
    return SampleStore(location.path, config.page_size)


SPEC = ConnectorSpec(
    name="sample",
    summary="Objects as files in a folder",
    kind="store",
    config=SampleConfig,
    schemes=("sample",),
    capabilities=Capabilities(write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE})),
    open_store=open_store,
    classify=classify,
    example="crossdock copy data/ sample:///backup",
)


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [SPEC]
