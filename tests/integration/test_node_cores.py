"""What a node's processes leave when they crash: nothing that was in their memory."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node import caps

_PATTERN = Path("/proc/sys/kernel/core_pattern")
# A worker that crashes when it has its work. The limit of core files does not hold, as it does not for a
# program that is to have the cores (core(5)).
_CRASHES = """
import os, resource
from crossdock_scheduler.node import worker

_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
resource.setrlimit = lambda *_: None
worker.cap = lambda **_: os.abort()
"""
_AS_EVER = "worker.no_core = lambda **_: None\n"


def crashed(folder: Path, before: str, *, private: bool) -> tuple[bytes, list[bytes]]:
    """The secret that a worker had, and the cores that it left."""
    secret = uuid4().hex.encode()
    work = {"work": {"secret": secret.decode()}, "policy": {"private": private}, "caps": {}}
    done = subprocess.run(
        [sys.executable, "-c", f"{_CRASHES}{before}worker.main()"],
        input=json.dumps(work).encode() + b"\n", cwd=folder, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGABRT, done.stderr.decode()
    return secret, [each.read_bytes() for each in folder.glob("core*")]


def leaves_cores() -> bool:
    pattern = _PATTERN.read_text() if _PATTERN.exists() else "|"
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY
    return unlimited and pattern.startswith("core")


@pytest.mark.skipif(not leaves_cores(), reason="this system writes no cores to files")
def test_a_worker_leaves_none_of_its_secrets(tmp_path: Path) -> None:
    """Where a guard watches it, it may leave a core, without memory."""
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for each in folders:
        each.mkdir()
    secret, cores = crashed(folders[0], _AS_EVER, private=True)
    assert [secret in each for each in cores] == [True]
    assert crashed(folders[1], "", private=True)[1] == []
    secret, cores = crashed(folders[2], "", private=False)
    assert [secret in each for each in cores] == [False]


def test_no_command_leaves_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(caps, "no_core", lambda: asked.append(True))
    for command in ("start", "machine-key", "backup file", "unregister"):
        CliRunner().invoke(node, [*command.split(), "--state", str(tmp_path)])
    assert asked == [True] * 4
