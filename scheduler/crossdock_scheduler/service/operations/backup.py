"""The whole state of a service on SQLite in one encrypted file, and back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import sqlalchemy as sa

from crossdock import ConfigError, DataError

from ..database import Database
from ..database.migrate import migrate
from ..database.tables import jobs, pipeline_runs, triggers
from ..runs.ending import cancelled
from ..triggers.state import STARTED, STOPPED
from . import archive

DATABASE, SECRET = "service.db", "service.key"
_OTHERS = ("tls/ca.pem", "tls/ca-key.pem")
_ENTRY = struct.Struct(">HQ")
_CHUNK = 1 << 20
# Pages a step: the service writes between two steps.
_PAGES = 2_000


def back_up(folder: Path, file: Path, password: str) -> int:
    """Write the state folder's content as it is at one moment; the bytes of the file. The service may run.

    The file appears when it is whole, for its owner only. Raises ConfigError for a folder without a database.
    """
    if not (folder / DATABASE).is_file():
        raise ConfigError(
            f"{folder} has no {DATABASE}; back up PostgreSQL with pg_dump, and keep {SECRET} with it"
        )
    if not (folder / SECRET).is_file():
        raise ConfigError(f"{folder} has no {SECRET}: without it the secrets of a backup cannot be read")
    with _scratch(file.parent) as scratch:
        copy = scratch / DATABASE
        _copy_database(folder / DATABASE, copy)
        made = scratch / "backup"
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            writer = archive.Writer(target, password)
            for name, path in [(DATABASE, copy), *((name, folder / name) for name in (SECRET, *_OTHERS))]:
                if path.is_file():
                    _write_entry(writer, name, path)
            writer.close()
            target.flush()
            os.fsync(target.fileno())
        size = made.stat().st_size
        made.replace(file)
    return size


class Restored(NamedTuple):
    """The names of the files; how many runs are cancelled and triggers stopped."""

    names: list[str]
    runs: int
    triggers: int


def restore(folder: Path, file: Path, password: str, *, force: bool = False, go_on: bool = False) -> Restored:
    """Bring back what ``back_up`` wrote. The service must not be running.

    Unless they ``go_on``, runs that were in progress are cancelled and triggers stopped: nobody knows what
    they have done since, and they would do it again.
    The whole file is read and checked before anything is changed. Raises DataError for one that is not whole,
    or another password, ConfigError for a folder with something in it unless ``force``.
    """
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; stop its service and give --force to replace what it has")
    try:
        opened = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with opened, _scratch(folder) as scratch:
        names = _unpack(opened, scratch, password)
        _check(scratch / DATABASE)
        runs, triggers = (0, 0) if go_on else _let_rest(scratch / DATABASE)
        _alone(folder / DATABASE)
        # Its log belongs to the database that is replaced: played back into the new one it destroys it.
        for leftover in ("-wal", "-shm"):
            (folder / f"{DATABASE}{leftover}").unlink(missing_ok=True)
        # Made by another CA perhaps; the service makes new ones.
        for issued in ("server.pem", "server-key.pem"):
            (folder / "tls" / issued).unlink(missing_ok=True)
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True, mode=0o700)
            (scratch / name).replace(folder / name)
    return Restored(names, runs, triggers)


def _let_rest(path: Path) -> tuple[int, int]:
    """Cancel the runs in progress, and stop the triggers: how many."""
    database, now = Database(f"sqlite:///{path}"), time.time()
    try:
        migrate(database)
        with database.write() as connection:
            going = pipeline_runs.c.ended.is_(None)
            found = connection.execute(sa.select(pipeline_runs.c.group_id).where(going)).scalars().all()
            for each in dict.fromkeys(found):
                cancelled(connection, each)
            waiting = sa.update(jobs).where(jobs.c.state == "queued")
            connection.execute(waiting.values(state="cancelled", ended=now))
            connection.execute(sa.update(jobs).where(jobs.c.state == "claimed").values(cancelling=True))
            started = sa.update(triggers).where(triggers.c.state == STARTED)
            return len(found), connection.execute(started.values(state=STOPPED, wake_at=None)).rowcount
    finally:
        database.close()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Beside the target, so that what is ready gets there by a rename."""
    try:
        made = Path(tempfile.mkdtemp(prefix=".backup-", dir=folder))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}") from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=30)) as one, closing(sqlite3.connect(target)) as other:
        # A view of one moment: without it, each of the service's writes would begin the copy anew.
        one.execute("BEGIN")
        one.execute("SELECT count(*) FROM sqlite_master").fetchone()
        one.backup(other, pages=_PAGES)


def _check(database: Path) -> None:
    try:
        # Immutable: a database with a log is otherwise not read without being written to.
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise DataError(f"the database in the backup is broken: {said}")


def _alone(database: Path) -> None:
    """Raises ConfigError where a service has the database open: its journal is changed only alone."""
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ConfigError(f"a service is running on {database.parent}; stop it first") from None
    except sqlite3.DatabaseError:
        pass  # it is broken, and replaced


def _write_entry(writer: archive.Writer, name: str, path: Path) -> None:
    encoded = name.encode()
    writer.write(_ENTRY.pack(len(encoded), path.stat().st_size) + encoded)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            writer.write(chunk)


def _unpack(file: BinaryIO, folder: Path, password: str) -> list[str]:
    found: list[str] = []
    waiting, blocks = bytearray(), archive.blocks(file, password)

    def take(size: int) -> bytes:
        while len(waiting) < size:
            if (block := next(blocks, None)) is None:
                raise DataError("the backup is not whole")
            waiting.extend(block)
        taken = bytes(waiting[:size])
        del waiting[:size]
        return taken

    while waiting or (block := next(blocks, None)) is not None:
        if not waiting:
            waiting.extend(block or b"")
            continue
        length, size = _ENTRY.unpack(take(_ENTRY.size))
        name = take(length).decode()
        if name not in (DATABASE, SECRET, *_OTHERS):
            raise DataError("the backup is of a newer release")
        path = folder / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            while size:
                size -= target.write(take(min(size, _CHUNK)))
            target.flush()
            os.fsync(target.fileno())
        found.append(name)
    if not {DATABASE, SECRET} <= set(found):
        raise DataError("the backup has no database, or no secret")
    return found
