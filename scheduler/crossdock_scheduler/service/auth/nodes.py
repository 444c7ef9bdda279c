"""Nodes sign in with tokens that they sign themselves; only their public key is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt
import sqlalchemy as sa

from ...wire.node import ALGORITHM, AUDIENCE, TOKEN_SECONDS
from ..errors import ApiError
from ..runtimes import nodes
from ..runtimes.nodes import Node
from .bearer import CHALLENGE

# Seconds that clocks may be apart.
_LEEWAY = 120


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was right for the key that the node had then."""

    node_id: str
    signing_key: str
    until: float


# A node sends one token many times, and a signature takes longer to verify than all else of a heartbeat.
_MOST_VERIFIED = 10_000
_verified: dict[str, _Verified] = {}


def signed_in(connection: sa.Connection, token: str) -> Node:
    """Raises ApiError for a token that no registered node has signed, or that is too old."""
    known = _verified.get(token)
    if known is not None and time.time() < known.until:
        node = nodes.by_id(connection, known.node_id)
        if node is not None and node.row.signing_key == known.signing_key:
            return node
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
    if len(_verified) >= _MOST_VERIFIED:
        _verified.clear()
    _verified[token] = _Verified(node.id, node.row.signing_key, claims["exp"])
    return node


def _refused(why: str) -> ApiError:
    return ApiError(401, f"The node's token is refused: {why}.", headers=CHALLENGE)
