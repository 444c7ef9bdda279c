"""``make capabilities`` writes ``reference/capabilities.md``: what the kit has shown of each connector.

``python docs/capabilities.py REPORT.xml`` reads the JUnit report of ``tests/contract``; one with a check that
fails is refused. ``tests/contract/test_capability_table.py`` says when the page lags behind the checks.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from crossdock.contract.cases import TYPE_NAMES
from crossdock.contract.topics import TOPICS

PAGE = Path(__file__).parent / "reference" / "capabilities.md"
CONTRACTS = PAGE.parents[2] / "tests" / "contract"
_HEAD = """\
# What each connector is tested for

<!-- Written by make capabilities from the results of tests/contract. Do not edit. -->

Every connector passes the contract kit, the one that `crossdock plugin check` runs. The numbers are those of
checks that hold; behind `+` those that do not apply to it or want a server that the test run has not, behind
`-` the exempted ones, whose reasons are below.
"""
_TYPES = """\
## Types

What becomes of values of Arrow's types, boundary values among them, that are written and read back. A
connector that refuses a type says so before any data is moved.
"""

Report = Mapping[tuple[str, str], Counter[str]]


def totals(items: list[pytest.Item]) -> dict[tuple[str, str], int]:
    """The number of checks by connector and topic among what pytest has collected."""
    from crossdock.contract.base import Contract
    from crossdock.contract.topics import topic_of

    checks = (each for each in items if isinstance(each, pytest.Function))
    return Counter(
        (check.cls.spec.name, topic_of(check.name))
        for check in checks
        if check.cls is not None and issubclass(check.cls, Contract)
    )


def on_page(text: str) -> dict[tuple[str, str], int]:
    """The same numbers, as the page has them: held, not applying and exempted together."""
    found = {}
    table = text.partition("| connector |")[2].partition("\n\n")[0].splitlines()
    for line in table[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for topic, cell in zip(TOPICS, cells, strict=True):
            if cell:
                found[name, topic] = sum(map(int, cell.replace("+", " ").replace("-", " ").split()))
    return found


def page(report: Path) -> str:
    """The page. Raises ValueError for a report in which a check fails."""
    cases = list(_cases(report))
    if failed := [case["name"] for case in cases if case["outcome"] == "failed"]:
        raise ValueError(f"{len(failed)} checks fail: {', '.join(failed[:5])}")
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case in cases:
        counts[case["connector"], case["topic"]][case["outcome"]] += 1
    return "\n".join([_HEAD, *_table(counts), "", *_exempted(cases), _TYPES, *_types(cases), ""])


def _cases(report: Path) -> Iterator[dict[str, Any]]:
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        known = {each.get("name"): each.get("value") for each in case.iter("property")}
        if not known.get("connector"):
            continue
        skipped, outcome = case.find("skipped"), "held"
        if case.find("failure") is not None or case.find("error") is not None:
            outcome = "failed"
        elif skipped is not None:
            outcome = "exempt" if skipped.get("type") == "pytest.xfail" else "skipped"
        reason = "" if skipped is None else skipped.get("message", "")
        yield {**known, "name": case.get("name", ""), "outcome": outcome, "reason": reason}


def _table(counts: Report) -> Iterator[str]:
    yield "| connector | " + " | ".join(TOPICS) + " |"
    yield "|---|" + "---:|" * len(TOPICS)
    for name in sorted({name for name, _ in counts}):
        yield (
            f"| {name} | "
            + " | ".join(_cell(counts.get((name, topic), Counter())) for topic in TOPICS)
            + " |"
        )


def _cell(count: Counter[str]) -> str:
    if not count:
        return ""
    skipped = f"+{count['skipped']}" if count["skipped"] else ""
    exempt = f"-{count['exempt']}" if count["exempt"] else ""
    return f"{count['held']}{skipped}{exempt}"


def _exempted(cases: list[dict[str, Any]]) -> Iterator[str]:
    yield "| exempted | check | because |\n|---|---|---|"
    rows = {
        (case["connector"], case["name"], case["reason"].removeprefix("exempt: ").rpartition(" (")[0])
        for case in cases
        if case["outcome"] == "exempt"
    }
    yield from (f"| {name} | `{check}` | {why} |" for name, check, why in sorted(rows))
    yield ""


def _types(cases: list[dict[str, Any]]) -> Iterator[str]:
    answers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in cases:
        if case.get("case"):
            answer = "exempted" if case["outcome"] == "exempt" else case["answer"]
            answers[case["case"]][case["connector"]].add(answer)
    names = sorted({name for each in answers.values() for name in each})
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    # The checks may have run in any order.
    for kind, each in sorted(answers.items(), key=lambda pair: TYPE_NAMES.index(pair[0])):
        cells = (" or ".join(sorted(each[name])) if name in each else "" for name in names)
        yield f"| {kind} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1])))
