"""What the scheduler adds to the ``crossdock`` command line."""

from __future__ import annotations

import typer

from .service import service
from .validate import validate


def add_commands(app: typer.Typer) -> None:
    app.command()(validate)
    app.add_typer(service, name="service")
