"""Processes that copy, and that are killed while they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_bench import Bench, Nursery

if sys.platform != "linux":
    # They fork, stop and kill processes, look into /proc and mount small disks.
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.end()


@pytest.fixture
def bench(tmp_path: Path, nursery: Nursery) -> Iterator[Bench]:
    """Starts processes; leaves none behind, also when a test has failed."""
    bench = Bench(tmp_path, nursery)
    yield bench
    for child in bench.started:
        child.end()
