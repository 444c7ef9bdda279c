"""One command line from its arguments to its exit code, and one place where errors end.

A plain ``crossdock copy`` does not wait for typer, whose import takes longer than copying a small file.
"""

from __future__ import annotations

import os
import sys

from . import failure
from .plain_copy import plain_copy
from .session import Session
from .termination import TERMINATED, Termination


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code. Never raises for a failed command."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold what the terminal's encoding does not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    session = Session(command=arguments[0] if arguments else "")
    with Termination() as termination:
        code = _answer(arguments, session)
    return TERMINATED if code == failure.INTERRUPTED and termination.arrived else code


def _answer(arguments: list[str], session: Session) -> int:
    try:
        plain = plain_copy(arguments, session)
        if plain is None:
            from .app import call

            code = call(arguments, session)
        else:
            code = plain()
        session.flush()
    except BrokenPipeError:
        code = 1  # the reader went away (``| head``)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last stop of every error
        code = failure.report(error, session)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Else the interpreter tries it once more at its exit, and complains.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
