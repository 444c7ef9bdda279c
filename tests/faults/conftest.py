"""Processes that copy, and that are killed while they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fault_bench import Bench, Nursery

from crossdock import retry

if TYPE_CHECKING:
    from azure_cli import Cli
    from azure_rig import Rig
    from servers.azurite import Azurite

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


@pytest.fixture
def rig(azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A container on Azurite behind a fault proxy of its own; retries do not make a test wait."""
    import azure_rig
    from servers.fault_proxy import fault_proxy

    from crossdock_connectors.azure.blob_store import BlobStore

    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(BlobStore, "whole_limit", azure_rig.WHOLE)
    (tmp_path / "tls").mkdir()
    with (
        fault_proxy(azurite.url, azurite.ca, tmp_path / "tls") as proxy,
        azure_rig.rig(azurite, proxy, tmp_path) as rig,
    ):
        yield rig


@pytest.fixture
def cli(rig: Rig) -> Iterator[Cli]:
    """``crossdock`` as a process; none is left behind."""
    from azure_cli import Cli

    cli = Cli(rig)
    yield cli
    cli.end()
