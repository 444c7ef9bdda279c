"""Cutting a table into splits: by places in its file (ctid), or by ranges of a key."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from crossdock import ConfigError

from .postgres_database import Connection, literal, quote
from .postgres_relation import Relation, pages
from .ranges import by_sample, evenly, predicates

_SAMPLE = 30_000
_PAGES = 50  # for each range: with fewer, chance makes some ranges twice as large as others
_TID_RANGES = 140_000  # the first version that reads a range of places without the rest
_EVEN = ("smallint", "integer", "bigint", "date", "timestamp without time zone", "timestamp with time zone")


def by_place(
    connection: Connection, relation: Relation, most: int, smallest: float
) -> tuple[list[str], float]:
    """Conditions on ctid, together every row once, and about how many rows there are.

    Of a partitioned table each range holds the same places of all partitions.
    """
    longest, _, rows = pages(connection, relation)
    wanted = min(most, longest, int(rows / smallest) + 1)
    version = int(connection.value("SELECT current_setting('server_version_num')::int"))
    if wanted < 2 or version < _TID_RANGES:
        return [""], rows
    bounds = [f"'({page},0)'::tid" for page in evenly(0, longest - 1, wanted)]
    return predicates("ctid", bounds), rows


def by_key(
    connection: Connection,
    relation: Relation,
    column: str,
    most: int,
    smallest: float,
    *,
    given: tuple[str, str] | None = None,
) -> tuple[list[str], float]:
    """Conditions on a column, together every row once; many rows without a key have a condition of their own.

    ``given``: the least and the greatest key, as somebody says: what is beyond is in the first and the last.
    """
    name = quote(column)
    if relation.stored:
        _, size, rows = pages(connection, relation)
    else:
        size, rows = 0, _estimate(connection, relation)
    wanted = min(most, int(rows / smallest) + 1) if relation.stored and given is None else most
    if wanted < 2:
        return [""], rows
    kind = _kind(connection, relation, name)
    if given is not None:
        low, high = (_parsed(name, kind, text) for text in given)
        return _evenly(name, kind, low, high, wanted), rows
    sample = _sampled(connection, relation, name, rows, _PAGES * wanted / (size or 1))
    keys = [key for key in sample if key is not None]
    if not relation.stored and len(set(keys)) < wanted and kind in _EVEN:
        # An estimate that was far too high: the ends tell more.
        return _by_ends(connection, relation, name, kind, wanted), rows
    places: dict[str, int] = {}
    for key in keys:
        places.setdefault(key, len(places))
    found = list(places)
    # Without a key they are in the first range, which would have more than its share.
    apart = 2 * wanted * (len(sample) - len(keys)) > len(sample)
    bounds = [found[rank] for rank in by_sample([places[key] for key in keys], wanted - apart)]
    return predicates(name, [f"{literal(bound)}::{kind}" for bound in bounds], apart=apart), rows


def _sampled(
    connection: Connection, relation: Relation, name: str, rows: float, spread: float
) -> list[str | None]:
    """Keys of some rows as texts, in the database's order of the keys; None for rows without one.

    Neighbours share pages: at least the share ``spread`` of them is read, and few rows of each are taken.
    """
    share = min(1.0, _SAMPLE / max(rows, 1.0))
    read = max(share, min(1.0, spread)) if relation.stored else 1.0
    sampled = f" TABLESAMPLE SYSTEM ({100 * read:.6f}) REPEATABLE (0)" if read < 1 else ""
    condition = f" WHERE random() < {share / read:.9f}" if share < read else ""
    return [
        key
        for (key,) in connection.run(
            f"SELECT k::text FROM (SELECT {name} AS k FROM {relation.rows()}{sampled}{condition} "
            f"LIMIT {4 * _SAMPLE}) AS s ORDER BY s.k"
        )
    ]


def key_column(connection: Connection, relation: Relation) -> str:
    """The first column of what the table is clustered by, or of its primary key. Raises ConfigError."""
    found = connection.value(
        "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
        "AND a.attnum = i.indkey[0] WHERE (i.indisclustered OR i.indisprimary) AND i.indpred IS NULL "
        f"AND i.indrelid = {relation.oid} ORDER BY i.indisclustered DESC LIMIT 1"
    )
    if not found:
        raise ConfigError(f"{relation.name} has no primary key to cut by; name a partition_column")
    return str(found)


def by_partition(connection: Connection, relation: Relation, most: int) -> list[tuple[str, float]]:
    """Conditions of the table's own partitions and about how many rows each has; neighbours together where
    there are more than ``most``. Raises ConfigError for a table without any."""
    found = connection.run(
        "SELECT pg_get_partition_constraintdef(t.relid), greatest(c.reltuples, 0)::float8 "
        f"FROM pg_partition_tree({relation.oid}::oid::regclass) t JOIN pg_class c ON c.oid = t.relid "
        "WHERE t.isleaf ORDER BY c.relname"
    )
    if relation.kind != "p":
        raise ConfigError(f"partition_option=PhysicalPartitionsOfTable: {relation.name} is not partitioned")
    share = max(1, -(-len(found) // most))
    groups = [found[at : at + share] for at in range(0, len(found), share)]
    return [
        (" OR ".join(f"({condition or 'TRUE'})" for condition, _ in group), sum(rows for _, rows in group))
        for group in groups
    ] or [("", 0.0)]


def _estimate(connection: Connection, relation: Relation) -> float:
    """How many rows the server expects of a query."""
    return float(connection.explain(f"SELECT 1 FROM {relation.rows()}")["Plan Rows"])


def _kind(connection: Connection, relation: Relation, name: str) -> str:
    """The SQL type of a column, or of an expression of a query."""
    described = connection.value(
        f"SELECT pg_typeof(x)::text FROM (SELECT (SELECT {name} FROM {relation.rows()} LIMIT 1) AS x) AS s"
    )
    return str(described)


def _by_ends(connection: Connection, relation: Relation, name: str, kind: str, most: int) -> list[str]:
    """Equally wide ranges between the least and the greatest key."""
    finite = f" FILTER (WHERE isfinite({name}))" if kind.startswith(("date", "time")) else ""
    low, high = connection.run(f"SELECT min({name}){finite}, max({name}){finite} FROM {relation.rows()}")[0]
    return [""] if low is None else _evenly(name, kind, low, high, most)


def _parsed(name: str, kind: str, text: str) -> Any:
    """A bound that was given. Raises ConfigError."""
    try:
        if kind.startswith("timestamp"):
            return datetime.fromisoformat(text)
        return date.fromisoformat(text) if kind == "date" else int(text)
    except ValueError:
        raise ConfigError(
            f"partition_lower_bound and partition_upper_bound are keys of {name}, and {text!r} is no {kind}"
        ) from None


def _evenly(name: str, kind: str, low: Any, high: Any, most: int) -> list[str]:
    if kind not in _EVEN:
        raise ConfigError(f"{name} is {kind}: bounds are of integers, dates or moments")
    if low > high:
        raise ConfigError("partition_lower_bound is above partition_upper_bound")
    bounds = [f"{literal(_text(bound))}::{kind}" for bound in evenly(low, high, most)]
    return predicates(name, bounds)


def _text(bound: Any) -> str:
    return bound.isoformat() if hasattr(bound, "isoformat") else str(bound)
