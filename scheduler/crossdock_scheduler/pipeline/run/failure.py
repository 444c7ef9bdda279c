"""How an activity fails: the exceptions that mean it, and what is told of each."""

from __future__ import annotations

from typing import Literal

from crossdock import CrossdockError, DataError, UserError

from ..checks.expressions import told
from ..expressions import ExpressionError
from .records import Problem


class ActivityFailed(Exception):
    """An activity failed as its definition or what is inside of it has it. ``kind`` as of ``Problem``."""

    def __init__(
        self, code: str, message: str, kind: Literal["UserError", "SystemError"] = "UserError"
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.kind = code, message, kind


def innermost(error: BaseException) -> BaseException:
    """The first of the exceptions that ended tasks which ran at once."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def problem_of(error: Exception, activity: str) -> Problem:
    """What the record of an activity says about the exception that ended it."""
    match innermost(error):
        case ActivityFailed() as found:
            return Problem(found.code, found.message, found.kind, activity)
        case ExpressionError() as found:
            return Problem("InvalidExpression", told(found), "UserError", activity)
        case CrossdockError() as found:
            users = isinstance(found, UserError | DataError)
            return Problem(found.code, str(found), "UserError" if users else "SystemError", activity)
        case found:
            return Problem("Internal", f"{type(found).__name__}: {found}", "SystemError", activity)
