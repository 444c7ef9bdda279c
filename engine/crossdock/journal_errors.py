"""What SQLite and the operating system say about a journal, as crossdock's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AccessDeniedError, ConfigError, CrossdockError, InternalError, NoSpaceError

_HINT = "CROSSDOCK_HOME says where journals are kept"
_DENIED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite come out as errors about the journal."""
    try:
        yield
    except sqlite3.Error as error:
        raise _journal_error(path, error) from error


def _journal_error(path: Path, error: sqlite3.Error) -> CrossdockError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DENIED:
        return refused(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return NoSpaceError(f"the journal {path} cannot be written: no space is left on its disk", hint=_HINT)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return ConfigError(f"the journal {path} is damaged: {error}")
    return InternalError(f"the journal {path} failed: {error}", detail=repr(error))


def refused(path: Path, why: str) -> CrossdockError:
    return AccessDeniedError(f"the journal {path} cannot be written: {why}", hint=_HINT)


def _is_full(path: Path) -> bool:
    """SQLite tells a full disk apart from other failures only where it writes, not where it maps memory."""
    import shutil  # brings all that archives are packed with

    try:
        return shutil.disk_usage(path.parent).free < 1 << 16
    except OSError:
        return False
