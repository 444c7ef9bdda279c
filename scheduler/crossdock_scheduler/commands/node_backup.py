"""``crossdock node backup`` and ``restore``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from crossdock import ConfigError
from crossdock.cli import options

from .node_options import StateOption, need, node_folder

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the backup.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE",
        help="Its first line is the password. Without it: $CROSSDOCK_BACKUP_PASSWORD, else it is asked for.",
    ),
]  # fmt: skip


def backup(
    context: typer.Context,
    file: FileArgument,
    *,
    password_file: PasswordOption = None,
    state: StateOption = None,
) -> None:
    """Write this node with its keys into a file that only the password opens."""
    need()
    from ..node.backup import back_up

    session = options.session_of(context)
    session.command = "node backup"
    known = back_up(node_folder(state), file, password_of(password_file, "backup", twice=True))
    session.say(
        f"{known.name} of {known.runtime} in {known.factory} is in {file}; keep the password elsewhere"
    )


def restore(
    context: typer.Context,
    file: FileArgument,
    *,
    password_file: PasswordOption = None,
    state: StateOption = None,
) -> None:
    """Make this machine the node of a backup. The node must not run elsewhere any more."""
    need()
    from ..node.backup import restore as restored

    session = options.session_of(context)
    session.command = "node restore"
    known = restored(node_folder(state), file, password_of(password_file, "backup"))
    session.say(
        f"{known.name} is a node of {known.runtime} in {known.factory}; start it with: crossdock node start"
    )


def password_of(file: Path | None, what: str, *, twice: bool = False) -> str:
    """Of the file, of the variable that is called after ``what`` it is for, or of who is asked.

    Raises ConfigError where there is none and nobody to ask.
    """
    if file is not None:
        try:
            return file.read_text().partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the password cannot be read from {file}") from error
    variable = f"CROSSDOCK_{what.upper()}_PASSWORD"
    if found := os.environ.get(variable):
        return found
    if not sys.stdin.isatty():
        raise ConfigError(f"which password? Give it as ${variable} or with --password-file")
    asked: str = typer.prompt(f"Password of the {what}", hide_input=True, confirmation_prompt=twice, err=True)
    return asked
