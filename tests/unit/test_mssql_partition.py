"""Ranges over the keys of SQL Server up to the ends of their types."""

from __future__ import annotations

import pytest

from crossdock_connectors.sql.mssql_columns import Column
from crossdock_connectors.sql.mssql_partition import Key, bounded, conditions
from crossdock_connectors.sql.mssql_types import Type


@pytest.mark.parametrize(
    ("kind", "low", "high", "ranges"),
    [
        ("date", "2000-01-01", "9999-12-31", 3),
        ("datetime2(7)", "2000-01-01", "9999-12-31T23:59:59.9999999", 3),
        ("datetimeoffset(7)", "0001-01-01T00:00:00+02:00", "2000-01-01T00:00:00+00:00", 3),
        ("datetimeoffset(7)", "2000-01-01T00:00:00+00:00", "9999-12-31T23:59:59.9999999-02:00", 3),
        ("int", "1", "2147483647", 4),
    ],
)
def test_bounds_at_the_ends_of_a_type(kind: str, low: str, high: str, ranges: int) -> None:
    """There is no value beyond them to cut at."""
    key = Key(Column("k", Type.parse(kind)))
    found = conditions(key, bounded(key.number(low), key.number(high), 4))
    assert len(found) == ranges
    assert found[0].endswith("OR [k] IS NULL)")
    ends = [each.split(" < ")[1] for each in found[1:-1]]
    assert found[-1] == f"[k] >= {ends[-1]}"


def test_an_offset_counts() -> None:
    key = Key(Column("k", Type.parse("datetimeoffset(7)")))
    first, second = key.number("2020-01-01T02:00:00+02:00"), key.number("2020-01-01T00:00:00+00:00")
    assert first == second
    assert key.literal(first) == "CAST(N'2020-01-01T00:00:00.000000+00:00' AS datetimeoffset(7))"
