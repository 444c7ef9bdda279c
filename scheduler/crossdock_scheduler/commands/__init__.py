"""What the scheduler adds to the ``crossdock`` command line."""

from __future__ import annotations

import typer

from .node import node
from .pipeline_runs import pipeline_runs
from .run import run
from .service import service
from .validate import validate


def add_commands(app: typer.Typer) -> None:
    app.command()(validate)
    app.command()(run)
    app.add_typer(pipeline_runs, name="pipeline-runs")
    app.add_typer(node, name="node")
    app.add_typer(service, name="service")
