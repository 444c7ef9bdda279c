"""Bearer tokens of our own: 256 random bits, of which the database has the hash."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import sqlalchemy as sa
from fastapi import Request
from pydantic import SecretStr

from ..database.tables import tokens
from ..errors import ApiError
from .roles import Principal, Role

# How an answer says that a token is wanted.
CHALLENGE = {"WWW-Authenticate": "Bearer"}

# By the prefix, scanners of secrets know what they have found.
_PREFIX = "cdk_"


def create(
    connection: sa.Connection,
    name: str,
    role: Role,
    factory_id: int | None = None,
    expires: datetime | None = None,
) -> SecretStr:
    """A new token. It is shown to nobody again."""
    token = _PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        sa.insert(tokens).values(
            id=str(uuid4()),
            name=name,
            hash=_hash(token),
            role=role.name.lower(),
            factory_id=factory_id,
            created=datetime.now(UTC),
            expires=expires,
        )
    )
    return SecretStr(token)


def any_owner(connection: sa.Connection) -> bool:
    query = sa.select(tokens.c.id).where(tokens.c.role == "owner", tokens.c.factory_id.is_(None))
    return connection.execute(query.limit(1)).first() is not None


def holder(connection: sa.Connection, token: str) -> Principal | None:
    """Who has the token; None for one that is not known or has run out."""
    # The hash is looked up, so that the time tells nothing of a token that nearly is one.
    row = connection.execute(sa.select(tokens).where(tokens.c.hash == _hash(token))).first()
    if row is None or (row.expires and row.expires.replace(tzinfo=UTC) <= datetime.now(UTC)):
        return None
    return Principal(row.name, Role.named(row.role), row.factory_id)


def bearer(request: Request) -> str:
    """The bearer token of a request. Raises ApiError where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "The request has no bearer token.", headers=CHALLENGE)
    return token.strip()


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
