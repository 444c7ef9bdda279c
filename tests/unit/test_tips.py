"""Performance tips: each rule where it applies, and where it nearly does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crossdock.report import CopyResult, Side
from crossdock.tips import RULES, recommendations

TABLE, FILES = Side("sqlserver", "", "mssql://h/db"), Side("blob", "parquet", "az://c/f")
BYTES = Side("blob", "", "az://c/f")
EVEN = {"source": 40.0, "sink": 40.0, "engine": 20.0}


def result(**facts: Any) -> CopyResult:
    """A copy of ten seconds with which nothing is wrong."""
    common: dict[str, Any] = {
        "run_id": "r",
        "status": "Succeeded",
        "payload": "tabular",
        "source": TABLE,
        "sink": FILES,
        "started": datetime(2024, 2, 29, tzinfo=UTC),
        "duration": 10.0,
        "opening": 0.1,
        "planning": 0.2,
        "copying": 9.7,
        "bytes_read": 1 << 30,
        "splits_done": 40,
        "parallel_copies": 4,
        "cpu": 5.0,
        "cores": 2.0,
        "seconds": EVEN,
    }
    return CopyResult(**common | facts)


def spent(**seconds: float) -> dict[str, Any]:
    """So many of a hundred worker seconds on these, the rest evenly."""
    rest = (100 - sum(seconds.values())) / 3
    return {"seconds": {"source": rest, "sink": rest, "engine": rest} | seconds}


# By rule: what makes it apply, and what is just not enough.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Throttling": (
        spent(throttle=20) | {"throttled": 9, "throttled_seconds": 20},
        spent(throttle=3) | {"throttled": 1, "throttled_seconds": 3},
    ),
    "Retries": (
        spent(throttle=20) | {"retries": 9, "retried_seconds": 20},
        spent(throttle=3) | {"retries": 1, "retried_seconds": 3},
    ),
    "MemoryBound": (spent(budget=20), spent(budget=5)),
    "BandwidthLimit": (spent(throttle=20), spent(throttle=5)),
    "TimeToFirstByte": (spent(first=40), spent(first=10)),
    "Listing": ({"planning": 5.0, "copying": 4.9}, {"planning": 1.0, "copying": 8.9}),
    "OneSplit": ({"splits_done": 1}, {"splits_done": 1, "bytes_read": 1 << 20}),
    "OneWriter": (
        spent(queue=50) | {"sink": TABLE, "writers": 1},
        spent(queue=50) | {"sink": TABLE, "writers": 16},
    ),
    "SkewedSplits": (spent(queue=50), spent(queue=10)),
    "ManySmallFiles": (
        {"payload": "binary", "source": BYTES, "sink": BYTES, "files_read": 5000, "bytes_read": 5000 << 10},
        {"payload": "binary", "source": BYTES, "sink": BYTES, "files_read": 500, "bytes_read": 500 << 10},
    ),
    "Transforming": (spent(transform=30), spent(transform=10)),
    "Verifying": (spent(verify=40), spent(verify=10)),
    "Committing": (spent(commit=40), spent(commit=10)),
    "EnableStaging": (
        spent(sink=70) | {"sink": TABLE, "bulk_load": True},
        spent(sink=70) | {"sink": TABLE, "bulk_load": False},
    ),
    "CpuBound": ({"cpu": 18.0}, {"cpu": 12.0}),
    "FixedParallelCopies": (
        spent(sink=55) | {"parallel_asked": 2, "parallel_copies": 2},
        spent(sink=55) | {"parallel_asked": 0, "parallel_copies": 2},
    ),
    "SourceBound": (spent(source=70), spent(source=70) | {"cpu": 18.0}),
    "SinkBound": (spent(sink=70), spent(sink=70) | {"cpu": 18.0}),
}


def names(copied: CopyResult) -> list[str]:
    return [tip["RuleName"] for tip in recommendations(copied)]


def test_nothing_is_said_where_nothing_stands_out() -> None:
    assert recommendations(result()) == []


def test_every_rule_has_a_case() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("name", CASES)
def test_each_rule(name: str) -> None:
    applies, does_not = CASES[name]
    assert name in names(result(**applies))
    assert name not in names(result(**does_not))


@pytest.mark.parametrize("name", CASES)
def test_the_page_says_more(name: str) -> None:
    """The address of a tip is a heading of the documentation."""
    found = next(tip for tip in recommendations(result(**CASES[name][0])) if tip["RuleName"] == name)
    file, _, anchor = found["ReferUrl"].partition("#")
    headings = (Path(__file__).parents[2] / file).read_text().splitlines()
    assert f"### {name}" in headings
    assert anchor == name.lower()
    assert found["Tip"].endswith(".")


def test_a_short_copy_gets_none() -> None:
    slow = result(**spent(budget=50))
    assert [tip["RuleName"] for tip in slow.output()["perfRecommendation"]] == ["MemoryBound"]
    assert "perfRecommendation" not in replace(slow, duration=2.0).output()


def test_of_a_staged_copy_each_hop_has_its_own() -> None:
    hops = (result(**spent(source=70)), result(**spent(budget=40)))
    assert names(result(hops=hops)) == ["SourceBound", "MemoryBound"]
