"""``/crossdock/v1/nodes/vault``: what nodes do about their runtime's vault, which the service cannot open."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ...wire import node as wire
from ..definitions import keeping, resealing, resources
from ..definitions.names import RUNTIME
from ..errors import ApiError
from ..runtimes import nodes, vaults
from ..runtimes.nodes import Node
from .node_protocol import Signed

router = APIRouter(prefix="/crossdock/v1/nodes/vault", tags=["Nodes"])


@router.post("/new")
def new(made: wire.Vault, asking: Signed, request: Request) -> None:
    """A vault for a runtime whose own was lost. Another node may have been quicker."""
    service, node = asking.service, asking.node
    with service.database.write() as connection:
        nodes.lock(connection, node.row.runtime_id)
        if vaults.offer(connection, node.row.runtime_id, node.id, made):
            vault = vaults.of(connection, node.row.runtime_id)
            runtime = resources.by_id(connection, RUNTIME, node.row.runtime_id)
            keeping.seal_waiting(connection, runtime.factory, vault, service.keeper)
            asking.note(connection, request, "NEWVAULT")


@router.post("")
def share(given: wire.Shares, asking: Signed, request: Request) -> None:
    """The vault's key, sealed by a node that has it to nodes that lack it."""
    _check(asking.node, given.version)
    with asking.service.database.write() as connection:
        for each in given.shares:
            vaults.share(connection, asking.node, given.version, each)
        asking.note(connection, request, "SHAREVAULT")


@router.post("/secrets")
def secrets(asking: Signed) -> wire.Secrets:
    """What has to be sealed anew where the vault gets another key."""
    runtime_id = asking.node.row.runtime_id
    with asking.service.database.read() as connection:
        vault = vaults.of(connection, runtime_id)
        found = resealing.look(connection, vault)
        opening = vaults.openers(connection, runtime_id)
    listed = [wire.Sealed(id=where, data=data) for where, data in found.items()]
    return wire.Secrets(version=vault.version, secrets=listed, nodes=list(opening))


@router.post("/next")
def follow(given: wire.NextVault, asking: Signed, request: Request) -> None:
    """Another key in the place of the vault's, by a node that has sealed all secrets to it. Answers 409 where
    they were changed meanwhile."""
    service, node = asking.service, asking.node
    _check(node, given.version)
    with service.database.write() as connection:
        nodes.lock(connection, node.row.runtime_id)
        vault = vaults.of(connection, node.row.runtime_id)
        there = resealing.look(connection, vault, held=True)
        if vault.version != given.version or there != {each.id: each.was for each in given.secrets}:
            raise _changed()
        resealing.reseal(connection, vault, {each.id: each.data for each in given.secrets})
        vaults.follow(connection, node, given)
        asking.note(connection, request, "NEXTVAULT")
    service.looked_at.pop(node.row.runtime_id, None)


def _check(node: Node, version: int) -> None:
    if not node.in_step or version != node.row.vault_version:
        raise _changed()


def _changed() -> ApiError:
    return ApiError(409, "The vault or what is in it was changed meanwhile; try again.", "VaultChanged")
