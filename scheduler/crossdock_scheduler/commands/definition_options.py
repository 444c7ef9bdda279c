"""Options of the commands that read definitions."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from crossdock import MissingDependencyError

AllowPath = Annotated[
    list[str] | None,
    typer.Option(metavar="DIR", help="Only folders below this may be read and written; may be repeated."),
]
ForbidPrivate = Annotated[
    bool, typer.Option("--forbid-private", help="No addresses of private networks or of this machine.")
]
LinkedServiceValues = Annotated[
    list[str] | None,
    typer.Option(
        "--linked-service", metavar="NAME.PROPERTY=VALUE", help="Another value of a linked service."
    ),
]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="Other values and secrets, as JSON.")
]
TemplateParameters = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The file of parameters of an ARM template.")
]


def need_parser() -> None:
    """Raises MissingDependencyError without the extra that reads expressions."""
    if find_spec("lark") is None or find_spec("lxml") is None:
        raise MissingDependencyError(
            "expressions need lark and lxml; install them with: pip install 'crossdock[pipeline]'"
        )
