"""Tokens of Entra ID, or of any other OpenID Connect issuer that the operator trusts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from crossdock import ConfigError

from ..database import Database
from ..definitions.factories import ids_of
from ..errors import ApiError
from .bearer import CHALLENGE
from .issuer_keys import IssuerKeys
from .jwts import verified
from .roles import Grant, Principal, Role

# Seconds that clocks may be apart.
_LEEWAY = 60
# What people are called by, best first.
_NAMES = ("preferred_username", "upn", "email", "name", "azp", "appid", "sub")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class RoleOf:
    """Who has ``value`` in the claim has the role, for one factory or for all."""

    value: str
    role: Role
    factory: str | None = None

    @classmethod
    def parsed(cls, text: str) -> RoleOf:
        """``VALUE=ROLE`` or ``VALUE=ROLE@FACTORY``. Raises ConfigError for anything else."""
        value, _, rest = text.rpartition("=")
        role, _, factory = rest.partition("@")
        if not value or role.upper() not in Role.__members__:
            roles = ", ".join(each.name.lower() for each in Role)
            raise ConfigError(
                f"--oidc-role {text}: give VALUE=ROLE or VALUE=ROLE@FACTORY, the role one of {roles}"
            )
        return cls(value, Role.named(role), factory.lower() or None)


# Without any mapping: the application's roles are called as ours are.
_PLAIN = tuple(RoleOf(each.name.lower(), each) for each in Role)


class Issuer:
    """Who is trusted, for which audience, and which role whoever has a value in a claim has."""

    def __init__(self, url: str, audience: str, claim: str = "roles", roles: Sequence[RoleOf] = ()) -> None:
        """Asks nobody yet. Raises ConfigError for an address that is not of https."""
        if not url.startswith("https://"):
            raise ConfigError(f"--oidc-issuer {url}: its address begins with https://")
        if not audience:
            raise ConfigError("--oidc-issuer needs --oidc-audience: for whom its tokens are")
        self._url, self._audience, self._claim = url, audience, claim
        self._roles = roles or _PLAIN
        self._keys = IssuerKeys(url)

    def principal(self, database: Database, token: str) -> Principal:
        """Who has the token, with all their roles. Raises ApiError for a token that does not hold."""
        claims = self._claims(token)
        given = claims.get(self._claim)
        values = given if isinstance(given, list) else [given]
        found = [each for each in self._roles if each.value in values]
        ids: Mapping[str, int] = {}
        if named := [each.factory for each in found if each.factory]:
            with database.read() as connection:
                ids = ids_of(connection, named)
        grants = [
            Grant(each.role, ids[each.factory] if each.factory else None)
            for each in found
            if each.factory is None or each.factory in ids
        ]
        name = next((str(claims[each]) for each in _NAMES if claims.get(each)), "")
        return Principal(f"{self._url}#{claims['sub']}", name[:_LONGEST], tuple(grants))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refused("it is no token") from None
        key = self._keys.named(str(header.get("kid", "")))
        if key is None:
            raise _refused("the issuer has no such key")
        try:
            # The key says which algorithm it is for, not the token.
            claims = verified(
                token, key, algorithm=key.algorithm_name, audience=self._audience, issuer=self._url,
                leeway=_LEEWAY, required=["exp", "iss", "aud", "sub"],
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise _refused("it has run out") from None
        except jwt.ImmatureSignatureError:
            raise _refused("it does not hold yet") from None
        except jwt.InvalidAudienceError:
            raise _refused("it is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("another has issued it") from None
        except jwt.InvalidTokenError:
            raise _refused("its signature or its claims are not right") from None
        return claims


def _refused(why: str) -> ApiError:
    return ApiError(401, f"The bearer token is refused: {why}.", headers=CHALLENGE)
