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
_PROGRAM = """
import sys
from pathlib import Path
from crossdock.contract.running import main
sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a test file says. ``url`` has ``{}`` where a fresh name of each check goes; empty: a local folder.

    ``exempt``: by the name of a check, why it cannot hold. ``timeout``: seconds for one check.
    """

    module: str
    url: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 600


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

    Raises ConfigError for a module without connectors, that does not import or claims what is taken,
    InternalError where a check takes too long or the process ends before all have run.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ConfigError("the conformance kit needs pytest; install it with: pip install pytest")
    with TemporaryDirectory(prefix="crossdock-check-") as folder:
        place = Path(folder)
        status, said = _run(setup, place)
        if (refusal := place / "refusal.txt").exists():
            raise ConfigError(refusal.read_text())
        report = place / "report.xml"
        if status not in (0, 1) or not report.exists():
            raise _unfinished(setup, place, status, said)
        results = read_results(report)
        # A connector may end pytest in good order, or this process once the report is written.
        if len({(each.group, each.check) for each in results}) < int((place / "count.txt").read_text()):
            raise _unfinished(setup, place, status, said)
        if junit is not None:
            try:
                copyfile(report, junit)
            except OSError as error:
                raise ConfigError(f"the report cannot be written to {junit}: {error.strerror}") from error
    return results


def _run(setup: Setup, place: Path) -> tuple[int, str]:
    """The status of the process and what it said. Its input has the setup: files and arguments are seen."""
    # The folder of whoever calls is where an uninstalled module is.
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH", ""))))
    # A file, not a pipe: a child that a check leaves behind would hold that open.
    with (place / "said.txt").open("w+", errors="replace") as said:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(place), str(os.getpid())],
            env=os.environ
            | {"PYTHONPATH": path, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            input=json.dumps(asdict(setup)),
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said.seek(0)
        return done.returncode, said.read().strip()


def _unfinished(setup: Setup, place: Path, status: int, said: str) -> InternalError:
    check, hung = (
        each.read_text(errors="replace") if each.exists() else ""
        for each in (place / "check.txt", place / "hung.txt")
    )
    if hung:
        what = f"the check {check} of {setup.module}" if check else f"importing {setup.module}"
        return InternalError(
            f"{what} has not ended after {setup.timeout} seconds; --timeout gives it more",
            detail=hung,
        )
    where = f" in the check {check}" if check else ""
    return InternalError(
        f"the conformance kit ended with status {status}{where}, before all checks had run", detail=said
    )


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
