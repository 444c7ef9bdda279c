"""JWTs for service principals, as Microsoft's clients ask for them; they only name who has signed in.

What that may do is looked up at each request, so that a token that is revoked opens nothing any more.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from ... import clock
from ..errors import ApiError
from .bearer import CHALLENGE
from .jwts import verified
from .tokens import Token

_ALGORITHM = "ES256"
_AUDIENCE = "crossdock"
_ISSUER = "crossdock"
_SECONDS = 3600
# The order of P-256's group: private keys are from 1 to one less.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWT, and when it ends (seconds since 1970)."""

    text: str
    expires: int


class Signer:
    """Signs and knows JWTs. All replicas derive the same key from the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(secret) % (_ORDER - 1) + 1, ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        thumbprint = json.dumps(
            {name: public[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":")
        )
        self._kid = urlsafe_b64encode(sha256(thumbprint.encode()).digest()).decode().rstrip("=")
        self.jwk: dict[str, Any] = {**public, "kid": self._kid, "use": "sig", "alg": _ALGORITHM}

    def sign(self, token: Token, tenant: str, resource: str) -> Signed:
        """``tenant`` and ``resource`` are what the client asked for; it may want to read them."""
        now = int(clock.now())
        end = now + _SECONDS
        if token.expires is not None:
            end = min(end, int(token.expires.timestamp()))
        claims = {
            "iss": _ISSUER, "aud": [_AUDIENCE, *([resource] if resource else [])], "iat": now, "nbf": now,
            "exp": end, "sub": token.id, "oid": token.id, "appid": token.id, "tid": tenant, "ver": "1.0",
        }  # fmt: skip
        return Signed(jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": self._kid}), end)

    def made(self, text: str) -> bool:
        """Whether a token says that it was made here."""
        try:
            return bool(jwt.get_unverified_header(text).get("kid") == self._kid)
        except jwt.InvalidTokenError:
            return False

    def client_of(self, text: str) -> str:
        """The id of the client that a JWT was signed for. Raises ApiError for one that does not hold."""
        try:
            claims = verified(
                text, self._key.public_key(), algorithm=_ALGORITHM, audience=_AUDIENCE, issuer=_ISSUER,
                required=["exp", "iat", "sub"],
            )  # fmt: skip
        except jwt.InvalidTokenError:
            raise ApiError(401, "The bearer token is not known, or has run out.", headers=CHALLENGE) from None
        return str(claims["sub"])
