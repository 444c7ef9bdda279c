"""Cutting a table into splits: by places in its file (ctid), or by ranges of a key."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from typing import Any

from crossdock import ConfigError

from .postgres_database import Connection, literal, quote
from .postgres_relation import Relation, pages
from .ranges import by_sample, evenly, ranges

_SAMPLE = 30_000
_TID_RANGES = 140_000  # the first version that reads a range of places without the rest
_EVEN = ("smallint", "integer", "bigint", "date", "timestamp without time zone", "timestamp with time zone")


def by_place(
    connection: Connection, relation: Relation, most: int, smallest: float
) -> tuple[list[str], float]:
    """Conditions on ctid, together every row once, and about how many rows there are.

    Of a partitioned table each range holds the same places of all partitions.
    """
    longest, rows = pages(connection, relation)
    wanted = min(most, longest, int(rows / smallest) + 1)
    version = int(connection.value("SELECT current_setting('server_version_num')::int"))
    if wanted < 2 or version < _TID_RANGES:
        return [""], rows
    bounds = [f"'({page},0)'::tid" for page in evenly(0, longest - 1, wanted)]
    return [each.predicate("ctid") for each in ranges(bounds)], rows


def by_key(
    connection: Connection, relation: Relation, column: str, most: int, smallest: float
) -> tuple[list[str], float]:
    """Conditions on a column, together every row once (those without a key in the first)."""
    name = quote(column)
    if not relation.stored:
        return _by_ends(connection, relation, name, most), 0.0
    _, rows = pages(connection, relation)
    wanted = min(most, int(rows / smallest) + 1)
    if wanted < 2:
        return [""], rows
    kind = _kind(connection, relation, name)
    share = 100 * _SAMPLE / max(rows, _SAMPLE)
    sampled = f" TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (0)" if share < 100 else ""
    keys = [
        key
        for (key,) in connection.run(
            f"SELECT k::text FROM (SELECT {name} AS k FROM {relation.sql}{sampled} WHERE {name} IS NOT NULL "
            f"LIMIT {4 * _SAMPLE}) AS s ORDER BY s.k"
        )
    ]
    places: dict[str, int] = {}
    for key in keys:
        places.setdefault(key, len(places))
    found = list(places)
    bounds = [found[rank] for rank in by_sample([places[key] for key in keys], wanted)]
    return [each.predicate(name) for each in ranges([f"{literal(bound)}::{kind}" for bound in bounds])], rows


def _kind(connection: Connection, relation: Relation, name: str) -> str:
    """The SQL type of a column, or of an expression of a query."""
    described = connection.value(
        f"SELECT pg_typeof(x)::text FROM (SELECT (SELECT {name} FROM {relation.sql} LIMIT 1) AS x) AS s"
    )
    return str(described)


def _by_ends(connection: Connection, relation: Relation, name: str, most: int) -> list[str]:
    """Of a query: equally wide ranges between its least and its greatest key."""
    if most < 2:
        return [""]
    kind = _kind(connection, relation, name)
    if kind not in _EVEN:
        raise ConfigError(f"partition_column={name}: a query is cut by integers, dates or times, not {kind}")
    finite = f" FILTER (WHERE isfinite({name}))" if kind.startswith(("date", "time")) else ""
    low, high = connection.run(f"SELECT min({name}){finite}, max({name}){finite} FROM {relation.sql}")[0]
    if low is None:
        return [""]
    bounds = [f"{literal(_text(bound))}::{kind}" for bound in evenly(low, high, most)]
    return [each.predicate(name) for each in ranges(bounds)]


def _text(bound: Any) -> str:
    return bound.isoformat() if hasattr(bound, "isoformat") else str(bound)
