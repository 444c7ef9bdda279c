"""``crossdock service audit``: whether the audit log is as it was written."""

from __future__ import annotations

from typing import Annotated

import typer

from crossdock import DataError
from crossdock.cli import options
from crossdock.cli.session import Output

from .service_state import DatabaseOption, SecretFileOption, StateOption, place_of

audit = typer.Typer(help="The audit log of the service.", no_args_is_help=True)


@audit.callback()
def _group() -> None:
    """Without this, a group of one command would be that command."""


@audit.command()
def verify(
    context: typer.Context,
    *,
    known: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="The last row's at an earlier time: it must still be one. Newer rows are not "
            "missed otherwise.",
        ),
    ] = None,
    state: StateOption = None,
    database: DatabaseOption = None,
    secret_file: SecretFileOption = None,
    output: options.OutputOption = Output.TEXT,
) -> None:
    """Verify that no row was changed, removed or put in, and name the first that was."""
    session = options.session_of(context)
    session.command = "service audit verify"
    place = place_of(state, database, secret_file)
    from ..service.at_machine import opened
    from ..service.audit import Broken

    with opened(place) as (found, chain), found.read() as connection:
        result = chain.verify(connection, known)
    if isinstance(result, Broken):
        raise DataError(f"row {result.number} of the audit log {result.why}")
    count, last = result
    if session.json:
        session.show_json({"rows": count, "hash": last})
    else:
        session.show(f"{count} rows, each as it was written; the last one's hash is {last}")
