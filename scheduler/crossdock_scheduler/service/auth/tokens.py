"""Bearer tokens of our own: 256 random bits, of which the database has the hash.

Each is a service principal too: its id is the client's, the token the client's secret (``issuing.py``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from pydantic import SecretStr

from ... import clock
from ..database.tables import factories, tokens
from ..definitions.factories import timestamp
from .roles import Grant, Principal, Role

# By the prefix, scanners of secrets know what they have found.
PREFIX = "cdk_"
NAME_LENGTH = 127


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; not the token. ``factory`` is the name of the only one that it is for."""

    id: str
    name: str
    role: Role
    factory_id: int | None
    factory: str | None
    created: datetime
    expires: datetime | None

    @property
    def holds(self) -> bool:
        return self.expires is None or self.expires > clock.moment()

    def as_principal(self) -> Principal:
        return Principal(self.id, self.name, (Grant(self.role, self.factory_id),))

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "name": self.name, "role": self.role.name.lower(), "factory": self.factory,
            "created": timestamp(self.created), "expires": timestamp(self.expires) if self.expires else None,
        }  # fmt: skip


def create(
    connection: sa.Connection,
    name: str,
    role: Role,
    factory_id: int | None = None,
    expires: datetime | None = None,
) -> tuple[Token, SecretStr]:
    """A new token. It is shown to nobody again."""
    plain = PREFIX + secrets.token_urlsafe(32)
    token_id = str(uuid4())
    connection.execute(
        sa.insert(tokens).values(
            id=token_id,
            name=name,
            hash=_hash(plain),
            role=role.name.lower(),
            factory_id=factory_id,
            created=clock.moment(),
            expires=expires.astimezone(UTC) if expires else None,
        )
    )
    made = by_id(connection, token_id)
    assert made is not None  # noqa: S101 - just inserted
    return made, SecretStr(plain)


def any_owner(connection: sa.Connection) -> bool:
    """Whether there ever was one for the whole service that has not been revoked."""
    return connection.execute(_owners().limit(1)).first() is not None


def is_last_owner(connection: sa.Connection, token: Token) -> bool:
    """Whether nobody could own the service any more without the token."""
    others = [each for each in map(_of, connection.execute(_owners())) if each.id != token.id and each.holds]
    return token.role is Role.OWNER and token.factory_id is None and not others


def _owners() -> sa.Select[Any]:
    return _select().where(tokens.c.role == "owner", tokens.c.factory_id.is_(None))


def holder(connection: sa.Connection, plain: str) -> Token | None:
    """Which token it is; None for one that is not known or has run out."""
    # The hash is looked up, so that the time tells nothing of a token that nearly is one.
    return _holding(connection, tokens.c.hash == _hash(plain))


def by_id(connection: sa.Connection, token_id: str) -> Token | None:
    """As ``holder``, for a principal that has shown its token before."""
    return _holding(connection, tokens.c.id == token_id)


def _holding(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Token | None:
    row = connection.execute(_select().where(which)).first()
    found = None if row is None else _of(row)
    return found if found and found.holds else None


def listed(connection: sa.Connection, factory_ids: Sequence[int] | None) -> Sequence[Token]:
    """All tokens, or those for these factories only; also those that have run out. The oldest first."""
    query = _select().order_by(tokens.c.created, tokens.c.id)
    if factory_ids is not None:
        query = query.where(tokens.c.factory_id.in_(factory_ids))
    return [_of(row) for row in connection.execute(query)]


def delete(connection: sa.Connection, token: Token) -> None:
    connection.execute(sa.delete(tokens).where(tokens.c.id == token.id))


def _select() -> sa.Select[Any]:
    named = factories.c.name.label("factory")
    return sa.select(tokens, named).outerjoin(factories, factories.c.id == tokens.c.factory_id)


def _of(row: Any) -> Token:
    return Token(
        row.id, row.name, Role.named(row.role), row.factory_id, row.factory, row.created, row.expires
    )


def _hash(plain: str) -> bytes:
    return sha256(plain.encode("utf-8", "surrogatepass")).digest()
