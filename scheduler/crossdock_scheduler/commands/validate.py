"""``crossdock validate``: what of a Data Factory is supported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock import MissingDependencyError
from crossdock.cli import options
from crossdock.cli.session import Output

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
    parameters: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file of parameters of an ARM template.")
    ] = None,
    allow_path: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Only folders below this may be read and written; may be repeated."),
    ] = None,
    forbid_private: Annotated[
        bool, typer.Option("--forbid-private", help="No addresses of private networks or of this machine.")
    ] = False,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Say what of a Data Factory loads, what is supported and what is not. Nothing is opened or run.

    Ends with 0 if every pipeline is supported, 1 if something is not, 2 if a definition is wrong.
    """
    _need_parser()
    from ..pipeline.coverage import cover
    from ..pipeline.definitions import load

    session = options.session_of(context)
    session.command = "validate"
    found = cover(load(path, parameters), _policy(allow_path, forbid_private))
    if session.json:
        session.show_json(found.as_json())
    else:
        from .validate_text import show

        show(session, found)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _need_parser() -> None:
    if find_spec("lark") is None or find_spec("lxml") is None:
        raise MissingDependencyError(
            "expressions need lark and lxml; install them with: pip install 'crossdock[pipeline]'"
        )


def _policy(allow_path: list[str] | None, forbid_private: bool) -> Policy:
    from ..pipeline.policy import Policy

    return Policy(tuple(allow_path) if allow_path else None, not forbid_private)
