"""Maps the operating system's errors on files to crossdock's."""

from __future__ import annotations

import errno
import os

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigError,
    CrossdockError,
    InternalError,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    TransientError,
)

_MEANING: dict[int, tuple[type[CrossdockError], str]] = {
    errno.ENOENT: (NotFoundError, "does not exist"),
    errno.EEXIST: (AlreadyExistsError, "exists already"),
    errno.EACCES: (AccessDeniedError, "may not be accessed with the permissions of this user"),
    errno.EPERM: (AccessDeniedError, "may not be changed by this user"),
    errno.EROFS: (AccessDeniedError, "is on a file system that is mounted read-only"),
    errno.ENOSPC: (NoSpaceError, "cannot be written: no space is left on the disk"),
    errno.EDQUOT: (NoSpaceError, "cannot be written: the disk quota is used up"),
    errno.EFBIG: (NotSupportedError, "is larger than a file may be on this file system"),
    errno.ENAMETOOLONG: (ConfigError, "has a name that is too long for this file system"),
    errno.EISDIR: (ConfigError, "is a folder where a file is needed"),
    errno.ENOTDIR: (ConfigError, "needs a folder where there is a file"),
    errno.ELOOP: (ConfigError, "runs through a loop of symbolic links"),
    errno.EXDEV: (NotSupportedError, "lies on another mount than the folder that is written to"),
    errno.EILSEQ: (ConfigError, "has a name that this file system cannot hold"),
    errno.EINVAL: (ConfigError, "has a name or use that this file system refuses"),
}
_PASSING = (errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)


def fault(error: OSError, path: str) -> CrossdockError:
    """The crossdock error for ``error``, met while working on ``path`` (as the user knows it)."""
    number = error.errno or 0
    detail = f"{type(error).__name__}: {error}"
    if number in _PASSING:
        return TransientError(f"{path} cannot be reached now: {os.strerror(number)}", detail=detail)
    kind, meaning = _MEANING.get(number, (InternalError, f"failed: {error.strerror or error}"))
    return kind(f"{path} {meaning}", detail=detail)


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the store's own methods have mapped theirs already."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    return fault(error, str(error.filename or "the file"))
