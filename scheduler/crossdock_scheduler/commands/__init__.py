"""What the scheduler adds to the ``crossdock`` command line."""

from __future__ import annotations

import typer

from . import authoring as authoring  # its commands are among those of ir
from .contexts import context_group, login
from .credentials import credential
from .factories import factory
from .node import node
from .pipeline_runs import pipeline_runs
from .pipelines import pipeline
from .run import run
from .runtimes import ir
from .service import service
from .validate import validate

HERE = "Pipelines of Data Factory, on this machine"
OPERATING = "A service, and nodes"
ASKING = "Ask a service"


def add_commands(app: typer.Typer) -> None:
    app.command(rich_help_panel=HERE)(validate)
    app.command(rich_help_panel=HERE)(run)
    app.add_typer(pipeline_runs, name="pipeline-runs", rich_help_panel=HERE)
    app.add_typer(node, name="node", rich_help_panel=OPERATING)
    app.add_typer(service, name="service", rich_help_panel=OPERATING)
    app.command(rich_help_panel=ASKING)(login)
    for group, name in (
        (context_group, "context"),
        (factory, "factory"),
        (ir, "ir"),
        (pipeline, "pipeline"),
        (credential, "credential"),
    ):
        app.add_typer(group, name=name, rich_help_panel=ASKING)
