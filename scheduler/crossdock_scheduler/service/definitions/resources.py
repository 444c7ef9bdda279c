"""Objects of a factory: linked services, datasets, pipelines, triggers, credentials, runtimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from ... import clock
from ..database.tables import resources
from ..errors import not_found
from .factories import FactoryRow
from .factories import by_id as factory_by_id
from .masks import shown
from .matching import check_etag
from .names import GLOBAL_PARAMETERS, Kind


@dataclass(frozen=True, slots=True)
class Resource:
    """One object as it is stored; ``properties`` is its definition."""

    id: int
    factory: FactoryRow
    kind: Kind
    name: str
    properties: Mapping[str, Any]
    etag: str
    created: datetime

    @property
    def path(self) -> str:
        return f"{self.factory.path}/{self.kind.segment}/{self.name}"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.path, "name": self.name, "type": self.kind.arm_type, "etag": self.etag,
            "properties": shown(self.properties),
        }  # fmt: skip


def find(connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> Resource:
    """Raises ApiError where there is none."""
    found = look(connection, factory, kind, name)
    if found is None:
        raise not_found(kind.shown, name)
    return found


def look(connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> Resource | None:
    query = sa.select(resources).where(*_named(factory, kind, name))
    row = connection.execute(query).first()
    return None if row is None else _of(factory, kind, row)


def by_id(connection: sa.Connection, kind: Kind, resource_id: int) -> Resource:
    """One that is known to be there."""
    row = connection.execute(sa.select(resources).where(resources.c.id == resource_id)).one()
    return _of(factory_by_id(connection, row.factory_id), kind, row)


def put(
    connection: sa.Connection,
    factory: FactoryRow,
    kind: Kind,
    name: str,
    properties: Mapping[str, Any],
    *,
    if_match: str | None = None,
) -> Resource:
    """Create or replace one; it keeps the spelling of its first name. Raises ApiError for another ETag."""
    kind.check(name)
    old = look(connection, factory, kind, name)
    check_etag(if_match, old.etag if old else None)
    now = clock.moment()
    values: dict[str, Any] = {"properties": dict(properties), "etag": str(uuid4()), "changed": now}
    if old:
        connection.execute(sa.update(resources).where(resources.c.id == old.id).values(values))
    else:
        values |= {"factory_id": factory.id, "kind": kind.segment, "created": now}
        values |= {"name": name, "name_key": name.lower()}
        connection.execute(sa.insert(resources).values(values))
    return find(connection, factory, kind, name)


def delete(connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> bool:
    """Whether there was one."""
    done = connection.execute(sa.delete(resources).where(*_named(factory, kind, name)))
    return bool(done.rowcount)


def listed(
    connection: sa.Connection, factory: FactoryRow, kind: Kind, after: str = "", limit: int | None = None
) -> Sequence[Resource]:
    """By name, after one in lower case."""
    query = (
        sa.select(resources)
        .where(
            resources.c.factory_id == factory.id,
            resources.c.kind == kind.segment,
            resources.c.name_key > after,
        )
        .order_by(resources.c.name_key)
        .limit(limit)
    )
    return [_of(factory, kind, row) for row in connection.execute(query)]


def held(connection: sa.Connection, factory: FactoryRow, kind: Kind) -> Sequence[Resource]:
    """All of a kind, which stay as they are until the transaction is over."""
    query = sa.select(resources).where(resources.c.factory_id == factory.id, resources.c.kind == kind.segment)
    rows = connection.execute(query.order_by(resources.c.id).with_for_update(key_share=True))
    return [_of(factory, kind, row) for row in rows]


def _named(factory: FactoryRow, kind: Kind, name: str) -> list[sa.ColumnElement[bool]]:
    return [
        resources.c.factory_id == factory.id,
        resources.c.kind == kind.segment,
        resources.c.name_key == name.lower(),
    ]


def _of(factory: FactoryRow, kind: Kind, row: Any) -> Resource:
    return Resource(row.id, factory, kind, row.name, row.properties, row.etag, row.created)


def global_parameters(connection: sa.Connection, factory: FactoryRow) -> dict[str, Any]:
    """What the factory itself declares, and its sets of global parameters."""
    declared = dict((factory.body.get("properties") or {}).get("globalParameters") or {})
    for each in listed(connection, factory, GLOBAL_PARAMETERS):
        declared |= each.properties
    return declared
