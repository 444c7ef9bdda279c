"""Cutting a table into ranges of about equally many rows without counting them."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import heapq
from dataclasses import dataclass

from .sqlite_database import Connection

_PROBE = 32
_PIECES = 16
_MOST_PROBES = 4000


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Keys from ``low`` to ``high``, both of which exist; ``rows`` is an estimate."""

    low: int
    high: int
    rows: float


@dataclass(frozen=True, slots=True)
class Key:
    """What the ranges are over: an integer column, or the rowid, of a relation. Looking it up is quick."""

    connection: Connection
    relation: str
    column: str

    def range(self, low: int | None, high: int | None) -> Range | None:
        """The tight range of existing keys within the bounds; None where there is none."""
        ends = self.connection.run(
            f"SELECT (SELECT {self.column} FROM {self.relation} WHERE {self._within(low, high)} "
            f"ORDER BY {self.column} LIMIT 1), (SELECT {self.column} FROM {self.relation} "
            f"WHERE {self._within(low, high)} ORDER BY {self.column} DESC LIMIT 1)"
        )
        first, last = ends[0]
        return None if first is None else Range(first, last, self._estimate(first, last))

    def _within(self, low: int | None, high: int | None) -> str:
        if low is None or high is None:
            return f"{self.column} IS NOT NULL"
        return f"{self.column} BETWEEN {low} AND {high}"

    def _estimate(self, first: int, last: int) -> float:
        """Rows between two keys, by how close the keys behind the first are to each other."""
        keys = self.connection.run(
            f"SELECT count(*), max(k) FROM (SELECT {self.column} AS k FROM {self.relation} "
            f"WHERE {self.column} BETWEEN {first} AND {last} ORDER BY {self.column} LIMIT {_PROBE})"
        )
        count, reached = int(keys[0][0]), int(keys[0][1] or 0)
        if count < _PROBE:
            return float(count)
        return max(count, (last - first + 1) * count / (reached - first + 1))


def cut(key: Key, wanted: int) -> tuple[list[int], float]:
    """Boundaries of at most ``wanted`` ranges, ascending, and the rows in all, estimated.

    A range goes from a boundary to just before the next; the first and the last are open. What looks
    largest is halved until the pieces are small; gaps fall away, and a dense spot is found in as
    many steps as its size has bits.
    """
    whole = key.range(None, None)
    if whole is None:
        return [], 0.0
    pieces = [(-whole.rows, whole)]
    probes = 0
    while len(pieces) < wanted * _PIECES and probes < _MOST_PROBES and wanted > 1:
        weight, piece = heapq.heappop(pieces)
        if piece.low == piece.high:
            heapq.heappush(pieces, (weight, piece))
            break
        middle = (piece.low + piece.high) // 2
        halves = (key.range(piece.low, middle), key.range(middle + 1, piece.high))
        for half in halves:
            if half is not None:
                heapq.heappush(pieces, (-half.rows, half))
        probes += 1
    ordered = sorted(piece for _, piece in pieces)
    total = sum(piece.rows for piece in ordered)
    return _boundaries(ordered, total, wanted), total


def _boundaries(pieces: list[Range], total: float, wanted: int) -> list[int]:
    found: list[int] = []
    passed = 0.0
    for piece in pieces:
        if passed >= total * (len(found) + 1) / wanted and len(found) < wanted - 1:
            found.append(piece.low)
        passed += piece.rows
    return found
