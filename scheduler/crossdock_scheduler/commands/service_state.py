"""Options of the commands that work on a service's state where it is kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock import MissingDependencyError, state_folder

if TYPE_CHECKING:
    from ..service.at_machine import Place

StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Where its state is kept. Default: $CROSSDOCK_HOME/service."),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="CROSSDOCK_DATABASE",
        show_envvar=True,
        help="postgresql+psycopg://user@host/database for many replicas; its password comes from "
        "PGPASSWORD or .pgpass. Default: SQLite in the state folder.",
    ),
]
SecretFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The service's secret, which replicas share: a copy of service.key of the first one.",
    ),
]


def need_service() -> None:
    if find_spec("fastapi") is None:
        raise MissingDependencyError(
            "the service needs more packages; install them with: pip install 'crossdock[service]'"
        )


def folder_of(state: Path | None) -> Path:
    return state or state_folder() / "service"


def place_of(state: Path | None, database: str | None, secret_file: Path | None) -> Place:
    """Where a service's state is."""
    need_service()
    from ..service.at_machine import Place

    return Place(folder_of(state), database, secret_file)
