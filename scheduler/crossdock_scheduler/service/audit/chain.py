"""Rows that are chained: each has a keyed hash of itself and of the row before.

Who can write to the database and has not the service's secret cannot make a row that fits.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from crossdock import redacted

from ... import clock
from ..database.tables import audit
from ..runtimes.keys import derived

DONE = "Succeeded"
_FIRST = bytes(32)
# Any number of our own: on PostgreSQL, rows are appended one after the other.
_LOCK = 6271984
_LONGEST = 2000


@dataclass
class Entry:
    """One change. ``action`` and ``target`` are a request's verb and path; ``detail`` never has a secret."""

    who: str
    who_id: str
    address: str
    request_id: str
    action: str
    target: str
    factory_id: int | None = None
    outcome: str = DONE
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """Where the chain is broken first."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Appends and verifies rows. ``key`` is derived from the service's secret."""

    key: bytes

    @classmethod
    def of(cls, secret: bytes) -> Chain:
        return cls(derived(secret, "audit log"))

    def append(self, connection: sa.Connection, entry: Entry) -> None:
        """The last thing in the transaction of the change: others wait for its end to append theirs."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        query = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
        last = connection.execute(query).first()
        values: dict[str, Any] = {
            "number": last.number + 1 if last else 1,
            "at": clock.moment().isoformat(timespec="microseconds"),
            "who": _plain(entry.who), "who_id": _plain(entry.who_id), "address": _plain(entry.address),
            "request_id": entry.request_id, "action": entry.action, "target": _plain(entry.target),
            "factory_id": entry.factory_id, "outcome": entry.outcome,
            "detail": redacted(json.dumps(entry.detail)) if entry.detail else None,
            "previous": last.hash if last else _FIRST,
        }  # fmt: skip
        connection.execute(sa.insert(audit).values(**values, hash=self._hash(values)))

    def verify(self, connection: sa.Connection, known: str | None = None) -> tuple[int, str] | Broken:
        """How many rows there are and the last one's hash, or the first row that is not as it was written.

        ``known`` is the hash of a row that there was: newest rows that were removed leave no other trace.
        """
        number, previous, seen = 0, _FIRST, known is None
        query = sa.select(audit).order_by(audit.c.number)
        with connection.execute(query, execution_options={"yield_per": 1000}) as stream:
            for row in stream.mappings():
                number += 1
                if row["number"] != number:
                    return Broken(number, "is missing")
                if not hmac.compare_digest(row["hash"], self._hash(dict(row))):
                    return Broken(number, "is not as it was written")
                if row["previous"] != previous:
                    return Broken(number, "does not follow the row before it")
                previous = row["hash"]
                seen = seen or previous.hex() == known
        return (number, previous.hex()) if seen else Broken(number + 1, "is missing, or others after it")

    def _hash(self, row: dict[str, Any]) -> bytes:
        said = [row[name].hex() if name == "previous" else row[name] for name in _HASHED]
        return hmac.digest(self.key, json.dumps(said).encode(), "sha256")


_HASHED = (
    "number", "at", "who", "who_id", "address", "request_id", "action", "target", "factory_id", "outcome",
    "detail", "previous",
)  # fmt: skip


def rows(
    connection: sa.Connection, factory_ids: Sequence[int] | None, before: int | None, limit: int
) -> Sequence[Any]:
    """The newest first, before a number; of all the service or of these factories only."""
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.number < before)
    if factory_ids is not None:
        query = query.where(audit.c.factory_id.in_(factory_ids))
    return connection.execute(query).all()


def as_json(row: Any) -> dict[str, Any]:
    return {
        "number": row.number, "time": row.at, "principal": row.who, "principalId": row.who_id,
        "address": row.address, "requestId": row.request_id, "action": row.action, "target": row.target,
        "outcome": row.outcome, "details": json.loads(row.detail) if row.detail else {},
        "hash": row.hash.hex(), "previous": row.previous.hex(),
    }  # fmt: skip


def _plain(text: str) -> str:
    # PostgreSQL has no NUL in texts, and neither has surrogates.
    return redacted(text[:_LONGEST].replace("\0", "\ufffd").encode("utf-8", "replace").decode())
