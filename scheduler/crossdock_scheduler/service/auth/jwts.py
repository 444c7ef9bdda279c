"""JSON Web Tokens are verified by the ``clock`` of all replicas; PyJWT looks at the machine's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt

from ... import clock


def verified(
    token: str, key: Any, *, algorithm: str, required: Sequence[str], leeway: float = 0.0, **expected: Any
) -> dict[str, Any]:
    """The claims; their times are numbers. Raises what ``jwt.decode`` does, whose ``expected`` values are."""
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[algorithm],
        options={"require": [*required], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        **expected,
    )  # fmt: skip
    claims |= {name: _seconds(claims[name]) for name in ("exp", "iat", "nbf") if name in claims}
    now = clock.now()
    if any(claims.get(name, now) > now + leeway for name in ("iat", "nbf")):
        raise jwt.ImmatureSignatureError
    if "exp" in claims and claims["exp"] <= now - leeway:
        raise jwt.ExpiredSignatureError
    return claims


def _seconds(value: Any) -> float:
    try:
        return float(int(value))
    except (TypeError, ValueError, OverflowError):
        raise jwt.DecodeError("a time must be a number of seconds") from None
