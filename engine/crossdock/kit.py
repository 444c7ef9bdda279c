"""Runs the conformance kit in a process of its own, and reads what it says (JUnit's XML)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

from .errors import ConfigError, InternalError

Outcome = Literal["passed", "failed", "skipped", "exempt"]
_EXEMPT = "exempt: "


@dataclass(frozen=True, slots=True)
class Setup:
    """What a test file says. ``url`` has ``{}`` where a fresh name of each check goes; empty: a local folder.

    ``exempt``: by the name of a check, why it cannot hold.
    """

    module: str
    url: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check. ``text``: what failed, why it was skipped or is exempt. ``properties``: what
    the check has recorded.
    """

    group: str
    check: str
    outcome: Outcome
    text: str
    properties: Mapping[str, str]


def run_kit(setup: Setup, junit: Path | None = None) -> list[Result]:
    """Check the connectors of a module; ``junit`` gets the report.

    Raises ConfigError for a module without connectors or that does not import, InternalError where the
    process ends without a report.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ConfigError("the conformance kit needs pytest; install it with: pip install pytest")
    with TemporaryDirectory(prefix="crossdock-check-") as folder:
        place = Path(folder)
        (place / "setup.json").write_text(json.dumps(asdict(setup)))
        # The folder of whoever calls is where an uninstalled module is.
        path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH", ""))))
        done = subprocess.run(
            [sys.executable, "-m", "crossdock.contract.running", folder],
            env=os.environ
            | {"PYTHONPATH": path, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if (refusal := place / "refusal.txt").exists():
            raise ConfigError(refusal.read_text())
        report = place / "report.xml"
        if not report.exists():
            said = (done.stdout + done.stderr).strip()
            raise InternalError(
                f"the conformance kit ended with status {done.returncode} and without a report", detail=said
            )
        results = read_results(report)
        if junit is not None:
            try:
                copyfile(report, junit)
            except OSError as error:
                raise ConfigError(f"the report cannot be written to {junit}: {error.strerror}") from error
    return results


def read_results(report: Path) -> list[Result]:
    """The checks of a report, in its order."""
    return [_result(case) for case in ElementTree.parse(report).iter("testcase")]  # noqa: S314 - pytest's own


def _result(case: ElementTree.Element) -> Result:
    outcome, text = _outcome(case)
    properties = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
    group = case.get("classname", "").rpartition(".")[2]
    return Result(group, case.get("name", ""), outcome, text, properties)


def _outcome(case: ElementTree.Element) -> tuple[Outcome, str]:
    for name in ("failure", "error"):
        if (wrong := case.find(name)) is not None:
            return "failed", wrong.get("message", "")
    skipped = case.find("skipped")
    if skipped is None:
        return "passed", ""
    text = skipped.get("message", "")
    if skipped.get("type") == "pytest.xfail":
        return "exempt", text.removeprefix(_EXEMPT)
    return "skipped", text
