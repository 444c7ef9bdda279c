"""What an error of a connector means to the engine."""

from __future__ import annotations

from collections.abc import Callable

from .errors import CrossdockError, InternalError
from .redact import redact_error

Classify = Callable[[BaseException], CrossdockError | None]


def classified(error: BaseException, classify: Classify, where: str) -> CrossdockError:
    """The one place where a connector's ``classify`` is asked. Unknown errors are internal ones."""
    redact_error(error)
    if isinstance(error, CrossdockError):
        error.side = error.side or where
        return error
    mapped = classify(error)
    if mapped is None:
        text = str(error).strip().splitlines()
        mapped = InternalError(
            f"the {where} failed unexpectedly: {type(error).__name__}: {text[0] if text else 'no message'}",
            detail=repr(error),
        )
    mapped.side = where
    return mapped
