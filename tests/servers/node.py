"""The node agent as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from servers.service import ServiceProcess

_WAIT = 60.0


@dataclass
class NodeProcess:
    """A running agent; ``errors`` is the file of what it said."""

    process: subprocess.Popen[bytes]
    home: Path
    errors: Path

    def kill(self) -> None:
        """As if its machine went down, with the processes of its jobs."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait(_WAIT)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(_WAIT)


def command(home: Path, *options: str, key: str = "") -> subprocess.CompletedProcess[str]:
    """``crossdock node ...`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "crossdock", "node", *options],
        env=os.environ | {"CROSSDOCK_HOME": str(home), "AUTH_KEY": key},
        capture_output=True,
        text=True,
        timeout=_WAIT,
        check=False,
    )


def register(home: Path, server: ServiceProcess, key: str, name: str) -> None:
    home.mkdir(exist_ok=True)
    # Without an argument the key is in no process list.
    done = command(home, "register", "--ca", str(server.ca), "--name", name, key=key)
    assert done.returncode == 0, done.stderr


SILENT = (str(Path(__file__).with_name("silent_node.py")),)


@contextmanager
def node(
    home: Path, *options: str, program: Sequence[str] = ("-m", "crossdock"), **environment: str
) -> Iterator[NodeProcess]:
    """Started on the state of a registered node. ``program`` SILENT: one that tells the service of no end."""
    errors = home / "node.log"
    with errors.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *program, "node", "start", *options],
            env=os.environ | {"CROSSDOCK_HOME": str(home)} | environment,
            stderr=log,
        )
    found = NodeProcess(process, home, errors)
    try:
        until = time.monotonic() + _WAIT
        while b" works for " not in errors.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the node did not start: {errors.read_text()}")
            time.sleep(0.05)
        yield found
    finally:
        if process.poll() is None:
            found.stop()
