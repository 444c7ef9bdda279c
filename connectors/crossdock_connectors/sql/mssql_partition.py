"""Cutting a table or query of SQL Server into conditions that together hold every row once."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from crossdock import ConfigError

from .identifiers import MSSQL
from .mssql_columns import Column, Partitioning, can_be_cut
from .mssql_connection import Connection
from .mssql_types import WHOLE
from .ranges import by_sample, evenly, predicates

_FEW = 100_000
_SAMPLE = 20_000
_ENOUGH = 1000
_PAGES = 50  # for each range: with fewer, chance makes some ranges twice as large as others
_MOST = 2**31 - 1
_EPOCH = datetime(1, 1, 1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Key:
    """The column that ranges are over. Its values are handled as whole numbers of the same order: days of a
    date, microseconds of other moments."""

    column: Column

    @property
    def sql(self) -> str:
        return MSSQL.quote(self.column.name)

    def shown(self, expression: str) -> str:
        """SQL for a value, as ``number`` takes it."""
        if self.column.type.name in WHOLE:
            return f"CAST({expression} AS bigint)"
        return f"CONVERT(nvarchar(40), {expression}, 126)"

    def number(self, value: int | str) -> int:
        """Raises ValueError for what is none."""
        if self.column.type.name in WHOLE:
            return int(value)
        if self.column.type.name == "date":
            return date.fromisoformat(str(value)[:10]).toordinal()
        moment = datetime.fromisoformat(_short(str(value)))
        # As UTC the first and the last moments are of no year that there is.
        return (moment.replace(tzinfo=None) - _EPOCH - (moment.utcoffset() or timedelta())) // _TICK

    def exists(self, number: int) -> bool:
        """Whether there is such a value of the type."""
        if self.column.type.name in WHOLE:
            return True
        if self.column.type.name == "date":
            return 1 <= number <= date.max.toordinal()
        return 0 <= number <= (datetime.max - _EPOCH) // _TICK

    def literal(self, number: int) -> str:
        """The value of a number as SQL."""
        kind = self.column.type.name
        if kind in WHOLE:
            return str(number)
        if kind == "date":
            return f"CAST({MSSQL.text(date.fromordinal(number).isoformat())} AS date)"
        text = (_EPOCH + number * _TICK).isoformat(timespec="microseconds")
        if kind == "datetimeoffset":
            return f"CAST({MSSQL.text(text + '+00:00')} AS datetimeoffset(7))"
        return f"CAST({MSSQL.text(text)} AS datetime2(7))"


def _short(text: str) -> str:
    """A moment with at most six digits of the second."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return head + dot + rest[: min(digits, 6)].ljust(6, "0") + rest[digits:] if dot else text


def key_of(columns: Sequence[Column], name: str) -> Key:
    """The key of that name. Raises ConfigError for a column that is not there or cannot be cut."""
    found = next((c for c in columns if c.name == name), None) or next(
        (c for c in columns if c.name.lower() == name.lower()), None
    )
    if found is None:
        raise ConfigError(f"partition_column={name}: there is no such column")
    if not can_be_cut(found):
        raise ConfigError(
            f"partition_column={name} is {found.type}; only whole numbers, dates and times are cut"
        )
    return Key(found)


@dataclass(frozen=True, slots=True)
class Rows:
    """What is cut. ``sql``: a table, or a query with an alias. ``count``: about how many rows it has, 0 where
    nobody knows. ``pages``: about how many it takes; 0 where TABLESAMPLE cannot be asked for some of them."""

    sql: str
    count: int = 0
    pages: int = 0


def cut(connection: Connection, key: Key, rows: Rows, wanted: int) -> list[str]:
    """Conditions of ranges with about equally many rows each; of few rows, equally wide ones."""
    if rows.count < _FEW:
        counted = connection.value(f"SELECT COUNT_BIG(*) AS n FROM {rows.sql}")
        rows = replace(rows, count=int(counted))
    if rows.count >= _FEW and (found := _sampled(connection, key, rows, wanted)):
        return found
    low, high = connection.run(
        f"SELECT {key.shown(f'MIN({key.sql})')} AS low, {key.shown(f'MAX({key.sql})')} AS high "
        f"FROM {rows.sql}"
    )[0]
    return conditions(key, [] if low is None else boundaries(key.number(low), key.number(high), wanted))


def _sampled(connection: Connection, key: Key, rows: Rows, wanted: int) -> list[str]:
    """Conditions from a sample of the rows, in which each row is as likely as another; none for too few.

    Neighbours share pages: many pages are read, and few rows of each are taken.
    """
    share = _SAMPLE / rows.count
    read = min(1.0, max(share, _PAGES * wanted / rows.pages)) if rows.pages else 1.0
    sampled = f" TABLESAMPLE ({100 * read:.6f} PERCENT)" if read < 1 else ""
    # As Microsoft's documentation of TABLESAMPLE takes single rows; the key makes it anew for each of them.
    taken = f"CHECKSUM(NEWID(), {key.sql}) & {_MOST} < {int(share / read * _MOST)}"
    found = connection.run(f"SELECT {key.shown(key.sql)} AS k FROM {rows.sql}{sampled} WHERE {taken}")
    if len(found) < _ENOUGH:
        return []
    keys = [key.number(value) for (value,) in found if value is not None]
    # Without a key they are in the first range, which would have more than its share.
    apart = 2 * wanted * (len(found) - len(keys)) > len(found)
    return conditions(key, by_sample(keys, wanted - apart), apart=apart)


def bounded(low: int, high: int, wanted: int) -> list[int]:
    """Boundaries as Data Factory sets them: one range up to ``low``, one above ``high``, equal ones between.

    1 to 100 with the bounds 20 and 80 in four: up to 20, 21 to 50, 51 to 80, from 81 on.
    """
    if wanted < 2:
        return []
    inner = wanted - 2
    if inner == 0:
        return [low + 1]
    return sorted({low + 1 + (high - low) * i // inner for i in range(inner)} | {high + 1})


def boundaries(low: int, high: int, wanted: int) -> list[int]:
    """Boundaries of equally wide ranges."""
    return [int(bound) for bound in evenly(low, high, wanted)]


def conditions(key: Key, bounds: Sequence[int], *, apart: bool = False) -> list[str]:
    """The conditions between boundaries; rows without a key are in the first, or ``apart``."""
    return predicates(key.sql, [key.literal(bound) for bound in bounds if key.exists(bound)], apart=apart)


def physical(found: Partitioning, most: int) -> list[tuple[str, int]]:
    """Conditions and about how many rows, of the server's partitions; neighbours together where there are
    more than ``most``."""
    share = -(-len(found.numbers) // most)
    groups = [found.numbers[at : at + share] for at in range(0, len(found.numbers), share)]
    name = f"$PARTITION.{MSSQL.quote(found.function)}({MSSQL.quote(found.column)})"
    return [
        (f"{name} BETWEEN {group[0][0]} AND {group[-1][0]}", sum(rows for _, rows in group))
        for group in groups
    ]
