"""The service and the nodes of the demo, each a process of its own that is ended with it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from crossdock import InternalError

from ..node.presence import running
from .screen import prompt

_WAIT = 60.0
# Seconds after which the jobs of a silent node are another's: nobody likes to watch longer.
_LEASE = "4"


@dataclass(frozen=True, slots=True)
class Agent:
    """A node at work, whose state is below ``home``."""

    name: str
    home: Path
    process: subprocess.Popen[str]

    @property
    def jobs(self) -> list[str]:
        found = running(self.home / "node")
        return found.jobs if found else []

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def said_at(self, text: str) -> float:
        """When it was logged, in seconds since 1970."""
        line = next(each for each in self.log.splitlines() if text in each)
        return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()

    def kill(self) -> None:
        """As if its machine lost power: the processes of its jobs end with it."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        prompt(f"$ kill -9 {' '.join(str(each) for each in (self.process.pid, *(c.pid for c in children)))}")
        self.process.kill()
        for each in children:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(_WAIT)


@contextmanager
def service(home: Path) -> Iterator[tuple[str, str, Path]]:
    """A service on any free port: its address, the token of its owner, and the CA by which it is trusted."""
    options = ("--port", "0", "--lease", _LEASE)
    with started(home, "service", "start", *options, until=" state in ") as (process, heard):
        url = next(word for word in heard.split() if word.startswith("https://")).rstrip(",")
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        token = process.stdout.readline().strip()
        yield url, token, home / "service" / "tls" / "ca.pem"


@contextmanager
def node(home: Path, ca: Path, key: str, name: str) -> Iterator[Agent]:
    """This machine as a node of the runtime that the key is of."""
    given = {"CROSSDOCK_HOME": str(home), "AUTH_KEY": key}
    command("node", "register", "--ca", str(ca), "--name", name, environment=given)
    with started(home, "node", "start", until=" works for ") as (process, _):
        yield Agent(name, home, process)


@contextmanager
def started(home: Path, *arguments: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, once it has said so; it is stopped at the end."""
    prompt(f"$ crossdock {shlex.join(arguments)} &")
    home.mkdir(parents=True, exist_ok=True)
    log = home / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            _crossdock(*arguments), env={**os.environ, "CROSSDOCK_HOME": str(home)},
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        began = time.monotonic()
        while until not in (heard := log.read_text()):
            if process.poll() is not None or time.monotonic() - began > _WAIT:
                raise InternalError(f"crossdock {arguments[0]} did not start: {heard.strip()}")
            time.sleep(0.05)
        yield process, heard
    finally:
        process.terminate()
        process.communicate()


def command(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run ``crossdock`` on this terminal; a failure ends the demo."""
    prompt(f"$ crossdock {shlex.join(arguments)}")
    done = subprocess.run(_crossdock(*arguments), env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise InternalError(f"crossdock {arguments[0]} ended with the exit code {done.returncode}")


def _crossdock(*arguments: str) -> list[str]:
    # -P: Python shall not look for modules in the demo's folder, which has one named csv.
    return [sys.executable, "-P", "-m", "crossdock", *arguments]
