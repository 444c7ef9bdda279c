"""``crossdock service backup`` and ``restore``."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from crossdock import ConfigError, MissingDependencyError, state_folder
from crossdock.cli import options

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Its first line is the password. Else that is $CROSSDOCK_BACKUP_PASSWORD, or asked for.",
    ),
]
StateFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The state folder. Default: $CROSSDOCK_HOME/service.")
]


def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where it is written to; replaced if it is there.")
    ],
    *,
    password_file: PasswordFile = None,
    state: StateFolder = None,
) -> None:
    """Write the state of a service on SQLite to an encrypted file, also while it runs.

    It holds the database, the service's secret and its CA. PostgreSQL has pg_dump;
    service.key belongs to it.
    """
    session = options.session_of(context)
    session.command = "service backup"
    _need()
    from ..service.operations.backup import back_up

    size = back_up(state or state_folder() / "service", file, _password(password_file, twice=True))
    session.say(f"{file} has the service's state ({size:,} bytes); without its password nobody can read it")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `service backup` wrote.")],
    *,
    password_file: PasswordFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the state that is there.")] = False,
    state: StateFolder = None,
) -> None:
    """Bring back the state of a service that is not running. A file that is not whole changes nothing."""
    session = options.session_of(context)
    session.command = "service restore"
    _need()
    from ..service.operations.backup import restore as bring_back

    folder = state or state_folder() / "service"
    names = bring_back(folder, file, _password(password_file), force=force)
    session.say(f"{folder} has {', '.join(names)} again; start it with: crossdock service start")


def _need() -> None:
    if find_spec("fastapi") is None:
        raise MissingDependencyError(
            "the service needs more packages; install them with: pip install 'crossdock[service]'"
        )


def _password(file: Path | None, *, twice: bool = False) -> str:
    if file is not None:
        try:
            found = file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"--password-file {file} cannot be read: {error}") from error
    elif (given := os.environ.get("CROSSDOCK_BACKUP_PASSWORD")) is not None:
        found = given
    elif sys.stdin.isatty():
        found = typer.prompt("password of the backup", hide_input=True, confirmation_prompt=twice, err=True)
    else:
        raise ConfigError("a backup has a password; give --password-file or $CROSSDOCK_BACKUP_PASSWORD")
    if not found:
        raise ConfigError("the password of a backup must not be empty")
    return found
