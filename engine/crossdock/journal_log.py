"""Lines of a run's log on their way to its files: kept in the journal until they are there.

A line belongs to a split of a unit (or, as ``UNIT``, to the unit), and is ``ready`` once the unit is done or
skipped for good: what is carried again brings its lines again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .skips import Line

LOG_TABLE = """
CREATE TABLE log (
    id INTEGER PRIMARY KEY, seq INTEGER, idx INTEGER, ready INTEGER DEFAULT 0,
    at REAL, level TEXT, operation TEXT, item BLOB, message BLOB
);
CREATE INDEX log_units ON log (seq, idx) WHERE ready = 0;
CREATE INDEX log_ready ON log (ready) WHERE ready > 0
"""
UNIT = -1
_NUMBER = "log_number"


class JournalLog:
    """The part of a journal that holds the log."""

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _query(self, sql: str, *args: Any) -> list[Any]:
        raise NotImplementedError

    def add_lines(self, seq: int, index: int, lines: Sequence[Line]) -> None:
        with self._transaction() as db:
            insert_lines(db, seq, index, lines)

    def drop_lines(self, seq: int, index: int) -> None:
        """Those of an attempt at the split that failed."""
        with self._transaction() as db:
            db.execute("DELETE FROM log WHERE ready = 0 AND seq = ? AND idx = ?", (seq, index))

    def drop_unproved_lines(self) -> None:
        """Those of attempts without a receipt, which a killed process has left."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM log WHERE ready = 0 AND idx >= 0 AND NOT EXISTS (SELECT 1 FROM splits s "
                "WHERE s.seq = log.seq AND s.idx = log.idx AND s.receipt NOT NULL)"
            )

    def leave_out(self, seq: int, found: Iterator[Sequence[Line]], *, logged: bool) -> int:
        """Note the rows that a unit's commit left out, and return their count.

        Once that is known it is not asked for again: a cleanup may have come in between.
        """
        ((known,),) = self._query("SELECT skipped FROM units WHERE seq = ?", seq)
        if known is not None:
            return int(known)
        self.drop_lines(seq, UNIT)
        count = 0
        for lines in found:
            count += len(lines)
            if logged:
                self.add_lines(seq, UNIT, lines)
        with self._transaction() as db:
            db.execute("UPDATE units SET skipped = ? WHERE seq = ?", (count, seq))
        return count

    def ready_lines(self, after: int, limit: int) -> list[tuple[int, Line]]:
        """Lines behind ``after``, in order, that are to be written; each with its number."""
        rows = self._query(
            "SELECT ready, at, level, operation, item, message FROM log WHERE ready > 0 AND ready > ? "
            "ORDER BY ready LIMIT ?",
            after,
            limit,
        )
        return [
            (number, Line(at, level, operation, item.decode(), message.decode()))
            for number, at, level, operation, item, message in rows
        ]

    def seal_lines(self, last: int) -> None:
        """Those up to that number are in a file that will not be written again."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO run VALUES ('log_sealed', ?)", (str(last),))
            db.execute("DELETE FROM log WHERE ready BETWEEN 1 AND ?", (last,))


def skip_unit(db: sqlite3.Connection, seq: int, line: Line | None) -> None:
    """Nothing of the unit counts but the line that says why it was skipped."""
    db.execute("DELETE FROM splits WHERE seq = ?", (seq,))
    db.execute("DELETE FROM log WHERE ready = 0 AND seq = ?", (seq,))
    db.execute("UPDATE units SET skipped = 0 WHERE seq = ?", (seq,))
    if line is not None:
        insert_lines(db, seq, UNIT, [line])
        make_ready(db, seq, seq)


def insert_lines(db: sqlite3.Connection, seq: int, index: int, lines: Sequence[Line]) -> None:
    db.executemany(
        "INSERT INTO log (seq, idx, at, level, operation, item, message) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (seq, index, line.at, line.level, line.operation, _bytes(line.item), _bytes(line.message))
            for line in lines
        ],
    )


def make_ready(db: sqlite3.Connection, first: int, last: int) -> None:
    """All that is known of these units may be written, in the order in which it is known."""
    row = db.execute("SELECT value FROM run WHERE key = ?", (_NUMBER,)).fetchone()
    known = int(row[0]) if row else 0
    changed = db.execute(
        "UPDATE log SET ready = ? + n FROM (SELECT id AS i, row_number() OVER (ORDER BY id) AS n FROM log "
        "WHERE ready = 0 AND seq BETWEEN ? AND ?) WHERE id = i",
        (known, first, last),
    )
    if changed.rowcount:
        db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (_NUMBER, str(known + changed.rowcount)))


def _bytes(text: str) -> bytes:
    """Names of files may not be UTF-8, which a log has to be."""
    return text.encode("utf-8", "backslashreplace")
