"""What the service knows of a runtime beside its definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from ..database.tables import runtimes
from ..definitions.names import RUNTIME
from ..definitions.resources import Resource, by_id
from ..errors import ApiError

_NO_DELAY = "PT0H"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A self-hosted runtime. ``generations`` counts how often each of its two keys was made anew."""

    resource: Resource
    guid: str
    generations: tuple[int, int]
    auto_update: bool
    update_delay: str
    node_limit: int | None

    @property
    def id(self) -> int:
        return self.resource.id


def linked_info(properties: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of a linked runtime: whose nodes it uses, and why it may."""
    inner = properties.get("typeProperties")
    found = inner.get("linkedInfo") if isinstance(inner, Mapping) else None
    return found if isinstance(found, Mapping) else None


def is_linked(properties: Mapping[str, Any]) -> bool:
    return linked_info(properties) is not None


def is_self_contained(properties: Mapping[str, Any]) -> bool:
    """Whether interactive requests reach its nodes as jobs, without the relay."""
    given = properties.get("typeProperties")
    return isinstance(given, Mapping) and bool(given.get("selfContainedInteractiveAuthoringEnabled"))


def of(connection: sa.Connection, resource: Resource) -> Runtime:
    """Raises ApiError for a linked one, and for one of another type than self-hosted."""
    if str(resource.properties.get("type")).lower() != "selfhosted":
        raise ApiError(
            400, f"The integration runtime {resource.name!r} is not self-hosted.", target=resource.name
        )
    if is_linked(resource.properties):
        raise ApiError(
            400, f"The integration runtime {resource.name!r} is linked: it has no nodes or keys of its own.",
            target=resource.name,
        )  # fmt: skip
    query = sa.select(runtimes).where(runtimes.c.resource_id == resource.id)
    row = connection.execute(query).first()
    if row is None:
        connection.execute(
            sa.insert(runtimes).values(
                resource_id=resource.id, guid=str(uuid4()), key1=0, key2=0, auto_update=False,
                update_delay=_NO_DELAY,
            )
        )  # fmt: skip
        row = connection.execute(query).one()
    return Runtime(
        resource, row.guid, (row.key1, row.key2), row.auto_update, row.update_delay, row.node_limit
    )


def change(connection: sa.Connection, runtime: Runtime, **values: Any) -> None:
    connection.execute(sa.update(runtimes).where(runtimes.c.resource_id == runtime.id).values(values))


def by_guid(connection: sa.Connection, guid: str) -> Runtime | None:
    found = connection.execute(sa.select(runtimes.c.resource_id).where(runtimes.c.guid == guid)).scalar()
    return None if found is None else of(connection, by_id(connection, RUNTIME, found))
