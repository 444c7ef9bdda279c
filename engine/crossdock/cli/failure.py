"""How a failure is told: one sentence on stderr, the JSON object where one was asked for, an exit code."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from ..errors import CancelledError, CrossdockError, DataError, InternalError, UserError
from ..redact import redacted
from .session import Session

INTERRUPTED = 130


def report(error: BaseException, session: Session) -> int:
    """Tell ``error`` and return the exit code that belongs to it."""
    if isinstance(error, KeyboardInterrupt):
        error = CancelledError("interrupted")
    if session.verbose:
        _tell_detail(error, session)
    if isinstance(error, CrossdockError):
        session.say(str(error))
        _point(error.code, session)
        code, answer = error.exit_code, _answer(error, session)
    elif hasattr(error, "format_message"):  # what typer raises, under whichever class its version has
        # Newer versions of typer let pydantic's prefix through.
        sentence = redacted(error.format_message().replace("Value error, ", "", 1))
        if sentence:  # else the help was asked for, by no argument, and is there
            session.say(f"{sentence}{_see(error)}")
        code, answer = 2, _object(session, "Usage", sentence, "UserError")
    else:
        sentence = redacted(f"internal error: {type(error).__name__}: {error}")
        session.say(sentence if session.verbose else f"{sentence} (-v shows the traceback)")
        code, answer = 1, _object(session, "Internal", sentence, "SystemError")
    if session.json:
        with suppress(OSError, InternalError):  # what is wrong has been said on stderr
            session.show_json(answer)
    if isinstance(error, CrossdockError) and error.resumable:
        session.tell(f"resume with: crossdock runs resume {error.run_id}")
    return code


def _point(code: str, session: Session) -> None:
    """To where the code is explained; a log of sentences stays one."""
    if sys.stderr.isatty() and code != CancelledError.code:
        session.tell(f"more: {_page(code)}", style="dim")


def _page(code: str) -> str:
    from .advice import page  # late: a copy that succeeds does not pay for it

    return page(code)


def _tell_detail(error: BaseException, session: Session) -> None:
    import traceback  # late: a copy that succeeds does not pay for it

    text = redacted("".join(traceback.format_exception(error)))
    detail = getattr(error, "detail", "")
    session.tell(f"{text}{detail}".rstrip(), style="dim")


def _see(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" See: {context.command_path} --help" if context else ""


def _answer(error: CrossdockError, session: Session) -> dict[str, Any]:
    users = isinstance(error, (UserError, DataError))
    answer = _object(session, error.code, error.message, "UserError" if users else "SystemError")
    if isinstance(error, CancelledError):
        answer["status"] = "Cancelled"
    answer["runId"] = error.run_id
    answer["crossdock"] = {
        "side": error.side,
        "hint": error.hint,
        "resumable": error.resumable,
        "help": _page(error.code),
    }
    return answer


def _object(session: Session, code: str, message: str, kind: str) -> dict[str, Any]:
    return {
        "runId": None,
        "status": "Failed",
        "error": {"errorCode": code, "message": message, "failureType": kind, "target": session.command},
    }
