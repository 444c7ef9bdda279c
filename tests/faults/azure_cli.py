"""``crossdock`` as a process of its own that copies through the fault proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure_rig import Rig
from servers.azurite import KEY

CROSSDOCK = [sys.executable, "-P", "-m", "crossdock"]


@dataclass
class Ended:
    """``out`` and ``err`` are what was printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class Cli:
    """``key`` goes by way of the environment, as secrets do."""

    rig: Rig
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        left_out = ("CROSSDOCK_", "AZURE_", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT")
        given = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        self.environment = given | {"CROSSDOCK_HOME": str(self.home), "THE_KEY": KEY} | self.environment

    @property
    def home(self) -> Path:
        return self.rig.folder / "home"

    def options(self, flag: str, **over: str | None) -> list[str]:
        """The end at Azure; ``over`` None leaves an option out."""
        given = self.rig.options | {"account_key": "env:THE_KEY"} | over
        return [
            part for name, value in given.items() if value is not None for part in (flag, f"{name}={value}")
        ]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*CROSSDOCK, *map(str, arguments)],
            cwd=self.rig.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str | Path) -> Ended:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=90)
        return Ended(process.returncode, out, err)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL, and nothing of it is left."""
        process.kill()
        process.communicate(timeout=10)
        assert process.returncode == -9

    def resume(self, run_id: str, *arguments: str) -> Ended:
        return self.run("runs", "resume", run_id, *arguments, "--output", "json")

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)
