"""An error on its way from one process to another, as JSON."""

from __future__ import annotations

from typing import Any

from . import errors
from .errors import CrossdockError, InternalError, TransientError

_ERRORS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CrossdockError)
}


def pack_error(error: CrossdockError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "detail": error.detail,
        "hint": error.hint,
        "side": error.side,
        "retry_after": getattr(error, "retry_after", None),
        "first_wait": getattr(error, "first_wait", 0.0),
    }


def unpack_error(fields: dict[str, Any]) -> CrossdockError:
    kind = _ERRORS.get(fields["code"], InternalError)
    error = kind(fields["message"], detail=fields["detail"], hint=fields["hint"])
    error.side = fields["side"]
    if isinstance(error, TransientError):
        error.retry_after, error.first_wait = fields["retry_after"], fields["first_wait"]
    return error
