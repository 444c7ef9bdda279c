"""A correct, small ObjectStore on a folder: what the broken stores vary. Each staged block is a file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossdock import (
    AlreadyExistsError,
    Block,
    Capabilities,
    ConfigError,
    ConnectorConfig,
    ConnectorSpec,
    Location,
    NotFoundError,
    ObjectInfo,
    ObjectReader,
    ObjectStore,
    SourceChangedError,
    StageLostError,
    UploadRequest,
    WriteMode,
)

_BAD = re.compile(r"[\x00-\x1f\x7f]|^/|(^|/)\.{0,2}(/|$)|^\.staged")


class FolderReader(ObjectReader):
    def __init__(self, fd: int, info: ObjectInfo) -> None:
        self.fd, self.info = fd, info

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return os.preadv(self.fd, [buffer], offset)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class FolderStore(ObjectStore):
    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.staging = self.root / ".staged"

    def place(self, path: str) -> Path:
        if _BAD.search(path):
            raise ConfigError(f"{path!r} is no path in this store")
        return self.root / path

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self.root)) for path in found if self.staging not in path.parents)
        names = [name for name in names if name.startswith(prefix) and (after is None or name > after)]
        for start in range(0, len(names), 7):
            yield [self.stat(name) for name in names[start : start + 7]]

    def stat(self, path: str) -> ObjectInfo:
        with self.open_read(path) as reader:
            return reader.info

    def open_read(self, path: str, info: ObjectInfo | None = None) -> FolderReader:
        place = self.place(path)
        if not place.is_file():
            raise NotFoundError(f"there is no object {path!r}")
        fd = os.open(place, os.O_RDONLY)
        found = os.fstat(fd)
        etag = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
        if info is not None and info.etag != etag:
            os.close(fd)
            raise SourceChangedError(f"{path!r} changed")
        return FolderReader(fd, ObjectInfo(path, found.st_size, etag, found.st_mtime))

    def open_upload(self, path: str, request: UploadRequest) -> bytes:
        self.place(path)
        staged = self.staged_name(path, request.run_id)
        (self.staging / staged).mkdir(parents=True)
        return json.dumps({"path": path, "overwrite": request.overwrite, "staged": staged}).encode()

    def staged_name(self, path: str, run_id: str) -> str:
        return f"{run_id}-{hashlib.sha256(path.encode()).hexdigest()[:24]}"

    def abandon(self, path: str, run_id: str) -> None:
        shutil.rmtree(self.staging / self.staged_name(path, run_id), ignore_errors=True)

    def abandon_all(self, run_id: str) -> None:
        for staged in self.staging.glob("*"):
            if staged.name.rpartition("-")[0] == run_id:
                shutil.rmtree(staged)

    def block_name(self, block: Block) -> str:
        return f"{block.split}.{block.attempt}.{block.index}"

    def write_block(self, upload: bytes, block: Block, data: memoryview) -> None:
        folder = self.staging / json.loads(upload)["staged"]
        draft = folder / f"draft-{os.urandom(8).hex()}"
        try:
            draft.write_bytes(data)
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
            draft.write_bytes(b"".join((folder / self.block_name(block)).read_bytes() for block in blocks))
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


def open_folder(config: ConnectorConfig, location: Location) -> FolderStore:
    return FolderStore(location.path)


def spec_of(opened: Any, **capabilities: Any) -> ConnectorSpec:
    """The spec of a store that ``opened`` opens."""
    said = {"write_modes": frozenset({WriteMode.ERROR, WriteMode.OVERWRITE})} | capabilities
    return ConnectorSpec(
        name="folder",
        summary="Objects as files in a folder",
        kind="store",
        schemes=("folder",),
        capabilities=Capabilities(**said),
        open_store=opened,
        example="crossdock copy data/ folder:///backup",
    )


SPEC = spec_of(open_folder)
