"""``crossdock service backup`` and ``restore``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from crossdock import ConfigError
from crossdock.cli import options

from .service_state import StateOption, folder_of, need_service

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Its first line is the password. Else that is $CROSSDOCK_BACKUP_PASSWORD, or asked for.",
    ),
]


def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where it is written to; replaced if it is there.")
    ],
    *,
    password_file: PasswordFile = None,
    state: StateOption = None,
) -> None:
    """Write the state of a service on SQLite to an encrypted file, also while it runs.

    It holds the database, the service's secret and its CA. PostgreSQL has pg_dump;
    service.key belongs to it.
    """
    session = options.session_of(context)
    session.command = "service backup"
    need_service()
    from ..service.operations.backup import back_up

    size = back_up(folder_of(state), file, _password(password_file, twice=True))
    session.say(f"{file} has the service's state ({size:,} bytes); without its password nobody can read it")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `service backup` wrote.")],
    *,
    password_file: PasswordFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the state that is there.")] = False,
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Let runs and triggers go on: no service has run since the backup."),
    ] = False,
    state: StateOption = None,
) -> None:
    """Bring back the state of a service that is not running. A file that is not whole changes nothing.

    Runs that were in progress are cancelled and triggers stopped: nobody knows what they have done since.
    """
    session = options.session_of(context)
    session.command = "service restore"
    need_service()
    from ..service.operations.backup import restore as bring_back

    folder = folder_of(state)
    found = bring_back(folder, file, _password(password_file), force=force, go_on=go_on)
    if found.runs:
        session.say(f"runs that were in progress, {found.runs}, are cancelled: look at what they have done")
    if found.triggers:
        session.say(
            f"triggers that were started, {found.triggers}, are stopped: start those that shall go on"
        )
    session.say(f"{folder} has {', '.join(found.names)} again; start it with: crossdock service start")


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
