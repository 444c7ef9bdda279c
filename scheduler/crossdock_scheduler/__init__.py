"""The scheduler: pipelines of Data Factory, and what runs them. Commands are loaded when they are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def crossdock_commands(app: typer.Typer) -> None:
    from .commands import add_commands

    add_commands(app)
