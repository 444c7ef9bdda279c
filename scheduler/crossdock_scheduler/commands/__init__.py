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


def add_commands(app: typer.Typer) -> None:
    app.command()(validate)
    app.command()(run)
    app.add_typer(pipeline_runs, name="pipeline-runs")
    app.add_typer(node, name="node")
    app.add_typer(service, name="service")
    app.command()(login)
    app.add_typer(context_group, name="context")
    app.add_typer(factory, name="factory")
    app.add_typer(ir, name="ir")
    app.add_typer(pipeline, name="pipeline")
    app.add_typer(credential, name="credential")
