"""Records of pipeline runs on this machine: one SQLite file per run, with those of the pipelines it calls.

``user_version`` is the format; another one is refused. The engine's lock says who works on a run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from crossdock import ConfigError, NotFoundError
from crossdock.history import journals, named
from crossdock.journal_errors import explained, refused
from crossdock.journal_lock import hold, is_running, remove

from .records import (
    ActivityRun,
    PipelineRun,
    restored_activity,
    restored_pipeline,
    stored,
)
from .store import Change

VERSION = 1
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE pipeline_runs (
    seq INTEGER PRIMARY KEY, run_id TEXT UNIQUE, ended INTEGER, detached INTEGER, record TEXT
);
CREATE TABLE activity_runs (
    seq INTEGER PRIMARY KEY, run_id TEXT, key TEXT, attempt INTEGER, record TEXT,
    UNIQUE (run_id, key, attempt)
);
CREATE TABLE variables (run_id TEXT, name TEXT, value TEXT, whole INTEGER, PRIMARY KEY (run_id, name))
    WITHOUT ROWID;
"""


def _json(record: ActivityRun | PipelineRun) -> str:
    # An output is JSON; one that has something else in it is no reason to lose the run.
    return json.dumps(stored(record), default=str)


def folder(home: Path | None = None) -> Path:
    return journals(home).with_name("pipeline-runs")


def record_path(run_id: str, home: Path | None = None) -> Path:
    return folder(home) / f"{named(run_id)}.db"


class LocalStore:
    """The records of one run. Begin with ``create`` or ``open``; what it is told is durable at once."""

    def __init__(self, path: Path, *, lock: bool) -> None:
        self.path = path
        self._lock = hold(path, wait=1) if lock else None
        self._fresh = False
        try:
            with explained(path):
                self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
                self._db.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            if self._lock:
                self._lock.close()
            raise

    @classmethod
    def create(cls, run_id: str, facts: Mapping[str, Any], home: Path | None = None) -> LocalStore:
        """Begin the records of a run. ConfigError when its id is taken."""
        path = record_path(run_id, home)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
        except OSError as error:
            raise refused(path, error.strerror or str(error)) from error
        found = cls(path, lock=True)
        try:
            with explained(path):
                if found._version():
                    raise ConfigError(f"the run id {run_id!r} is taken; choose another one with --run-id")
                found._db.execute("PRAGMA journal_mode = WAL")
                found._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
            found._fresh = True
            found.set_facts(facts)
        except BaseException:
            found.close()
            raise
        return found

    @classmethod
    def open(cls, run_id: str, home: Path | None = None, *, lock: bool = True) -> LocalStore:
        """The records that a run has left. NotFoundError; ConfigError when somebody works on it."""
        path = record_path(run_id, home)
        if not path.is_file():
            raise NotFoundError(f"there is no pipeline run {run_id!r} on this machine")
        found = cls(path, lock=lock)
        try:
            with explained(path):
                version = found._version()
            if version != VERSION:
                raise ConfigError(
                    f"the record of the run {run_id!r} has version {version}, this crossdock reads {VERSION}"
                )
        except BaseException:
            found.close()
            raise
        return found

    def close(self) -> None:
        self._db.close()
        if self._lock:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # -- facts of the whole ----------------------------------------------------------------------------

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """What is needed to go on: where the definitions are, who is to be run."""
        with self._writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    def facts(self) -> dict[str, Any]:
        with explained(self.path):
            return {name: json.loads(value) for name, value in self._db.execute("SELECT * FROM facts")}

    def activity_runs(self) -> Iterator[ActivityRun]:
        """In the order in which they began, those of called pipelines too."""
        with explained(self.path):
            for (record,) in self._db.execute("SELECT record FROM activity_runs ORDER BY seq"):
                yield restored_activity(json.loads(record))

    def pipeline_runs(self) -> list[PipelineRun]:
        """In the order in which they began: the first is the one that was asked for."""
        with explained(self.path):
            rows = self._db.execute("SELECT record FROM pipeline_runs ORDER BY seq")
            return [restored_pipeline(json.loads(record)) for (record,) in rows]

    # -- Store -----------------------------------------------------------------------------------------

    async def pipeline_run(self, run_id: str) -> PipelineRun | None:
        with explained(self.path):
            row = self._db.execute("SELECT record FROM pipeline_runs WHERE run_id = ?", (run_id,)).fetchone()
        return restored_pipeline(json.loads(row[0])) if row else None

    async def save_pipeline_run(self, run: PipelineRun) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT INTO pipeline_runs (run_id, ended, detached, record) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (run_id) DO UPDATE SET ended = excluded.ended, record = excluded.record",
                (run.run_id, run.ended is not None, run.detached, _json(run)),
            )

    async def detached(self, group_id: str) -> list[PipelineRun]:
        with explained(self.path):
            rows = self._db.execute(
                "SELECT record FROM pipeline_runs WHERE detached AND NOT ended ORDER BY seq"
            ).fetchall()
        return [restored_pipeline(json.loads(record)) for (record,) in rows]

    async def activity_run(self, run_id: str, key: str, attempt: int) -> ActivityRun | None:
        if self._fresh:
            return None  # nothing is asked for that was written by this process
        with explained(self.path):
            row = self._db.execute(
                "SELECT record FROM activity_runs WHERE run_id = ? AND key = ? AND attempt = ?",
                (run_id, key, attempt),
            ).fetchone()
        return restored_activity(json.loads(row[0])) if row else None

    async def save_activity_run(self, run: ActivityRun, change: Change | None = None) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT INTO activity_runs (run_id, key, attempt, record) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (run_id, key, attempt) DO UPDATE SET record = excluded.record",
                (run.pipeline_run_id, run.key, run.attempt, _json(run)),
            )
            if change is not None:
                db.execute(
                    "INSERT OR REPLACE INTO variables VALUES (?, ?, ?, ?)",
                    (run.pipeline_run_id, change.name, json.dumps(change.value), change.whole),
                )

    async def variables(self, run_id: str) -> list[Change]:
        with explained(self.path):
            rows = self._db.execute(
                "SELECT name, value, whole FROM variables WHERE run_id = ?", (run_id,)
            ).fetchall()
        return [Change(name, json.loads(value), bool(whole)) for name, value, whole in rows]


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A pipeline run of this machine. ``state``: running, interrupted, failed, succeeded or unreadable."""

    run_id: str
    state: str
    run: PipelineRun | None
    error: str = ""


def local_runs(home: Path | None = None) -> list[LocalRun]:
    """Those that have a record, the newest first."""
    found = [local_run(path.stem, home) for path in folder(home).glob("*.db")]
    return sorted(found, key=lambda each: each.run.started.timestamp() if each.run else 0, reverse=True)


def local_run(run_id: str, home: Path | None = None) -> LocalRun:
    """One run. NotFoundError; a record that cannot be read is one of that state."""
    path = record_path(run_id, home)
    try:
        with closing(LocalStore.open(run_id, home, lock=False)) as store:
            runs = store.pipeline_runs()
    except ConfigError as error:
        return LocalRun(run_id, "unreadable", None, str(error))
    unfinished = not runs or any(each.ended is None for each in runs)
    if unfinished:
        return LocalRun(run_id, "running" if is_running(path) else "interrupted", runs[0] if runs else None)
    return LocalRun(run_id, runs[0].status.lower(), runs[0])


def forget(run_id: str, home: Path | None = None) -> None:
    """Remove the record of a run. ConfigError when somebody works on it."""
    path = record_path(run_id, home)
    if not path.is_file():
        raise NotFoundError(f"there is no pipeline run {run_id!r} on this machine")
    hold(path).close()
    remove(path)
