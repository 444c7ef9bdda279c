"""Carrying out any command that ends in a CopyResult. Imports no typer, and rich for a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..report import CopyResult, Snapshot
from .session import Session

Progress = Callable[[Snapshot], None] | None


def route(source: str, sink: str) -> str:
    """From where to where, without secrets."""
    from ..credentials import public_url

    return f"{public_url(source)} → {public_url(sink)}"


def carry_out(session: Session, what: str, start: Callable[[Progress], CopyResult]) -> int:
    """Run ``start`` under a live display where there is a terminal, then answer with its result.

    Returns the exit code: 3 when something was skipped.
    """
    warn_of_faults(session)
    result = _watched(session, what, start)
    if session.json:
        session.show_json(result.output())
    else:
        _tell(session, result)
    return result.exit_code


def warn_of_faults(session: Session, always: bool = False) -> None:
    """Name the plugins that did not load."""
    from ..plugins import registry

    if always or session.verbose:
        for fault in registry().faults:
            session.say(f"warning: {fault}", style="yellow")


def _watched(session: Session, what: str, start: Callable[[Progress], CopyResult]) -> CopyResult:
    if not sys.stderr.isatty():
        return start(None)
    from .progress import Display, wanted

    if not wanted(session.err):
        return start(None)
    with Display(session.err, what) as display:
        return start(display)


def _tell(session: Session, result: CopyResult) -> None:
    from . import summary

    if sys.stdout.isatty():
        session.show(summary.panel(result))
        return
    for line in summary.lines(result):
        session.show(line)
