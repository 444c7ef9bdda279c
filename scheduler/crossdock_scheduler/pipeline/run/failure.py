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


def problem_of(error: Exception, activity: str) -> Problem:
    """What the record of an activity says about the exception that ended it."""
    match error:
        case ActivityFailed():
            return Problem(error.code, error.message, error.kind, activity)
        case ExpressionError():
            return Problem("InvalidExpression", told(error), "UserError", activity)
        case CrossdockError():
            users = isinstance(error, UserError | DataError)
            return Problem(error.code, str(error), "UserError" if users else "SystemError", activity)
        case _:
            return Problem("Internal", f"{type(error).__name__}: {error}", "SystemError", activity)
