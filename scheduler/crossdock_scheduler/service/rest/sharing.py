"""``linkedIntegrationRuntime``, ``removeLinks``, and runtimes that are put with ``linkedInfo``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ... import clock
from ..auth.roles import Role
from ..context import Call, Owner, signed_in_router
from ..definitions import keeping, resources
from ..definitions.factories import FactoryRow
from ..definitions.names import RUNTIME, Kind
from ..definitions.resources import Resource
from ..errors import ApiError
from ..runtimes import nodes, runtimes, sharing, status, vaults
from ..runtimes.sharing import Linked, Rules
from .bodies import Body
from .definitions import Keeping
from .factories import FACTORY

ONE = f"{FACTORY}/{RUNTIME.segment}/{{name}}"

router = signed_in_router("IntegrationRuntimes")


class KeepingRuntimes(Keeping):
    """A linked runtime is put only where the one that it links to is shared."""

    def put(
        self, call: Call, connection: sa.Connection, factory: FactoryRow, kind: Kind, *,
        name: str, properties: Mapping[str, Any], if_match: str | None,
    ) -> Resource:  # fmt: skip
        service = call.service
        rules = Rules(
            service.keys, lambda other: call.principal.may(Role.CONTRIBUTOR, other), service.most_links
        )
        target = sharing.target_of(connection, factory, name, properties, rules)
        made = keeping.put(
            connection, factory, kind, name, properties, keeper=service.keeper, if_match=if_match
        )
        if target is not None:
            sharing.link(connection, made, target, rules.most)
        return made

    def delete(self, connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> bool:
        if (found := resources.look(connection, factory, kind, name)) is not None:
            sharing.check_deletion(connection, found)
        return super().delete(connection, factory, kind, name)


def status_of(call: Call, connection: sa.Connection, asked: Resource) -> dict[str, Any]:
    """IntegrationRuntimeStatusResponse; that of a linked runtime tells of the nodes that do its work."""
    if not runtimes.is_linked(asked.properties):
        runtime = runtimes.of(connection, asked)
        links = sharing.links_of(connection, runtime)
    else:
        behind = sharing.behind(connection, asked)
        if behind is None:
            return {
                "name": asked.name,
                "properties": {
                    "type": "SelfHosted", "dataFactoryName": asked.factory.name, "state": "AccessDenied",
                    "typeProperties": {"nodes": [], "links": []},
                },
            }  # fmt: skip
        runtime, links = behind, []
    found = nodes.of(connection, runtime)
    told = status.as_json(runtime, found, call.service.keys.endpoint, clock.now())
    told["name"] = asked.name
    told["properties"]["dataFactoryName"] = asked.factory.name
    told["properties"]["typeProperties"]["links"] = links
    if (vault := vaults.after_reset(connection, runtime.id)) is not None:
        again = keeping.lost(connection, asked.factory, vault)
        told["properties"]["typeProperties"]["secretsToGiveAgain"] = again
    return told


@router.post(f"{ONE}/linkedintegrationruntime")
def create_linked(name: str, body: Body, call: Owner) -> dict[str, Any]:
    """Lets a runtime of another factory, which need not be there yet, use this one's nodes."""
    given = [_text(body, key) for key in ("subscriptionId", "dataFactoryName", "name", "dataFactoryLocation")]
    for key, value in zip(("subscriptionId", "dataFactoryName", "name"), given, strict=False):
        if not value:
            raise ApiError(400, f"{key} is missing.", target=key)
    with_ = Linked(*given)
    RUNTIME.check(with_.name)
    RUNTIME.check(with_.factory)
    with call.write() as (connection, factory):
        runtime = runtimes.of(connection, resources.find(connection, factory, RUNTIME, name))
        sharing.share(connection, runtime, with_, call.service.most_links)
        return status_of(call, connection, runtime.resource)


@router.post(f"{ONE}/removelinks")
def remove_links(name: str, body: Body, call: Owner) -> None:
    """The linked runtimes of a factory are refused from now on."""
    other = _text(body, "factoryName")
    if not other:
        raise ApiError(400, "factoryName is missing.", target="factoryName")
    with call.write() as (connection, factory):
        runtime = runtimes.of(connection, resources.find(connection, factory, RUNTIME, name))
        sharing.unshare(connection, runtime, other)


def _text(body: Mapping[str, Any], key: str) -> str:
    found = body.get(key) or ""
    if not isinstance(found, str) or len(found) > 64:
        raise ApiError(400, f"{key} must be a text of at most 64 characters.", target=key)
    return found
