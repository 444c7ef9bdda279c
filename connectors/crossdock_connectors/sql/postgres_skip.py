"""Rows that a table refuses, at the commit: noted beside the staging table, and told until the cleanup."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock import DataError

from .identifiers import POSTGRES
from .postgres_database import Connection, Database, literal, quote
from .postgres_relation import Relation

if TYPE_CHECKING:
    import pyarrow as pa

    from .postgres_staging import Staging

_FETCH = 4 << 20
_ROWS_OF_A_PAGE = 300  # of 8 KiB there are never more
_MARK = "crossdock_rows"
Place = tuple[int, int]


def left_table(staging: Staging) -> str:
    """The table of the rows that were left out, as SQL."""
    return POSTGRES.quoted((staging.schema_name, staging.name + "_left"))


@dataclass(frozen=True)
class Moving:
    """Staged rows on their way into the target. ``expressions``: what each column takes; ``wanted`` is the
    condition for the rows that count; ``ending`` goes behind the statement."""

    connection: Connection
    staging: Staging
    into: str
    expressions: Sequence[str]
    wanted: str
    ending: str

    def move(self, target: Relation) -> int:
        """Move all that fits; returns how many rows were moved or left out.

        What the target refuses is halved until the rows are found; keys that are taken are found at once.
        """
        connection, staging = self.connection, self.staging
        left = left_table(staging)
        connection.run(f"CREATE TABLE {left} (place tid PRIMARY KEY, reason text)")
        pages = int(connection.value(f"SELECT pg_relation_size({literal(staging.staged)}) / 8192"))
        ranges: list[tuple[Place, Place, bool]] = [((0, 0), (pages, 0), False)]
        moved = 0
        while ranges:
            first, end, looked = ranges.pop()
            try:
                moved += self._try(self.into, first, end)
            except DataError as error:
                middle = _middle(first, end)
                taken = "duplicate key" in error.detail and not looked
                if middle and taken and self._only_keys_are_wrong(first, end):
                    self._leave_out_taken(target, first, end)
                    ranges.append((first, end, True))
                elif middle:
                    ranges += [(middle, end, False), (first, middle, False)]
                else:
                    connection.run(
                        f"INSERT INTO {left} SELECT ctid, {literal(error.message)} FROM {staging.staged} "
                        f"WHERE {self._within(first, end)}"
                    )
        count = int(connection.value(f"SELECT count(*) FROM {left}"))
        if not count:
            connection.run(f"DROP TABLE {left}")
        return moved + count

    def _within(self, first: Place, end: Place) -> str:
        left, staged = left_table(self.staging), self.staging.staged
        conditions = [
            f"ctid >= '({first[0]},{first[1]})'::tid AND ctid < '({end[0]},{end[1]})'::tid",
            f"NOT EXISTS (SELECT 1 FROM {left} k WHERE k.place = {staged}.ctid)",
        ]
        return " AND ".join([*conditions, self.wanted] if self.wanted else conditions)

    def _try(self, into: str, first: Place, end: Place, *, undo: bool = False) -> int:
        connection = self.connection
        connection.run(f"SAVEPOINT {_MARK}")
        try:
            count = connection.change(
                f"INSERT INTO {into} SELECT {', '.join(self.expressions)} FROM {self.staging.staged} "
                f"WHERE {self._within(first, end)}{'' if undo else self.ending}"
            )
        except DataError:
            connection.run(f"ROLLBACK TO SAVEPOINT {_MARK}")
            raise
        connection.run(f"{'ROLLBACK TO' if undo else 'RELEASE'} SAVEPOINT {_MARK}")
        return count

    def _only_keys_are_wrong(self, first: Place, end: Place) -> bool:
        """Whether a table without keys takes these rows: else one that it refuses could hide a good one."""
        plain = f"{_MARK}_plain"
        self.connection.run(
            f"CREATE TEMP TABLE IF NOT EXISTS {plain} (LIKE {self.staging.target} INCLUDING CONSTRAINTS "
            "INCLUDING DEFAULTS INCLUDING GENERATED) ON COMMIT DROP"
        )
        try:
            self._try(self.into.replace(self.staging.target, plain, 1), first, end, undo=True)
        except DataError:
            return False
        return True

    def _leave_out_taken(self, target: Relation, first: Place, end: Place) -> None:
        """Rows with keys that the target has, or an earlier row of these."""
        connection, staging = self.connection, self.staging
        for index, columns in self._keys(target):
            given = [self.expressions[staging.schema.names.index(name)] for name in columns]
            keys = ", ".join(f"{expression} AS k{at}" for at, expression in enumerate(given))
            listed = ", ".join(f"k{at}" for at in range(len(given)))
            same = " AND ".join(f"t.{quote(name)} = s.k{at}" for at, name in enumerate(columns))
            known = " AND ".join(f"k{at} IS NOT NULL" for at in range(len(given)))
            rows = f"SELECT ctid AS place, {keys} FROM {staging.staged} WHERE {self._within(first, end)}"
            reason = f"the key of {index} ({', '.join(columns)}) is taken by another row"
            connection.run(
                f"INSERT INTO {left_table(staging)} SELECT place, {literal(reason)} FROM (SELECT place, "
                f"row_number() OVER (PARTITION BY {listed} ORDER BY place) AS number, "
                f"EXISTS (SELECT 1 FROM {staging.target} t WHERE {same}) AS there "
                f"FROM ({rows}) s WHERE {known}) d WHERE number > 1 OR there"
            )

    def _keys(self, target: Relation) -> list[tuple[str, list[str]]]:
        """The unique indexes whose columns are all among ours."""
        rows = self.connection.run(
            "SELECT c.relname::text, json_agg(a.attname::text ORDER BY k.n)::text FROM pg_index i "
            "JOIN pg_class c ON c.oid = i.indexrelid "
            "CROSS JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k (number, n) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number "
            f"WHERE i.indrelid = {target.oid} AND i.indisunique AND i.indpred IS NULL "
            "AND i.indexprs IS NULL AND k.n <= i.indnkeyatts GROUP BY c.relname"
        )
        found = [(str(index), json.loads(columns)) for index, columns in rows]
        return [
            (index, columns) for index, columns in found if set(columns) <= set(self.staging.schema.names)
        ]


def _middle(first: Place, end: Place) -> Place | None:
    """A place between both, that of a page where there is one; None where there is a single row."""
    low, high = (page * _ROWS_OF_A_PAGE + row for page, row in (first, end))
    if high - low <= 1:
        return None
    if end[0] - first[0] > 1:
        return (first[0] + end[0]) // 2, 0
    return divmod((low + high) // 2, _ROWS_OF_A_PAGE)


def left_out(database: Database, staging: Staging) -> Iterator[tuple[pa.RecordBatch, Sequence[str]]]:
    left = left_table(staging)
    columns = ", ".join(f"s.{quote(name)}::text" for name in staging.schema.names)
    with database.connect() as connection:
        if connection.value(f"SELECT to_regclass({literal(left)})::text") is None:
            return
        sql = (
            f"SELECT {columns}, k.reason FROM {left} k JOIN {staging.staged} s ON s.ctid = k.place "
            "ORDER BY k.place"
        )
        with connection.batches(sql, _FETCH) as reader:
            for batch in reader:
                reasons = batch.column(batch.num_columns - 1).to_pylist()
                yield batch.select(range(batch.num_columns - 1)), reasons
