"""Options that the commands of ``crossdock node`` have."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from crossdock import ConfigError, MissingDependencyError, state_folder

HERE = "This machine"
"""The heading of the commands about the agent of this machine, apart from those that ask a service."""
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Where its state is. Default: $CROSSDOCK_HOME/node."),
]
KeyArgument = Annotated[
    str | None,
    typer.Argument(help="An auth key of the runtime; without it, $AUTH_KEY or standard input."),
]


def need() -> None:
    """Raises MissingDependencyError where the extra is not installed."""
    if find_spec("httpx") is None or find_spec("jwt") is None or find_spec("psutil") is None:
        raise MissingDependencyError(
            "a node needs more packages; install them with: pip install 'crossdock[node]'"
        )


def node_folder(state: Path | None) -> Path:
    return state or state_folder() / "node"


def given_key(key: str | None) -> str:
    """An auth key. Raises ConfigError where there is none and nobody to pipe it."""
    found = key or os.environ.get("AUTH_KEY")
    if found:
        return found
    if sys.stdin.isatty():
        raise ConfigError("which auth key? Give it as $AUTH_KEY, by a pipe or as an argument")
    return sys.stdin.readline().strip()
