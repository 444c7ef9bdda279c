"""Factories: each is a tenant, and holds all that is defined and run in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ... import clock
from ..database.tables import factories
from ..errors import ApiError, not_found
from .matching import check_etag
from .names import check_factory

_KEPT = ("location", "tags", "identity")
_READ_ONLY = ("provisioningState", "createTime", "version")


@dataclass(frozen=True, slots=True)
class FactoryRow:
    """A factory as it is stored. ``body`` has what its owner gave: location, tags, identity, properties."""

    id: int
    subscription: str
    group: str
    name: str
    body: Mapping[str, Any]
    etag: str
    created: datetime

    @property
    def path(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.DataFactory/factories/{self.name}"
        )

    def as_json(self) -> dict[str, Any]:
        properties = dict(self.body.get("properties") or {})
        properties |= {
            "provisioningState": "Succeeded", "createTime": timestamp(self.created), "version": "2018-06-01",
        }  # fmt: skip
        found = {key: self.body[key] for key in _KEPT if self.body.get(key) is not None}
        return {
            "name": self.name, "id": self.path, "type": "Microsoft.DataFactory/factories",
            "properties": properties, "eTag": f'"{self.etag}"', "location": "local", "tags": {}, **found,
        }  # fmt: skip


def timestamp(moment: datetime) -> str:
    """As Data Factory writes it: UTC, seven digits of a second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def find(
    connection: sa.Connection, subscription: str, group: str, name: str, *, locked: bool = False
) -> FactoryRow:
    """Raises ApiError where there is none of that name in that place. ``locked``: nobody else changes it, or
    locks it, until the transaction is over."""
    row = _look(connection, name, locked=locked)
    if row is None or (row.subscription.lower(), row.resource_group.lower()) != (
        subscription.lower(),
        group.lower(),
    ):
        raise not_found("factory", name)
    return _of(row)


def by_id(connection: sa.Connection, factory_id: int) -> FactoryRow:
    return _of(connection.execute(sa.select(factories).where(factories.c.id == factory_id)).one())


def ids_of(connection: sa.Connection, names: Sequence[str]) -> Mapping[str, int]:
    """The ids of those that there are among the names, which are in lower case."""
    query = sa.select(factories.c.name_key, factories.c.id).where(factories.c.name_key.in_(names))
    return {row.name_key: row.id for row in connection.execute(query)}


def put(
    connection: sa.Connection,
    subscription: str,
    group: str,
    name: str,
    body: Mapping[str, Any],
    *,
    if_match: str | None = None,
) -> FactoryRow:
    """Create or replace one. Raises ApiError for a wrong name, a foreign one, or another ETag."""
    check_factory(group, name)
    _check_body(body)
    row = _look(connection, name, locked=True)
    old = None if row is None else _of(row)
    if old and (old.subscription.lower(), old.group.lower()) != (subscription.lower(), group.lower()):
        raise ApiError(409, f"The name {name!r} is taken.", "FactoryNameInUse", name)
    check_etag(if_match, old.etag if old else None)
    kept = {key: body[key] for key in (*_KEPT, "properties") if body.get(key) is not None}
    if isinstance(kept.get("properties"), Mapping):
        kept["properties"] = {k: v for k, v in kept["properties"].items() if k not in _READ_ONLY}
    values: dict[str, Any] = {"body": kept, "etag": str(uuid4())}
    if old:
        connection.execute(sa.update(factories).where(factories.c.id == old.id).values(values))
    else:
        values |= {"subscription": subscription, "resource_group": group, "name": name}
        values |= {"name_key": name.lower(), "created": clock.moment()}
        try:
            with connection.begin_nested():
                connection.execute(sa.insert(factories).values(values))
        except IntegrityError:
            # Another replica has made it at the same moment.
            return put(connection, subscription, group, name, body, if_match=if_match)
    return find(connection, subscription, group, name)


def _look(connection: sa.Connection, name: str, *, locked: bool) -> Any:
    query = sa.select(factories).where(factories.c.name_key == name.lower())
    # What refers to the factory may come meanwhile.
    return connection.execute(query.with_for_update(key_share=True) if locked else query).first()


def _check_body(body: Mapping[str, Any]) -> None:
    for key in ("tags", "identity", "properties"):
        if not isinstance(body.get(key) or {}, Mapping):
            raise ApiError(400, f"{key} must be an object.", "InvalidRequestContent", key)
    if not isinstance(body.get("location") or "", str):
        raise ApiError(400, "location must be a text.", "InvalidRequestContent", "location")
    declared = (body.get("properties") or {}).get("globalParameters") or {}
    if not isinstance(declared, Mapping):
        raise ApiError(
            400, "properties.globalParameters must be an object.", "InvalidRequestContent",
            "properties.globalParameters",
        )  # fmt: skip


def delete(connection: sa.Connection, factory: FactoryRow) -> None:
    connection.execute(sa.delete(factories).where(factories.c.id == factory.id))


def listed(
    connection: sa.Connection,
    subscription: str,
    group: str | None,
    after: str,
    limit: int,
    *,
    ids: Sequence[int] | None = None,
) -> Sequence[FactoryRow]:
    """At most ``limit`` of a subscription or a resource group, by name, after one in lower case.

    With ``ids``, only those.
    """
    wanted = [sa.func.lower(factories.c.subscription) == subscription.lower(), factories.c.name_key > after]
    if group is not None:
        wanted.append(sa.func.lower(factories.c.resource_group) == group.lower())
    if ids is not None:
        wanted.append(factories.c.id.in_(ids))
    query = sa.select(factories).where(*wanted).order_by(factories.c.name_key).limit(limit)
    return [_of(row) for row in connection.execute(query)]


def subscriptions(connection: sa.Connection, ids: Sequence[int] | None) -> Sequence[str]:
    """Those that have factories, or some of these factories."""
    query = sa.select(factories.c.subscription).distinct().order_by(factories.c.subscription)
    return list(connection.execute(query if ids is None else query.where(factories.c.id.in_(ids))).scalars())


def _of(row: Any) -> FactoryRow:
    return FactoryRow(row.id, row.subscription, row.resource_group, row.name, row.body, row.etag, row.created)
