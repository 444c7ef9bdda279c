"""The published table of what connectors are tested for has the checks that there are."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CAPABILITIES = runpy.run_path(str(DOCS / "capabilities.py"))
COLLECT = """
import json, runpy, sys
import pytest

class Seen:
    def pytest_collection_finish(self, session):
        self.items = session.items

seen = Seen()
arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", "-p", "no:xdist"]
status = pytest.main([*arguments, sys.argv[2]], [seen])
totals = runpy.run_path(sys.argv[1])["totals"](seen.items)
print(json.dumps([status, [[*key, count] for key, count in totals.items()]]))
"""


def test_the_page_has_the_checks_that_there_are() -> None:
    """Run ``make capabilities`` when this fails."""
    program = [sys.executable, "-c", COLLECT, str(DOCS / "capabilities.py"), str(CAPABILITIES["CONTRACTS"])]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=True)
    status, counts = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert CAPABILITIES["on_page"](CAPABILITIES["PAGE"].read_text()) == {
        (name, topic): count for name, topic, count in counts
    }


def test_a_report_with_a_failure_is_no_table(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    known = "".join(
        f'<property name="{name}" value="{value}"/>'
        for name, value in (("connector", "x"), ("kind", "store"), ("topic", "read"))
    )
    case = f'<testcase name="test_read"><properties>{known}</properties>%s</testcase>'
    skipped = '<skipped type="pytest.skip" message="no"/>'
    report.write_text(f"<testsuites>{case % ''}{case % skipped}</testsuites>")
    assert CAPABILITIES["on_page"](CAPABILITIES["page"](report)) == {("x", "read"): 2}
    report.write_text(f"<testsuites>{case % '<failure/>'}</testsuites>")
    with pytest.raises(ValueError, match="1 checks fail: test_read"):
        CAPABILITIES["page"](report)
