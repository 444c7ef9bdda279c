"""One snapshot for all splits, on every connection and in every process.

A session of its own keeps it (``pg_export_snapshot``) and holds the tables' weakest lock, so that nobody
empties or replaces them meanwhile. When that session is gone, so is the snapshot: a resumed run goes on in
a new one, as far as that is safe.
"""

# ruff: noqa: S608 - names go through quote(); SQL has no parameters for names.

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from crossdock import ConfigError, SourceChangedError, StageLostError

from .postgres_database import Connection, Database, literal
from .postgres_relation import Relation


@dataclass(frozen=True, slots=True)
class Mark:
    """A snapshot: its ``id``, and the oldest transaction that may not be in it. Empty: none."""

    id: str = ""
    oldest: int = 0


NONE = Mark()


@dataclass
class Keeper:
    """The session that keeps the snapshot. Safe for several threads; opens with the first use."""

    database: Database
    level: str = ""
    notes: list[str] = field(default_factory=list)
    _connection: Connection | None = None
    _mark: Mark = NONE
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _checked: set[tuple[int, str]] = field(default_factory=set)

    @property
    def how(self) -> str:
        return f"ISOLATION LEVEL {self.level or 'REPEATABLE READ'}, READ ONLY"

    @contextmanager
    def session(self) -> Iterator[tuple[Connection, Mark]]:
        """The keeper's own session, within the snapshot; for planning."""
        with self._lock:
            yield self._opened(), self._mark

    def _opened(self) -> Connection:
        if self._connection is None:
            connection = self.database.connect()
            try:
                connection.run(f"BEGIN {self.how}")
                row = connection.run(
                    "SELECT pg_export_snapshot(), pg_snapshot_xmin(pg_current_snapshot())::text"
                )[0]
            except BaseException:
                connection.close()
                raise
            self._connection, self._mark = connection, Mark(row[0], int(row[1]) % 2**32)
        return self._connection

    def hold(self, relation: Relation) -> None:
        """Lock the table against being emptied or replaced; it waits for somebody who is doing that.

        Raises SourceChangedError where that was done between the snapshot and the lock: an old snapshot
        would see a new file as empty.
        """
        if not relation.oid:
            return
        with self._lock:
            connection = self._opened()
            if relation.kind not in ("f",):
                connection.run(f"LOCK TABLE {relation.sql} IN ACCESS SHARE MODE")
            rows = connection.run(
                "SELECT relfilenode::bigint, coalesce(pg_relation_filenode(oid), 0)::bigint FROM pg_class "
                f"WHERE oid = {relation.oid}"
            )
            now = connection.value(f"SELECT to_regclass({literal(relation.sql)})::oid::bigint")
            if not rows or now != relation.oid or (rows[0][0] and rows[0][0] != rows[0][1]):
                raise SourceChangedError(f"the table {relation.name} was emptied or replaced at this moment")

    @contextmanager
    def within(
        self, connection: Connection, mark: Mark, relation: Relation, by_place: bool
    ) -> Iterator[None]:
        """A transaction on ``connection`` in the snapshot ``mark``, or in the one that took its place."""
        connection.run(f"BEGIN {self.how}")
        try:
            try:
                connection.run(f"SET TRANSACTION SNAPSHOT {literal(mark.id)}")
            except ConfigError:  # there is no such snapshot any more
                connection.run("ROLLBACK")
                renewed = self._renewed(mark, relation, by_place)
                connection.run(f"BEGIN {self.how}")
                connection.run(f"SET TRANSACTION SNAPSHOT {literal(renewed.id)}")
            yield
        finally:
            with suppress(Exception):
                connection.run("ROLLBACK")

    def _renewed(self, lost: Mark, relation: Relation, by_place: bool) -> Mark:
        """The snapshot to go on with. Raises StageLostError where the table must be read anew."""
        with self._lock:
            if self._connection is not None and self._mark == lost:
                self._drop()
            self._opened()
            known = (relation.oid, lost.id)
            if known not in self._checked:
                self.hold(relation)
                self._note(lost, relation, by_place)
                self._checked.add(known)
            return self._mark

    def _note(self, lost: Mark, relation: Relation, by_place: bool) -> None:
        connection = self._opened()
        if not relation.stored:
            self.notes.append(f"{relation.name} was read in two snapshots: the first ended with its session")
            return
        file = connection.value(f"SELECT pg_relation_filenode({relation.oid})::bigint") or 0
        changed = file != relation.file or connection.value(
            f"SELECT EXISTS (SELECT FROM {relation.sql} WHERE age(xmin) <= age('{lost.oldest}'::xid))"
        )
        if changed and by_place:
            # An updated row has moved: it could be in a part that was read and in one that was not.
            raise StageLostError(
                f"{relation.name} was changed since its snapshot, which is gone: it is read anew"
            )
        what = "and rows were changed in between" if changed else "and no row was added or changed in between"
        self.notes.append(
            f"{relation.name} was read in two snapshots, {what}: the first ended with its session"
        )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        with self._lock:
            self._drop()
