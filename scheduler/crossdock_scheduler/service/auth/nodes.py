"""Nodes sign in with tokens that they sign themselves; only their public key is kept."""

from __future__ import annotations

from dataclasses import dataclass

import jwt
import sqlalchemy as sa

from ... import clock
from ...wire.node import ALGORITHM, AUDIENCE, CLOCK, TOKEN_SECONDS
from ..errors import ApiError
from ..runtimes import nodes
from ..runtimes.nodes import Node
from .bearer import CHALLENGE
from .jwts import verified

# Seconds that clocks may be apart.
_LEEWAY = 120


# A node sends one token many times, and a signature takes longer to verify than all else of a heartbeat.
_MOST_VERIFIED = 10_000


@dataclass(frozen=True, slots=True)
class Signature:
    """What was verified of a token. A node with another key or another runtime is another node."""

    node_id: str
    runtime_id: int
    until: float


_signatures: dict[str, Signature] = {}


def known(token: str) -> Signature | None:
    """Whose token it is, if that was verified before. The node may have been deleted since."""
    found = _signatures.get(token)
    return found if found is not None and clock.now() < found.until else None


def signed_in(connection: sa.Connection, token: str) -> Node:
    """Raises ApiError for a token that no registered node has signed, or that is too old."""
    if (found := known(token)) is not None:
        return registered(connection, found.node_id)
    try:
        kid = str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.InvalidTokenError:
        raise _refused("it is no token") from None
    node = registered(connection, kid)
    try:
        claims = verified(
            token, node.row.signing_key, algorithm=ALGORITHM, audience=AUDIENCE, leeway=_LEEWAY,
            required=["exp", "iat", "aud"],
        )  # fmt: skip
    except jwt.ExpiredSignatureError:
        raise _refused("it has run out; is the node's clock right?", CLOCK) from None
    except jwt.ImmatureSignatureError:
        raise _refused("it begins in the future; is the node's clock right?", CLOCK) from None
    except jwt.InvalidTokenError:
        raise _refused("its signature is not the node's") from None
    if claims["exp"] > clock.now() + TOKEN_SECONDS + _LEEWAY:
        raise _refused(f"it holds for more than {TOKEN_SECONDS} seconds")
    if len(_signatures) >= _MOST_VERIFIED:
        _signatures.clear()
    _signatures[token] = Signature(node.id, node.row.runtime_id, claims["exp"])
    return node


def registered(connection: sa.Connection, node_id: str, *, locked: bool = False) -> Node:
    """Raises ApiError where there is none. ``locked``: to be changed, or counted by, in this transaction."""
    node = nodes.by_id(connection, node_id, locked=locked)
    if node is None:
        raise unregistered()
    return node


def unregistered() -> ApiError:
    return _refused("the node is not registered any more")


def _refused(why: str, code: str = "") -> ApiError:
    return ApiError(401, f"The node's token is refused: {why}.", code, headers=CHALLENGE)
