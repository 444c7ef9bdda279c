"""Who sends a request: a token of our own, a JWT that we signed, or one of the issuer that we trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa
from fastapi import Request

from ..database import Database
from ..errors import ApiError
from ..headers import address, answer_with
from . import tokens
from .bearer import CHALLENGE, bearer
from .issuing import Signer
from .limits import Buckets
from .oidc import Issuer
from .roles import Principal
from .tokens import Token

T = TypeVar("T")
_READS = ("GET", "HEAD")
# These POSTs only look something up.
_LOOKS = ("/getstatus", "/monitoringdata", "/querypipelineruns", "/queryactivityruns", "/querytriggers",
          "/querytriggerruns")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each principal, and of an address from which nobody could sign in; a minute, 0 for none."""

    reads: int = 12_000
    writes: int = 6_000
    failures: int = 60


@dataclass(frozen=True, slots=True)
class Access:
    """Finds out who asks, and how often."""

    signer: Signer
    issuer: Issuer | None = None
    limits: Limits = field(default_factory=Limits)
    _reads: Buckets = field(init=False)
    _writes: Buckets = field(init=False)
    _failures: Buckets = field(init=False)

    def __post_init__(self) -> None:
        for name in ("reads", "writes", "failures"):
            object.__setattr__(self, f"_{name}", Buckets(getattr(self.limits, name)))

    def principal(self, database: Database, request: Request) -> Principal:
        """Raises ApiError where nobody can be known by the request, or they have asked for too much."""
        shown = bearer(request)
        found = self.attempt(request, lambda: self._known(database, shown))
        self._count(request, found.id)
        return found

    def attempt(self, request: Request, sign_in: Callable[[], T]) -> T:
        """Let somebody sign in, unless too many could not from there. Raises ApiError, or what that does."""
        where = address(request)
        if wait := self._failures.wait(where):
            raise _too_many("attempts to sign in have failed from there", wait)
        try:
            return sign_in()
        except ApiError as error:
            if error.status == 401:
                self._failures.take(where)
            raise

    def client(self, connection: sa.Connection, client_id: str, secret: str) -> Token:
        """The token that is a service principal's secret. Raises ApiError for a wrong one."""
        found = tokens.holder(connection, secret)
        if found is None or (client_id and found.id != client_id.lower()):
            raise ApiError(401, "The client id or its secret is not known, or has run out.")
        return found

    def _known(self, database: Database, shown: str) -> Principal:
        if not shown.startswith(tokens.PREFIX) and self.issuer and not self.signer.made(shown):
            return self.issuer.principal(database, shown)
        with database.read() as connection:
            if shown.startswith(tokens.PREFIX):
                found = tokens.holder(connection, shown)
            else:
                found = tokens.by_id(connection, self.signer.client_of(shown))
        if found is None:
            raise ApiError(401, "The bearer token is not known, or has run out.", headers=CHALLENGE)
        return found.as_principal()

    def _count(self, request: Request, principal_id: str) -> None:
        path = request.url.path.rstrip("/").lower()
        reads = request.method in _READS or path.endswith(_LOOKS)
        kind, buckets = ("reads", self._reads) if reads else ("writes", self._writes)
        left = buckets.take(principal_id)
        if getattr(self.limits, kind):
            answer_with(request, f"x-ms-ratelimit-remaining-subscription-{kind}", str(left or 0))
        if left is None:
            raise _too_many(f"{kind} have been asked for", buckets.wait(principal_id) or 1)


def _too_many(what: str, wait: int) -> ApiError:
    # Nothing has been done yet: clients send it again, whatever it is.
    return ApiError(429, f"Too many {what}; try again in {wait} s.", headers={"Retry-After": str(wait)})
