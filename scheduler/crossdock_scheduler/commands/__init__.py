"""What the scheduler adds to the ``crossdock`` command line."""

from __future__ import annotations

import typer

from .validate import validate


def add_commands(app: typer.Typer) -> None:
    app.command()(validate)
