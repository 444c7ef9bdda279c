"""The kit fails every broken connector, by exactly the checks that are meant to find its fault."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import broken_attributes
import broken_browse
import broken_facts
import broken_formats
import broken_loaders
import broken_memory
import broken_scripts
import broken_skips
import broken_stores
import broken_tables
import broken_writers
import pytest

_BROKEN = [
    wrong
    for module in (
        broken_tables,
        broken_writers,
        broken_stores,
        broken_attributes,
        broken_browse,
        broken_facts,
        broken_formats,
        broken_loaders,
        broken_memory,
        broken_scripts,
        broken_skips,
    )
    for wrong in vars(module).values()
    if isinstance(wrong, type) and issubclass(wrong, module.Wrong) and not wrong.__name__.startswith("Wrong")
]


@cache
def _outcomes(module: str) -> dict[str, set[str]]:
    """Run the kit on all connectors of a module; returns the checks that failed, by connector."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        program = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::ResourceWarning",
        ]
        done = subprocess.run(
            [*program, str(Path(__file__).with_name(f"{module}.py")), f"--junitxml={report}"],
            env={**os.environ, "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
        assert report.exists(), done.stdout + done.stderr
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - pytest wrote it
    outcomes: dict[str, set[str]] = {}
    for case in cases:
        assert case.find("error") is None, f"{case.get('name')} broke: {done.stdout[-3000:]}"
        failed = outcomes.setdefault(case.get("classname", "").rpartition(".")[2], set())
        if case.find("failure") is not None:
            failed.add(case.get("name", "").partition("[")[0])
    return outcomes


@pytest.mark.timeout(600)  # the first of a module runs the kit on all of them
@pytest.mark.parametrize("wrong", _BROKEN, ids=[f"{w.__module__}-{w.__name__}" for w in _BROKEN])
def test_the_kit_finds_the_fault(wrong: Any) -> None:
    """The checks that look for this fault fail; no check fails that has nothing to do with it."""
    failed = _outcomes(wrong.__module__)[wrong.__name__]
    assert wrong.caught_by
    assert wrong.caught_by <= failed, f"not found by {wrong.caught_by - failed}"
    assert failed <= wrong.caught_by | wrong.also
