"""The table of faults names tests that there are, and each fault."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = re.findall(r"^\| ([FS]\d\d) \| .+ \| (.+) \|$", (TESTS / "faults" / "README.md").read_text(), re.M)
FAULTS = [f"F{number:02}" for number in range(1, 35)] + [f"S{number:02}" for number in range(1, 19)]


@cache
def names_in(path: Path) -> set[str]:
    """``test_x``, and ``TestY::test_x`` as well as ``test_x`` for those of a class."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            inner = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            found |= inner | {f"{node.name}::{each}" for each in inner}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_fault_has_a_row() -> None:
    assert [name for name, _ in ROWS] == FAULTS


@pytest.mark.parametrize(("fault", "shown"), ROWS, ids=[name for name, _ in ROWS])
def test_it_names_tests_that_there_are(fault: str, shown: str) -> None:
    named = re.findall(r"`([^`:]+\.py)::([^`]+)`", shown)
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(TESTS / file)]
    assert (fault, missing) == (fault, [])
    # Without a test, it says why.
    assert named or shown.startswith("no test: ")
