"""Names in SQL and ranges of keys."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import ConfigError
from crossdock_connectors.sql.identifiers import MSSQL, POSTGRES, Dialect
from crossdock_connectors.sql.ranges import Range, by_sample, evenly, ranges

_NAMES = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=15
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("t", ("t",)),
        ("s.t", ("s", "t")),
        ('"a.b".c', ("a.b", "c")),
        ('s."a""b.c"', ("s", 'a"b.c')),
        ("my table.ü", ("my table", "ü")),
        ("[a].b", ("[a]", "b")),
        ('se"lect', ('se"lect',)),
    ],
)
def test_parse(text: str, parts: tuple[str, ...]) -> None:
    assert POSTGRES.parse(text) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", '"a', '"a"b', '""', '"a".'])
def test_no_name(text: str) -> None:
    with pytest.raises(ConfigError, match="is no table's name"):
        POSTGRES.parse(text)


def test_brackets() -> None:
    assert MSSQL.parse("db.[a]]b.c].[t]", 3) == ("db", "a]b.c", "t")
    assert MSSQL.quoted(("a]b", "t")) == "[a]]b].[t]"
    assert MSSQL.text("it's") == "N'it''s'"


@pytest.mark.parametrize("dialect", [POSTGRES, MSSQL], ids=["postgres", "mssql"])
@given(first=_NAMES, second=_NAMES)
def test_what_is_quoted_parses_back(dialect: Dialect, first: str, second: str) -> None:
    assert dialect.parse(dialect.quoted((first, second))) == (first, second)


def test_lengths() -> None:
    assert POSTGRES.quote("ü" * 31)
    with pytest.raises(ConfigError, match="longer than the 63"):
        POSTGRES.quote("ü" * 32)
    assert MSSQL.quote("😀" * 64)
    with pytest.raises(ConfigError, match="longer than the 128"):
        MSSQL.quote("😀" * 64 + "a")
    with pytest.raises(ConfigError, match="cannot be a name"):
        MSSQL.quote("a\0b")


def test_predicates() -> None:
    assert [each.predicate("k") for each in ranges(["5", "9"])] == [
        "(k < 5 OR k IS NULL)",
        "k >= 5 AND k < 9",
        "k >= 9",
    ]
    assert [each.predicate("k") for each in ranges([])] == [""]
    assert Range().predicate("k") == "k IS NOT NULL"


@given(st.integers(-1000, 1000), st.integers(0, 1000), st.integers(1, 20))
def test_even_ranges_are_not_empty_and_alike(low: int, width: int, wanted: int) -> None:
    bounds = evenly(low, low + width, wanted)
    ends = [low, *bounds, low + width + 1]
    sizes = [high - before for before, high in itertools.pairwise(ends)]
    assert len(sizes) == min(wanted, width + 1)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [
        (date(1, 1, 1), date(9999, 12, 31), [date(5000, 7, 2)]),
        (date(2024, 1, 1), date(2024, 1, 2), [date(2024, 1, 2)]),
        (datetime(2024, 1, 1), datetime(2024, 1, 1), []),
        (datetime(2024, 1, 1), datetime(2024, 1, 3), [datetime(2024, 1, 2)]),
        (-(2**63), 2**63 - 1, [0]),
        (Decimal(10) ** 37, 3 * Decimal(10) ** 37, [2 * Decimal(10) ** 37]),
    ],
)
def test_even_bounds(low: Any, high: Any, bounds: list[Any]) -> None:
    assert evenly(low, high, 2) == bounds


@given(st.lists(st.integers(0, 50) | st.none(), max_size=300), st.integers(1, 12))
def test_sampled_ranges(sample: list[int | None], wanted: int) -> None:
    bounds = by_sample(sample, wanted)
    keys = Counter(key for key in sample if key is not None)
    assert len(bounds) < max(2, wanted)
    assert bounds == sorted(set(bounds))
    ends = [0, *bounds, 51]
    for low, high in itertools.pairwise(ends):
        inside = {key: count for key, count in keys.items() if low <= key < high}
        if bounds:
            assert inside, "an empty range"


def test_skewed_keys_are_cut_by_rows() -> None:
    """Nine tenths of the rows in a hundredth of the keys: no range has twice the mean."""
    sample = [i % 1000 for i in range(9000)] + [1000 + 99 * i for i in range(1000)]
    ends = [-1, *by_sample(sample, 8), 10**9]
    sizes = [sum(low <= key < high for key in sample) for low, high in itertools.pairwise(ends)]
    assert len(sizes) == 8
    assert max(sizes) < 2 * len(sample) / 8


def test_frequent_key_has_a_range_of_its_own() -> None:
    assert by_sample([7] * 900 + list(range(100, 200)), 3) == [100, 150]
