"""Who works on a run: a second SQLite file beside the journal, held in an exclusive transaction.

The operating system drops the lock with the process.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from .errors import ConfigError
from .journal_errors import explained

_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def hold(path: Path, wait: float = 0) -> sqlite3.Connection:
    """Take the run whose journal this is; closing gives it back. ConfigError when another process has it."""
    with explained(path):
        lock = sqlite3.connect(
            path.with_suffix(".lock"), timeout=wait, isolation_level=None, check_same_thread=False
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            lock.close()
            if error.sqlite_errorcode & 0xFF not in _TAKEN:
                raise
            raise ConfigError(f"the run {path.stem!r} is being worked on by another process") from error
    return lock


def is_running(path: Path) -> bool:
    """Whether a live process holds the run. Asking does not keep anybody from taking it."""
    with explained(path), closing(sqlite3.connect(path.with_suffix(".lock"), timeout=0)) as lock:
        try:
            lock.execute("SELECT 1 FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF not in _TAKEN:
                raise
            return True
    return False


def remove(path: Path) -> None:
    """Delete the journal, those of its hops and its companions."""
    import shutil  # brings all that archives are packed with

    shutil.rmtree(path.with_suffix(".hops"), ignore_errors=True)
    for suffix in (".db", ".db-wal", ".db-shm", ".lock", ".lock-journal"):
        with suppress(FileNotFoundError):
            path.with_suffix(suffix).unlink()
