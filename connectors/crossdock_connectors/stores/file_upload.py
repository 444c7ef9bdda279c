"""Staging an upload beside its target, and making it visible in one step.

Staged files of the run R for a target whose path hashes to H, all in one folder on the target's
file system (listings skip the names)::

    .crossdock-R-H.data           blocks with a known offset
    .crossdock-R-H.parts/S.A      blocks of split S, attempt A, whose offset is not known yet
    .crossdock-R-H.done           the upload was committed; stays until ``abort``
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import groupby

from crossdock import (
    AlreadyExistsError,
    Block,
    ConfigError,
    InternalError,
    ObjectAttributes,
    StageLostError,
    UploadRequest,
)
from crossdock.spi.record import record

from .file_bytes import BINARY, copy_range, sync_folder
from .file_list import RESERVED

_VERSION = "2"
_TRIES = 100
_KNOWN = 1_000
_SHORT = 140  # bytes that a name may have on every file system
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


@cache
def boot_id() -> str:
    """Names the time since the machine started; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


@record(slots=True)
class Upload:
    """What a handle says.

    ``final``: the target's absolute path. ``stem``: what the staged names start with. ``boot``: staged
    data is trusted only until the machine restarts (empty: longer). ``missing``: how many folders
    above the target did not exist before this run. ``mode`` and ``modified_ns`` are what the file gets (None:
    what the system gives).
    """

    final: str
    stem: str
    overwrite: bool
    boot: str
    missing: int
    mode: int | None = None
    modified_ns: int | None = None

    @classmethod
    def new(cls, final: str, folder: str, request: UploadRequest, *, sync: bool, missing: int) -> Upload:
        digest = blake2b(os.fsencode(final), digest_size=12).hexdigest()
        stem = f"{folder}/{RESERVED}{request.run_id}-{digest}"
        kept = request.attributes or ObjectAttributes()
        boot = "" if sync else boot_id()
        return cls(final, stem, request.overwrite, boot, missing, kept.mode, kept.modified_ns)

    def encode(self) -> bytes:
        # No path holds a NUL; this costs a tenth of JSON.
        fields = (
            _VERSION,
            self.final,
            self.stem,
            "1" if self.overwrite else "",
            self.boot,
            str(self.missing),
            *("" if number is None else str(number) for number in (self.mode, self.modified_ns)),
        )
        return os.fsencode("\0".join(fields))

    @classmethod
    @lru_cache(maxsize=_KNOWN)  # of a small object each is asked for three times in a row
    def decode(cls, handle: bytes) -> Upload:
        version, *fields = os.fsdecode(handle).split("\0")
        if version != _VERSION or len(fields) != 7:
            raise ConfigError("the upload was begun by another version of crossdock; start the copy anew")
        final, stem, overwrite, boot, missing, *kept = fields
        mode, modified_ns = (int(number) if number else None for number in kept)
        return cls(final, stem, bool(overwrite), boot, int(missing), mode, modified_ns)

    @property
    def data(self) -> str:
        return self.stem + ".data"

    @property
    def parts(self) -> str:
        return self.stem + ".parts"

    @property
    def done(self) -> str:
        return self.stem + ".done"

    def part(self, block: Block) -> str:
        return f"{self.stem}.parts/{block.split}.{block.attempt}"

    def lost(self, why: str) -> StageLostError:
        return StageLostError(f"what was staged for {self.final} is gone: {why}")


def check_names(root: str, path: str) -> None:
    """Raise the OSError of a name that is too long for the file system; folders of it may be missing."""
    if len(path) <= _SHORT and path.isascii():
        return
    longest = max(path.split("/"), key=lambda name: len(os.fsencode(name)))
    if len(os.fsencode(longest)) <= _SHORT:
        return
    while not os.path.isdir(root):
        root = os.path.dirname(root)
    with suppress(FileNotFoundError):
        os.lstat(f"{root}/{longest}")


def create(path: str, mode: int = 0o666) -> int:
    """Open for writing, made where missing, with the folders above (which others may remove meanwhile)."""
    for _ in range(_TRIES):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | BINARY, mode)
        except FileNotFoundError:
            make_folder(os.path.dirname(path))
    return os.open(path, os.O_WRONLY | os.O_CREAT | BINARY, mode)


def make_folder(path: str) -> None:
    """Make a folder and those above it (which others may remove meanwhile); one that exists is fine."""
    for _ in range(_TRIES):
        try:
            os.makedirs(path, exist_ok=True)
        except FileNotFoundError:
            continue
        except FileExistsError as error:
            if os.path.lexists(path) and not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
            continue
        return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def commit(upload: Upload, blocks: Sequence[Block], *, sync: bool) -> bool:
    """As ``ObjectStore.commit``; lets OSError through. Returns whether ``done`` is all that is left."""
    lengths = _lengths(upload, blocks)
    staged = lengths[0][0]
    try:
        found = os.stat(staged)
    except FileNotFoundError:
        if os.path.lexists(upload.done):
            return False
        raise upload.lost("the file is missing") from None
    if upload.overwrite and _is_done(upload, found):
        return False
    if upload.boot and upload.boot != boot_id():
        raise upload.lost("the machine was restarted, and without sync=true the disk may lack some of it")
    _assemble(upload, found.st_size, lengths, sync=sync)
    _keep(upload, staged)
    _publish(upload, staged)
    if sync:
        folder = upload.final
        for _ in range(upload.missing + 1):
            folder = os.path.dirname(folder)
            sync_folder(folder)
    # Blocks have an offset all or none: where one has, none of any attempt went into ``parts``.
    return bool(blocks) and staged == upload.data


def _lengths(upload: Upload, blocks: Sequence[Block]) -> list[tuple[str, int]]:
    """The staged files in order, each with its length in bytes by what the blocks say."""
    if not blocks or blocks[0].offset is not None:
        at = 0
        for block in blocks:
            if block.offset != at:
                raise InternalError(f"the blocks of {upload.final} leave a gap at byte {at:,}")
            at += block.length
        return [(upload.data, at)]
    parts = []
    for part, group in groupby(blocks, upload.part):
        length = 0
        for block in group:
            if block.offset is not None or block.start != length:
                raise InternalError(f"the blocks of split {block.split} of {upload.final} leave a gap")
            length += block.length
        parts.append((part, length))
    return parts


def _assemble(upload: Upload, size: int, lengths: Sequence[tuple[str, int]], *, sync: bool) -> None:
    """Append the other staged files to the first. Each goes to its own offset, so repeating is harmless."""
    total = sum(length for _, length in lengths)
    if size < lengths[0][1]:
        raise upload.lost(f"{size:,} of {lengths[0][1]:,} bytes are there")
    if len(lengths) == 1 and size == total:
        return
    fd = os.open(lengths[0][0], os.O_RDWR | BINARY)
    try:
        at = lengths[0][1]
        for path, length in lengths[1:]:
            _append(upload, path, length, fd, at)
            at += length
        os.ftruncate(fd, total)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def _keep(upload: Upload, staged: str) -> None:
    """Give the staged file what the source's had; last, because every write changes it."""
    if upload.modified_ns is not None:
        os.utime(staged, ns=(upload.modified_ns, upload.modified_ns))
    if upload.mode is not None:
        os.chmod(staged, upload.mode)


def _append(upload: Upload, path: str, length: int, target: int, at: int) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | BINARY)
    except FileNotFoundError:
        raise upload.lost("a part is missing") from None
    try:
        if copy_range(fd, 0, target, at, length) != length:
            raise upload.lost("a part is too short")
    finally:
        os.close(fd)


def _is_done(upload: Upload, staged: os.stat_result) -> bool:
    """Whether an earlier commit ended, though a staged file is there (written again after it)."""
    try:
        done = os.lstat(upload.done)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(done.st_mode) and done.st_ino != staged.st_ino


def is_published(upload: Upload) -> bool:
    """Whether the target is this upload's file (where files have one name only: whether there is one)."""
    if os.path.isdir(upload.done):
        return os.path.lexists(upload.final)
    return _same(upload.done, upload.final)


def _publish(upload: Upload, staged: str) -> None:
    """Give the staged file the target's name, made folders included."""
    for _ in range(_TRIES):
        try:
            return _replace(upload, staged) if upload.overwrite else _link(upload, staged)
        except FileNotFoundError:
            if not os.path.lexists(staged):
                if os.path.lexists(upload.done):  # another committer was faster
                    return None
                raise upload.lost("the file vanished") from None
            make_folder(os.path.dirname(upload.final))
    raise upload.lost(f"somebody keeps removing {os.path.dirname(upload.final)}")


def _replace(upload: Upload, staged: str) -> None:
    """``done`` becomes a second name of the staged file, which then takes the target's."""
    try:
        os.link(staged, upload.done)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        make_folder(upload.done)
    os.replace(staged, upload.final)


def _link(upload: Upload, staged: str) -> None:
    """The target becomes a second name of the staged file, unless it exists; that then becomes ``done``."""
    try:
        os.link(staged, upload.final)
    except FileExistsError:
        if not _same(staged, upload.final) and not os.path.lexists(upload.done):
            raise AlreadyExistsError(f"{upload.final} exists already") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _move(upload, staged)
    os.replace(staged, upload.done)
    return None


def _move(upload: Upload, staged: str) -> None:
    """Where files have one name only: look, then move; who writes the target in between loses.

    ``done`` is a folder here, so that it is not taken for the staged file itself.
    """
    if os.path.lexists(upload.final):
        raise AlreadyExistsError(f"{upload.final} exists already")
    make_folder(upload.done)
    os.replace(staged, upload.final)


def was_published(upload: Upload) -> bool:
    """Whether the target is a file of this run; if not, nobody can publish any more what it has staged."""
    if os.path.lexists(upload.done) and is_published(upload):
        return True
    _withdraw(upload)
    _remove(upload.data)
    _remove_parts(upload.parts)
    # By somebody who was faster.
    return os.path.lexists(upload.done) and is_published(upload)


def _same(staged: str, final: str) -> bool:
    try:
        return os.path.samestat(os.stat(staged), os.lstat(final))
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return False


def discard(upload: Upload, *, settled: bool = False) -> None:
    """Remove all that is staged, and the folders made for the target where nothing came into them.

    ``settled``: ``commit`` has said that ``done`` is all that is left.
    """
    if settled and _remove(upload.done):
        return
    _withdraw(upload)
    _remove(upload.data)
    _remove_parts(upload.parts)
    if _remove(upload.done):  # committed: the folder holds the target
        return
    folder = upload.final
    for _ in range(upload.missing):
        folder = os.path.dirname(folder)
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:  # something came into it
            break


def discard_all(root: str, run_id: str) -> None:
    """Remove all that uploads of the run have staged in ``root`` and below."""
    staged = re.compile(re.escape(f"{RESERVED}{run_id}-") + r"[0-9a-f]{24}\.(?:data|parts|done)")
    for folder, folders, files in os.walk(root):
        for name in filter(staged.fullmatch, files):
            _remove(f"{folder}/{name}")
        for name in filter(staged.fullmatch, folders):
            _remove_parts(f"{folder}/{name}")


def _withdraw(upload: Upload) -> None:
    """Undo a commit that ended half-way through ``_link``: else it stands in the way of the next one."""
    if upload.overwrite or os.path.lexists(upload.done):
        return
    parts = []
    with suppress(FileNotFoundError, NotADirectoryError):
        parts = [f"{upload.parts}/{name}" for name in os.listdir(upload.parts)]
    if any(_same(path, upload.final) for path in (upload.data, *parts)):
        _remove(upload.final)


def _remove(path: str) -> bool:
    """Remove what is there; returns whether something was."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        if not os.path.isdir(path):
            raise
        os.rmdir(path)
    return True


def _remove_parts(folder: str) -> None:
    try:
        with os.scandir(folder) as entries:
            paths = [entry.path for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)
    with suppress(OSError):  # another cleanup was faster, or a late writer is: then it stays hidden
        os.rmdir(folder)
