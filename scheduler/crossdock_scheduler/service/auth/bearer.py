"""The bearer token of a request."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from ..errors import ApiError

# How an answer says that a token is wanted.
CHALLENGE = {"WWW-Authenticate": "Bearer"}


def bearer(request: HTTPConnection) -> str:
    """Raises ApiError where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "The request has no bearer token.", headers=CHALLENGE)
    return token.strip()
