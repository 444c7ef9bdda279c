"""The journal of a run: one SQLite file with the plan, a receipt per finished split and the unit's states.

The plan is stored once; a resumed run reads it back. Writes are grouped: one transaction for a
page of units. ``user_version`` is the format; another one is refused.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import CancelledError, ConfigError, NotFoundError
from .journal_errors import explained, refused
from .journal_lock import hold, remove
from .journal_log import LOG_TABLE, UNIT, JournalLog, insert_lines, make_ready, skip_unit
from .journal_rows import SplitRow, Totals, UnitRow, UnitState, begun_from, decoded, encoded, limits_text
from .skips import Line
from .spi.data import Begun, Receipt, Split, Unit

VERSION = 5
_SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE units (
    seq INTEGER PRIMARY KEY, name BLOB, size INTEGER, token BLOB, state INTEGER DEFAULT 0,
    handle BLOB, begun TEXT, target BLOB, skipped INTEGER
);
CREATE INDEX units_open ON units (seq) WHERE state < 5;
CREATE UNIQUE INDEX units_target ON units (target) WHERE target IS NOT NULL;
CREATE TABLE splits (
    seq INTEGER, idx INTEGER, token BLOB, weight INTEGER, off INTEGER, len INTEGER, memory INTEGER,
    receipt BLOB, items INTEGER, bytes INTEGER, rows INTEGER, digest TEXT, skipped INTEGER DEFAULT 0,
    PRIMARY KEY (seq, idx)
) WITHOUT ROWID;
"""


class Journal(JournalLog):
    """Open with ``create`` or ``open``; all methods are safe from several threads."""

    def __init__(self, path: Path, *, lock: bool) -> None:
        self.path = path
        self._epoch, self._staged = 0, 0.0
        self._mutex = threading.Lock()
        # Whoever looks whether a run is alive has its lock for a moment.
        self._lock = hold(path, wait=1) if lock else None
        try:
            self._db = _connect(path)
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def create(cls, path: Path, **facts: Any) -> Journal:
        """Start a journal with these facts of the run. Raises ConfigError when the run id is taken."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise refused(path, error.strerror or str(error)) from error
        journal, ours = cls(path, lock=True), False
        try:
            journal._refuse_taken()
            ours = True
            journal._make(facts)
        except BaseException:
            journal.close()
            if ours:
                remove(path)
            raise
        return journal

    def _refuse_taken(self) -> None:
        with explained(self.path):
            taken = self._version()
        if taken:
            run = self.path.stem
            raise ConfigError(f"the run id {run!r} is taken; resume it with: crossdock runs resume {run}")

    def _make(self, facts: dict[str, Any]) -> None:
        with explained(self.path):
            self._db.execute("PRAGMA journal_mode = WAL")
        # In one step: a process that is killed here leaves a journal without a version, which is none.
        with self._transaction() as db:
            for statement in (_SCHEMA + LOG_TABLE).split(";"):
                db.execute(statement)
            _store(db, facts)
            db.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    @classmethod
    def open(cls, path: Path, *, lock: bool = True) -> Journal:
        """Open an existing journal. Raises NotFoundError, or ConfigError for another version."""
        if not path.is_file():
            raise NotFoundError(f"there is no run {path.stem!r}; crossdock runs lists them")
        journal = cls(path, lock=lock)
        try:
            journal._check_version()
        except BaseException:
            journal.close()
            raise
        return journal

    def _check_version(self) -> None:
        with explained(self.path):
            version = self._version()
        if not version:
            raise NotFoundError(f"the run {self.path.stem!r} ended before it began; copy again")
        if version != VERSION:
            raise ConfigError(
                f"the journal of run {self.path.stem!r} has version {version}, this crossdock reads "
                f"{VERSION}; resume it with the release that began it"
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._check_epoch()
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # After some errors (a full disk) SQLite has rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _check_epoch(self) -> None:
        """A process that slept while another one went on (its lock was lost) may not write any more."""
        if not self._epoch:
            return
        ((epoch,),) = self._db.execute("SELECT value FROM run WHERE key = 'epoch'").fetchall()
        if int(epoch) != self._epoch:
            raise CancelledError(f"another process has taken over the run {self.path.stem!r}")

    def _query(self, sql: str, *args: Any) -> list[Any]:
        with self._mutex, explained(self.path):
            return self._db.execute(sql, args).fetchall()

    def set(self, **values: Any) -> None:
        """Store facts of the run (JSON values)."""
        with self._transaction() as db:
            _store(db, values)

    def get(self, key: str, default: Any = None) -> Any:
        rows = self._query("SELECT value FROM run WHERE key = ?", key)
        return json.loads(rows[0][0]) if rows else default

    def next_epoch(self, least: int = 1) -> int:
        """A number that grows with every process that works on this run; attempts are counted from it.

        ``least``: no smaller one; other journals of the same run have given those. From then on processes
        with a smaller one can write to the journal no more: CancelledError.
        """
        with self._transaction() as db:
            row = db.execute("SELECT value FROM run WHERE key = 'epoch'").fetchone()
            epoch = max(int(row[0]) + 1 if row else 1, least)
            _store(db, {"epoch": epoch})
            # While no other thread of this process can write.
            self._epoch = epoch
        return epoch

    def add_units(
        self, units: Sequence[Unit], cursor: str | None, target: Callable[[Unit], str | None] = lambda _: None
    ) -> None:
        """Append a page of the plan, and where listing goes on (None: only from the start).

        ``target``: a name that no two units may have. Raises ConfigError for the second one.
        """
        with self._transaction() as db:
            for unit in units:
                name = target(unit)
                row = (encoded(unit.name), unit.size, unit.token, None if name is None else encoded(name))
                try:
                    db.execute("INSERT INTO units (name, size, token, target) VALUES (?, ?, ?, ?)", row)
                except sqlite3.IntegrityError:
                    ((other,),) = db.execute("SELECT name FROM units WHERE target = ?", row[3:]).fetchall()
                    raise ConfigError(
                        f"{decoded(other)} and {unit.name} would both become {name}; copy them apart"
                    ) from None
            _store(db, {"cursor": cursor})

    def unlist(self) -> None:
        """Forget all units, so that listing can start again. Only while none has begun."""
        with self._transaction() as db:
            db.execute("DELETE FROM units")

    def open_units(self, after: int, limit: int) -> list[UnitRow]:
        """Units that are not finished, in order, behind ``after``."""
        return self._units("INDEXED BY units_open WHERE state < 5", after, limit)

    def done_units(self, after: int, limit: int) -> list[UnitRow]:
        """Units that were copied, in order, behind ``after``."""
        return self._units("WHERE state = 5", after, limit)

    def _units(self, which: str, after: int, limit: int) -> list[UnitRow]:
        rows = self._query(
            f"SELECT seq, name, size, token, state, handle, begun FROM units {which}"  # noqa: S608 - our own
            " AND seq > ? ORDER BY seq LIMIT ?",
            after,
            limit,
        )
        return [
            UnitRow(seq, Unit(decoded(name), size, token), UnitState(state), begun_from(handle, begun))
            for seq, name, size, token, state, handle, begun in rows
        ]

    def begin(self, begun: Iterable[tuple[int, Begun, Sequence[Split]]]) -> None:
        """Store handles and plans of units, before any of their data moves."""
        units, plans = [], []
        for seq, b, splits in begun:
            limits = limits_text(b.max_writers, b.max_splits, b.block, b.min_split_bytes, b.memory)
            units.append((b.handle, limits, seq))
            plans += [(seq, s.index, s.token, s.weight, s.offset, s.length, s.memory) for s in splits]
        with self._transaction() as db:
            db.executemany("UPDATE units SET state = 2, handle = ?, begun = ? WHERE seq = ?", units)
            db.executemany(
                "INSERT INTO splits (seq, idx, token, weight, off, len, memory) VALUES (?,?,?,?,?,?,?)", plans
            )

    def splits(self, row: UnitRow) -> list[SplitRow]:
        """The stored plan of a unit with its receipts, in order."""
        rows = self._query(
            "SELECT idx, token, weight, off, len, memory, receipt, items, bytes, rows, skipped, digest"
            " FROM splits WHERE seq = ? ORDER BY idx",
            row.seq,
        )
        return [
            SplitRow(
                Split(row.unit.name, idx, token, weight, off, length, memory),
                None if receipt is None else Receipt(receipt, items, size, count, skipped=skipped),
                digest or "",
            )
            for idx, token, weight, off, length, memory, receipt, items, size, count, skipped, digest in rows
        ]

    def add_receipts(self, done: Iterable[tuple[int, Split, Receipt, str]]) -> None:
        """Store proofs, with the digest of what was read from the source (empty: none)."""
        done = list(done)
        with self._transaction() as db:
            db.executemany(
                "UPDATE splits SET receipt = ?, items = ?, bytes = ?, rows = ?, skipped = ?, digest = ?,"
                " len = ? WHERE seq = ? AND idx = ?",
                [
                    (r.token, r.items, r.bytes, r.rows, r.skipped, d, s.length, seq, s.index)
                    for seq, s, r, d in done
                ],
            )
            # In the same step: nobody may take what can be seen already for something that is only staged.
            _set_state(db, [seq for seq, _, receipt, _ in done if receipt.visible], UnitState.COMMITTED)
            # The window for resuming is of days: seconds are exact enough.
            if (now := time.time()) - self._staged > 1:
                _store(db, {"staged": now})
                self._staged = now

    def digests(self, prefix: str) -> Iterator[str]:
        """The digests of carried splits that begin so."""
        rows = self._query("SELECT digest FROM splits WHERE substr(digest, 1, ?) = ?", len(prefix), prefix)
        return (row[0] for row in rows)

    def receipts(self) -> Iterator[bytes]:
        """The tokens of all receipts."""
        return (row[0] for row in self._query("SELECT receipt FROM splits WHERE receipt NOT NULL"))

    def forget_splits(self, seq: int) -> None:
        """Staged data of a unit is lost: its receipts and its handle count no more.

        A unit that is visible already stays as it is.
        """
        with self._transaction() as db:
            staged = "UPDATE units SET state = 0, handle = NULL, begun = NULL WHERE seq = ? AND state < 3"
            if db.execute(staged, (seq,)).rowcount:
                db.execute("DELETE FROM splits WHERE seq = ?", (seq,))
                db.execute("DELETE FROM log WHERE ready = 0 AND seq = ?", (seq,))

    def forget_begun(self) -> None:
        """As ``forget_splits`` for all units; that the sink was asked to begin them stays known."""
        begun = "seq IN (SELECT seq FROM units WHERE state = 2)"
        with self._transaction() as db:
            db.execute(f"DELETE FROM splits WHERE {begun}")  # noqa: S608 - our own
            db.execute(f"DELETE FROM log WHERE ready = 0 AND {begun}")  # noqa: S608 - our own
            db.execute("UPDATE units SET state = 1, handle = NULL, begun = NULL WHERE state = 2")

    def add_committed(self, seq: int, receipt: Receipt) -> None:
        """The unit is done: somebody else has committed it, whose handle nobody knows."""
        with self._transaction() as db:
            for each in ("splits", "log"):
                db.execute(f"DELETE FROM {each} WHERE seq = ?", (seq,))  # noqa: S608 - names of our own
            db.execute(
                "INSERT INTO splits (seq, idx, token, weight, receipt, items, bytes, rows)"
                " VALUES (?, 0, x'', 1, ?, ?, ?, ?)",
                (seq, receipt.token, receipt.items, receipt.bytes, receipt.rows),
            )
            db.execute("UPDATE units SET state = 5, handle = NULL, begun = NULL WHERE seq = ?", (seq,))

    def has_others(self) -> bool:
        """Whether somebody else has committed a unit: ``add_committed``."""
        return bool(self._query("SELECT 1 FROM units WHERE state = 5 AND handle IS NULL LIMIT 1"))

    def set_state(self, seqs: Iterable[int], state: UnitState) -> None:
        with self._transaction() as db:
            _set_state(db, seqs, state)

    def end_units(self, lines: Mapping[int, Sequence[Line]], state: UnitState) -> None:
        """Units are done or skipped, for good, and this is what the log is to have of each."""
        with self._transaction() as db:
            for seq, own in lines.items():
                insert_lines(db, seq, UNIT, own)
                make_ready(db, seq, seq)
            _set_state(db, lines, state)

    def skip(self, seq: int, line: Line | None = None) -> None:
        """The unit is skipped for good; its staged or written data is gone already."""
        with self._transaction() as db:
            skip_unit(db, seq, line)
            _set_state(db, [seq], UnitState.SKIPPED)

    def begun_handles(self) -> list[tuple[int, bytes]]:
        """Units that were begun and not cleaned up: what is left to do for a run that is given up."""
        return self._query("SELECT seq, handle FROM units WHERE state IN (2, 3, 4)")

    def beginnings(self) -> list[tuple[int, Unit]]:
        """Units that the sink was asked to begin, whose handle nobody knows."""
        rows = self._query("SELECT seq, name, size, token FROM units WHERE state = 1")
        return [(seq, Unit(decoded(name), size, token)) for seq, name, size, token in rows]

    def has_traces(self) -> bool:
        """Whether the run has left anything at the sink: something visible or something staged."""
        return bool(self._query("SELECT 1 FROM units WHERE state BETWEEN 1 AND 5 LIMIT 1"))

    def finish(self, **facts: Any) -> None:
        """The run has succeeded: store its facts and totals, and drop the plan unless ``settle`` needs it."""
        self.set(**facts, totals=asdict(self.totals()))
        if not self.get("kept"):
            self.drop_plan()

    def drop_plan(self) -> None:
        # Only tidies up: a full disk is no reason to call the run a failure.
        with suppress(sqlite3.Error), self._mutex:
            self._db.executescript(
                "DELETE FROM splits; DELETE FROM units; DELETE FROM log; PRAGMA wal_checkpoint(TRUNCATE)"
            )

    def skipped(self, limit: int = 1000) -> list[str]:
        """Names of skipped units."""
        return [decoded(r[0]) for r in self._query("SELECT name FROM units WHERE state = 6 LIMIT ?", limit)]

    def totals(self) -> Totals:
        if stored := self.get("totals"):
            return Totals(**stored)
        units = self._query(
            "SELECT count(*), sum(state >= 5), sum(state BETWEEN 3 AND 5), sum(state = 6), sum(size)"
            " FROM units"
        )[0]
        splits = self._query(
            "SELECT count(*), count(receipt), sum(CASE WHEN receipt NOT NULL THEN coalesce(len, bytes) END),"
            " sum(bytes), sum(rows), sum(skipped) FROM splits"
        )[0]
        late = self._query("SELECT sum(skipped) FROM units")[0][0] or 0
        return Totals(
            units[0], units[1] or 0, units[2] or 0, units[3] or 0, units[4], splits[0], splits[1],
            splits[2] or 0, splits[3] or 0, None if splits[4] is None else splits[4] - late,
            (splits[5] or 0) + late,
        )  # fmt: skip

    def close(self) -> None:
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def created() -> str:
    """When a run began, as its journal keeps it."""
    return datetime.now(UTC).isoformat()


def _connect(path: Path) -> sqlite3.Connection:
    with explained(path):
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout = 5000")
            # A killed process loses nothing; after a power failure at most the last receipts are missing.
            db.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            db.close()
            raise
    return db


def _set_state(db: sqlite3.Connection, seqs: Iterable[int], state: UnitState) -> None:
    """A statement for each run of units that follow one another: between two others may take the lock of the
    interpreter, and whoever writes waits for it.
    """
    runs: list[list[int]] = []
    for seq in sorted(seqs):
        if runs and runs[-1][2] == seq - 1:
            runs[-1][2] = seq
        else:
            runs.append([int(state), seq, seq])
    db.executemany("UPDATE units SET state = ? WHERE seq BETWEEN ? AND ?", runs)


def _store(db: sqlite3.Connection, facts: dict[str, Any]) -> None:
    rows = [(key, json.dumps(value)) for key, value in facts.items()]
    db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", rows)
