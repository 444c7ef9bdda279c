"""``crossdock doctor``: what a copy needs of this machine, and what to do where it is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import typer

from ..spi.check import Check
from . import options
from .session import Output, Session, one_line


def add_command(app: typer.Typer) -> None:
    app.command("doctor", rich_help_panel=options.HELP)(doctor)


def doctor(
    context: typer.Context,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Check this machine: versions, libraries of connectors, disk, memory, limits, proxies, drivers.

    Exits with 0 where nothing has failed, with 1 else; a warning is no failure.
    """
    from ..doctor import examine

    session = options.session_of(context)
    session.command = "doctor"
    tell(session, examine())


def tell(session: Session, checks: Iterable[Check]) -> None:
    """Show the checks; ends the command with 1 where one has failed."""
    found = list(checks)
    failed = any(each.state == "failed" for each in found)
    if session.json:
        session.show_json({"ok": not failed, "checks": [asdict(each) for each in found]})
    else:
        session.show("\n".join(map(_line, found)))
    if failed:
        raise typer.Exit(1)


def _line(check: Check) -> str:
    advice = f"\n{'':9}{one_line(check.advice)}" if check.advice and check.state != "ok" else ""
    return f"{check.state:<8} {check.name}: {one_line(check.message)}{advice}"
