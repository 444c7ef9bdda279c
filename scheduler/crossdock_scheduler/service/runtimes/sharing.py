"""Self-hosted runtimes that are shared with other factories, and the linked runtimes there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ... import clock
from ...wire.sealing import MASK
from ..database.tables import resources as resource_table
from ..database.tables import runtime_links, runtime_shares
from ..definitions import factories, resources
from ..definitions.factories import FactoryRow, timestamp
from ..definitions.names import RUNTIME
from ..definitions.resources import Resource
from ..errors import ApiError
from . import runtimes
from .keys import KeyMaker, guid_of
from .runtimes import Runtime

MOST = 100
"""How many linked runtimes one may have, if nobody says otherwise (reference: Data Factory's limits)."""

_RESOURCE_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.DataFactory/factories/([^/]+)"
    r"/integrationRuntimes/([^/]+)/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """``may`` says whether whoever asks may change the factory with the id; ``most`` is the limit."""

    keys: KeyMaker
    may: Callable[[int], bool]
    most: int


@dataclass(frozen=True, slots=True)
class Linked:
    """The other side of a share: a runtime in a factory, by their names."""

    subscription: str
    factory: str
    name: str
    location: str = ""


def target_of(
    connection: sa.Connection, factory: FactoryRow, name: str, properties: Mapping[str, Any], rules: Rules
) -> Runtime | None:
    """The runtime that a definition links to; None for one that has nodes of its own.

    Raises ApiError where there is none, or it is not shared with this factory and not asker's to share.
    """
    old = resources.look(connection, factory, RUNTIME, name)
    info = runtimes.linked_info(properties)
    if old is not None and runtimes.is_linked(old.properties) != (info is not None):
        raise ApiError(
            409, "A runtime that has nodes cannot become a linked one, nor the other way; delete it first.",
            "RuntimeKindFixed", name,
        )  # fmt: skip
    if info is None:
        return None
    by = str(info.get("authorizationType")).lower()
    if by == "key":
        found = _by_key(connection, info.get("key"), old, rules.keys)
    elif by == "rbac":
        found = _by_id(connection, factory, str(info.get("resourceId")), rules)
    else:
        raise ApiError(
            400, "linkedInfo.authorizationType must be RBAC or Key.", target="linkedInfo.authorizationType"
        )
    if found.resource.factory.id == factory.id:
        raise ApiError(400, "A runtime is linked to one of another factory.", target="linkedInfo")
    return found


def _by_key(connection: sa.Connection, key: Any, old: Resource | None, keys: KeyMaker) -> Runtime:
    given = key.get("value") if isinstance(key, Mapping) else key
    if given == MASK and old is not None:
        # The secret behind the mask is the one that the link was made with.
        query = sa.select(runtime_links.c.runtime_id).where(runtime_links.c.resource_id == old.id)
        if (known := connection.execute(query).scalar()) is not None:
            return runtimes.of(connection, resources.by_id(connection, RUNTIME, known))
    guid = guid_of(str(given)) or ""
    found = runtimes.by_guid(connection, guid)
    if found is None or not keys.is_one(str(given).strip(), guid, found.generations):
        raise ApiError(403, "linkedInfo.key is no auth key of a runtime of this service.", "InvalidAuthKey")
    return found


def _by_id(connection: sa.Connection, factory: FactoryRow, resource_id: str, rules: Rules) -> Runtime:
    refused = ApiError(
        403,
        f"There is no integration runtime {resource_id!r} that is shared with the factory {factory.name!r}; "
        "its owner shares it with linkedIntegrationRuntime.",
        "LinkedIntegrationRuntimeNotShared", "linkedInfo.resourceId",
    )  # fmt: skip
    parts = _RESOURCE_ID.fullmatch(resource_id)
    if parts is None:
        raise ApiError(
            400,
            "linkedInfo.resourceId is not the id of an integration runtime.",
            target="linkedInfo.resourceId",
        )
    try:
        other = factories.find(connection, parts[1], parts[2], parts[3])
    except ApiError:
        raise refused from None
    found = resources.look(connection, other, RUNTIME, parts[4])
    if found is None or not (rules.may(other.id) or _is_shared(connection, found.id, factory.name)):
        raise refused
    return runtimes.of(connection, found)


def _is_shared(connection: sa.Connection, runtime_id: int, factory: str) -> bool:
    query = sa.select(runtime_shares.c.id).where(
        runtime_shares.c.runtime_id == runtime_id, runtime_shares.c.factory_key == factory.lower()
    )
    return connection.execute(query.limit(1)).first() is not None


def link(connection: sa.Connection, linked: Resource, target: Runtime, most: int) -> None:
    """From now on the target's nodes do the work of the linked runtime."""
    factory = linked.factory
    location = str(factory.body.get("location") or "")
    share(connection, target, Linked(factory.subscription, factory.name, linked.name, location), most)
    connection.execute(sa.delete(runtime_links).where(runtime_links.c.resource_id == linked.id))
    connection.execute(sa.insert(runtime_links).values(resource_id=linked.id, runtime_id=target.id))


def share(connection: sa.Connection, runtime: Runtime, with_: Linked, most: int) -> None:
    """Raises ApiError where the runtime has as many links as it may; one that is there stays."""
    mine = runtime_shares.c.runtime_id == runtime.id
    # Locked, so that two who share at once do not both take the last place.
    connection.execute(
        sa.select(resource_table.c.id).where(resource_table.c.id == runtime.id).with_for_update()
    )
    same = (
        runtime_shares.c.factory_key == with_.factory.lower(),
        runtime_shares.c.name_key == with_.name.lower(),
    )
    if connection.execute(sa.select(runtime_shares.c.id).where(mine, *same)).first() is not None:
        return
    count = connection.execute(sa.select(sa.func.count()).select_from(runtime_shares).where(mine)).scalar()
    if (count or 0) >= most:
        raise ApiError(
            409, f"The integration runtime {runtime.resource.name!r} has its {most} linked runtimes already.",
            "LinkedIntegrationRuntimeLimitReached", runtime.resource.name,
        )  # fmt: skip
    connection.execute(
        sa.insert(runtime_shares).values(
            runtime_id=runtime.id, factory_key=with_.factory.lower(), name_key=with_.name.lower(),
            factory=with_.factory, name=with_.name, subscription=with_.subscription,
            location=with_.location, created=clock.moment(),
        )
    )  # fmt: skip


def unshare(connection: sa.Connection, runtime: Runtime, factory: str) -> None:
    """The linked runtimes of a factory get nothing done any more."""
    mine = (runtime_shares.c.runtime_id == runtime.id, runtime_shares.c.factory_key == factory.lower())
    connection.execute(sa.delete(runtime_shares).where(*mine))


def forget(connection: sa.Connection, factory: str) -> None:
    """Nothing is shared with a factory that is gone: another one may get its name."""
    connection.execute(sa.delete(runtime_shares).where(runtime_shares.c.factory_key == factory.lower()))


def links_of(connection: sa.Connection, runtime: Runtime) -> list[dict[str, Any]]:
    """As the status of a runtime has them."""
    query = sa.select(runtime_shares).where(runtime_shares.c.runtime_id == runtime.id)
    return [
        {
            "name": row.name, "subscriptionId": row.subscription, "dataFactoryName": row.factory,
            "dataFactoryLocation": row.location, "createTime": timestamp(row.created),
        }
        for row in connection.execute(query.order_by(runtime_shares.c.id))
    ]  # fmt: skip


def behind(connection: sa.Connection, resource: Resource) -> Runtime | None:
    """The runtime whose nodes do the work of a linked one; None where it is shared no more."""
    query = (
        sa.select(runtime_links.c.runtime_id)
        .join(runtime_shares, runtime_shares.c.runtime_id == runtime_links.c.runtime_id)
        .where(
            runtime_links.c.resource_id == resource.id,
            runtime_shares.c.factory_key == resource.factory.name.lower(),
            runtime_shares.c.name_key == resource.name.lower(),
        )
    )
    found = connection.execute(query).scalar()
    return None if found is None else runtimes.of(connection, resources.by_id(connection, RUNTIME, found))


def check_deletion(connection: sa.Connection, resource: Resource) -> None:
    """Raises ApiError for a runtime that others use; what a linked one was shared by has a place free."""
    query = sa.select(runtime_shares.c.factory).where(runtime_shares.c.runtime_id == resource.id)
    if (first := connection.execute(query.limit(1)).scalar()) is not None:
        raise ApiError(
            400,
            f"The integration runtime {resource.name!r} cannot be deleted: the factory {first!r} uses it; "
            "remove its links first.",
            "BadRequest", resource.name,
        )  # fmt: skip
    target = sa.select(runtime_links.c.runtime_id).where(runtime_links.c.resource_id == resource.id)
    connection.execute(
        sa.delete(runtime_shares).where(
            runtime_shares.c.runtime_id.in_(target.scalar_subquery()),
            runtime_shares.c.factory_key == resource.factory.name.lower(),
            runtime_shares.c.name_key == resource.name.lower(),
        )
    )
