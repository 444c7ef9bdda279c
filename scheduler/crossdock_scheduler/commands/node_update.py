"""``crossdock node update``: how this node is updated."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer

import crossdock
from crossdock import ConfigError
from crossdock.cli import options
from crossdock.cli.session import Output

from .node_options import StateOption, need, node_folder


def update(
    context: typer.Context,
    *,
    on: Annotated[
        bool | None, typer.Option("--on/--off", help="Whether the node updates itself when it is its turn.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="What installs the newer version; it is run without a shell."),
    ] = None,
    back: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="What installs the former one again, where the update failed."),
    ] = None,
    output: options.OutputOption = Output.TEXT,
    state: StateOption = None,
) -> None:
    """Show the versions of node and service, and show or change how the node is updated.

    The runtime says when: autoUpdate and updateDelayOffset, or `upgrade`; one node after the other.
    """
    need()
    from ..node.presence import running
    from ..node.updates import set_updates, updates

    session = options.session_of(context)
    session.command = "node update"
    folder = node_folder(state)
    before = found = updates(folder)
    if command is not None:
        found = replace(found, command=command, failed="")
    if back is not None:
        found = replace(found, back=back)
    if on is not None:
        found = replace(found, on=on, failed="")
    if found.on and not found.command:
        raise ConfigError("which command installs an update? Give it with --command")
    if found != before:
        set_updates(folder, found)
    agent = running(folder)
    said = {
        "version": crossdock.__version__,
        "latest": (agent.latest if agent else "") or None,
        **asdict(found),
    }
    if session.json:
        session.show_json(said)
        return
    session.show(
        "\n".join(f"{name}: {_shown(value)}" for name, value in said.items() if value not in {"", None})
    )


def _shown(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
