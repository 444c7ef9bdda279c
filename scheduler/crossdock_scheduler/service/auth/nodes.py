"""Nodes sign in with tokens that they sign themselves; only their public key is kept."""

from __future__ import annotations

import time

import jwt
import sqlalchemy as sa

from ...wire.node import ALGORITHM, AUDIENCE, TOKEN_SECONDS
from ..errors import ApiError
from ..runtimes import nodes
from ..runtimes.nodes import Node
from .tokens import CHALLENGE

# Seconds that clocks may be apart.
_LEEWAY = 120


def signed_in(connection: sa.Connection, token: str) -> Node:
    """Raises ApiError for a token that no registered node has signed, or that is too old."""
    try:
        kid = str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.InvalidTokenError:
        raise _refused("it is no token") from None
    node = nodes.by_id(connection, kid)
    if node is None:
        raise _refused("the node is not registered any more")
    try:
        claims = jwt.decode(
            token, node.row.signing_key, algorithms=[ALGORITHM], audience=AUDIENCE, leeway=_LEEWAY,
            options={"require": ["exp", "iat", "aud"]},
        )  # fmt: skip
    except jwt.ExpiredSignatureError:
        raise _refused("it has run out; is the node's clock right?") from None
    except jwt.ImmatureSignatureError:
        raise _refused("it begins in the future; is the node's clock right?") from None
    except jwt.InvalidTokenError:
        raise _refused("its signature is not the node's") from None
    if claims["exp"] > time.time() + TOKEN_SECONDS + _LEEWAY:
        raise _refused(f"it holds for more than {TOKEN_SECONDS} seconds")
    return node


def _refused(why: str) -> ApiError:
    return ApiError(401, f"The node's token is refused: {why}.", headers=CHALLENGE)
