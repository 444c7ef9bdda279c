"""``crossdock validate``: what of a Data Factory is supported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock.cli import options
from crossdock.cli.session import Output

from .definition_options import (
    AllowPath,
    ForbidPrivate,
    LinkedServiceValues,
    SettingsFile,
    TemplateParameters,
    need_parser,
)

if TYPE_CHECKING:
    from ..pipeline.policy import Policy


def validate(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE",
            help="A Git folder of Data Factory or Synapse, an ARM template, or one object.",
        ),
    ],
    *,
    linked_service: LinkedServiceValues = None,
    settings: SettingsFile = None,
    parameters: TemplateParameters = None,
    allow_path: AllowPath = None,
    forbid_private: ForbidPrivate = False,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Say what of a Data Factory loads, what is supported and what is not. Nothing is opened or run.

    Ends with 0 if every pipeline is supported, 1 if something is not, 2 if a definition is wrong.
    """
    need_parser()
    from ..pipeline.coverage import cover
    from ..pipeline.definitions import load
    from ..pipeline.settings import apply, read_settings

    session = options.session_of(context)
    session.command = "validate"
    here = read_settings(settings, linked_service or ())
    factory = apply(here, load(path, parameters), os.environ)
    found = cover(factory, here.policy(_policy(allow_path, forbid_private)))
    if session.json:
        session.show_json(found.as_json())
    else:
        from .validate_text import show

        show(session, found)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _policy(allow_path: list[str] | None, forbid_private: bool) -> Policy:
    from ..pipeline.policy import Policy

    return Policy(tuple(allow_path) if allow_path else None, not forbid_private)
