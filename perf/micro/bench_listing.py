"""100,000 blobs in ten folders from a service that takes 0.1 s a page: folders at once, and as they come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crossdock import Location
from crossdock_connectors.azure import blob_list
from crossdock_connectors.azure.blob import SPEC

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-m", "perf.rig.listing", "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/account"
        finally:
            server.terminate()


@pytest.mark.parametrize("folders", [64, 0], ids=["folders at once", "as they come"])
def test_listing(benchmark: Any, endpoint: str, folders: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_list, "_MOST_FOLDERS", folders)
    options = {"endpoint": endpoint, "auth": "anonymous", "allow_http": True, "proxy": ""}
    assert SPEC.open_store is not None
    with closing(SPEC.open_store(SPEC.config.model_validate(options), Location.parse("az://files"))) as store:

        def count() -> int:
            return sum(len(page) for page in store.list())

        assert benchmark.pedantic(count, rounds=3, warmup_rounds=1) == 100_000
