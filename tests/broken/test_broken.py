"""The kit fails every broken connector, by exactly the checks that are meant to find its fault."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest

from crossdock.contract import FormatContract, StoreContract, TableContract

_MODULES = [import_module(each.stem) for each in sorted(Path(__file__).parent.glob("broken_*.py"))]
# Checks that no wrong connector can fail, and why: none.
_UNPROVEN: dict[str, str] = {}


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


def _fault(wrong: Any, failed: set[str]) -> str:
    """What the kit says about a connector that it should not; "" where it is right."""
    if missed := wrong.caught_by - failed:
        return f"{wrong.__name__} is not found by {missed}"
    if other := failed - wrong.caught_by - wrong.also:
        return f"{wrong.__name__} fails {other}, which have nothing to do with it"
    return "" if wrong.caught_by else f"{wrong.__name__} is found by nothing"


def _wrongs(module: Any) -> list[Any]:
    """The tests of a module's wrong connectors."""
    return [
        wrong
        for wrong in vars(module).values()
        if isinstance(wrong, type) and hasattr(wrong, "caught_by") and wrong.__test__ is True  # type: ignore[attr-defined]
    ]


def _check(kind: type[Any], name: str) -> str:
    """A check by the class that has it: those of specs are the same for all kinds."""
    owner = next(each for each in kind.__mro__ if vars(each).get(name) is not None)
    return f"{owner.__module__}.{owner.__name__}.{name}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", _MODULES, ids=lambda module: module.__name__)
def test_the_kit_finds_each_fault(module: Any) -> None:
    """The checks that look for a fault fail; no check fails that has nothing to do with it."""
    # A test for each connector would run the kit on all of its module again in each of pytest's processes.
    outcomes = _outcomes(module.__name__)
    assert outcomes.keys() == {wrong.__name__ for wrong in _wrongs(module)}
    assert not [fault for wrong in _wrongs(module) if (fault := _fault(wrong, outcomes[wrong.__name__]))]


def test_every_check_fails_a_wrong_connector() -> None:
    """Whoever adds a check shows that it finds something: ``caught_by`` of a connector here names it."""
    kinds = (StoreContract, TableContract, FormatContract)
    checks = {_check(kind, name) for kind in kinds for name in dir(kind) if name.startswith("test_")}
    proven = {
        _check(wrong, name) for module in _MODULES for wrong in _wrongs(module) for name in wrong.caught_by
    }
    assert sorted(checks - proven) == sorted(_UNPROVEN)
