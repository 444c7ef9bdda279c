"""A job, and programs that it starts, that want more memory or cores than they may have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from one_job import outcome

PACKAGE: dict[str, Any] = {"packageLocation": {"type": "File", "packagePath": "/etl/load.dtsx"}}
# A process that the job starts; its memory is not touched, and so costs the machine none.
PROGRAM = """#!/bin/sh
exec {python} -c 'import os; taken = bytearray(1 << 30); print(len(os.sched_getaffinity(0)), "cores")'
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds them")


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "dtexec"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o700)
    return str(path)


def test_without_a_cap(program: str) -> None:
    assert outcome("ExecuteSSISPackage", PACKAGE, dtexec=program).outcome == "succeeded"


def test_memory(program: str) -> None:
    found = outcome("ExecuteSSISPackage", PACKAGE, dtexec=program, memory=512 << 20)
    assert found.outcome == "failed"
    assert "MemoryError" in found.result["error"]["message"]


def test_memory_of_the_job_itself() -> None:
    """So little that it does not come to its work: its node lives on, and says how the job ended."""
    found = outcome("ExecuteSSISPackage", PACKAGE, dtexec="true", memory=1 << 20)
    assert found.outcome == "failed"


def test_cores(program: str) -> None:
    found = outcome("ExecuteSSISPackage", PACKAGE, dtexec=program, cores=1)
    assert "1 cores" in found.result["output"]["log"]
