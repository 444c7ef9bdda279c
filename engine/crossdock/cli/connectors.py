"""``crossdock connectors``: what is installed, and what one of them takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .carrying import warn_of_faults
from .session import Output

if TYPE_CHECKING:
    from ..plugins import Registry
    from ..spi.spec import ConnectorSpec


def add_command(app: typer.Typer) -> None:
    app.command("connectors", rich_help_panel=options.HELP)(connectors)


def _names(incomplete: str) -> list[tuple[str, str]]:
    from ..plugins import registry

    return [(s.name, s.summary) for s in registry().specs.values() if s.name.startswith(incomplete)]


def _find(known: Registry, name: str) -> ConnectorSpec:
    """By the connector's name or one of its Data Factory type names."""
    wanted = name.lower()
    for spec in known.specs.values():
        if wanted in (spec.name, *(kind.lower() for kind in spec.adf_types)):
            return spec
    return known.by_name(name)  # says what there is


def connectors(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Describe this one.", autocompletion=_names, show_default=False)
    ] = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """List the connectors, or describe one: its options, what it can do, an example."""
    from ..plugins import registry
    from . import describe  # imports rich's tables and the store settings

    session = options.session_of(context)
    session.command = "connectors"
    warn_of_faults(session, always=True)
    known = registry()
    if name is None:
        specs = sorted(known.specs.values(), key=lambda spec: (spec.kind, spec.name))
        if session.json:
            faults = [{"plugin": fault.plugin, "reason": fault.reason} for fault in known.faults]
            session.show_json({"connectors": [describe.as_json(spec) for spec in specs], "faults": faults})
        else:
            session.show(describe.table(specs))
        return
    spec = _find(known, name)
    if session.json:
        session.show_json(describe.as_json(spec))
    else:
        session.show(describe.page(spec))
