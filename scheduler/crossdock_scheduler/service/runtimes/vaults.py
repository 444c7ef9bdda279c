"""The vault of a runtime: its public key is here, its private key with the nodes, sealed to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ...wire.node import NextVault, Share, Vault
from ..database.tables import nodes, runtimes, vault_shares
from .nodes import Node

# Made once: every heartbeat asks it.
_WANTING = (
    sa.select(nodes.c.id, nodes.c.sealing_key)
    .outerjoin(
        vault_shares,
        sa.and_(vault_shares.c.node_id == nodes.c.id, vault_shares.c.version == sa.bindparam("version")),
    )
    .where(nodes.c.runtime_id == sa.bindparam("runtime"), vault_shares.c.node_id.is_(None))
    .limit(10)
)


@dataclass(frozen=True, slots=True)
class OpenVault:
    """What secrets are sealed to. Version 0 is none: no node has made one yet."""

    guid: str
    version: int
    public_key: str


def of(connection: sa.Connection, runtime_id: int, *, held: bool = False) -> OpenVault:
    """``held``: it stays the runtime's until the transaction is over."""
    query = sa.select(runtimes).where(runtimes.c.resource_id == runtime_id)
    row = connection.execute(query.with_for_update(read=True, key_share=True) if held else query).one()
    return OpenVault(row.guid, row.vault_version if row.vault_key else 0, row.vault_key or "")


def offer(connection: sa.Connection, runtime_id: int, node_id: str, made: Vault) -> bool:
    """Whether a node's vault became the runtime's: it is the first, or the first after a ``reset``."""
    version = sa.case((runtimes.c.vault_version == 0, 1), else_=runtimes.c.vault_version)
    taken = connection.execute(
        sa.update(runtimes)
        .where(runtimes.c.resource_id == runtime_id, runtimes.c.vault_key.is_(None))
        .values(vault_version=version, vault_key=made.public_key)
        .returning(runtimes.c.vault_version)
    ).first()
    if taken is None:
        return False
    _keep(connection, node_id, int(taken.vault_version), made.private_key)
    return True


def openers(connection: sa.Connection, runtime_id: int) -> Sequence[Share]:
    """The runtime's nodes, with the public keys to which the vault's key is sealed."""
    query = sa.select(nodes.c.id, nodes.c.sealing_key).where(nodes.c.runtime_id == runtime_id)
    return [Share(node_id=row.id, key=row.sealing_key) for row in connection.execute(query)]


def follow(connection: sa.Connection, node: Node, given: NextVault) -> None:
    """The next vault, whose key a node has sealed to others: whom it has passed over is given it later."""
    mine = runtimes.c.resource_id == node.row.runtime_id
    connection.execute(
        sa.update(runtimes).where(mine).values(vault_version=given.version + 1, vault_key=given.public_key)
    )
    for each in given.shares:
        share(connection, node, given.version + 1, each)


def reset(connection: sa.Connection, runtime_id: int) -> int:
    """The vault is lost: the next one, which a node makes, has the version that is returned."""
    version = connection.execute(
        sa.update(runtimes)
        .where(runtimes.c.resource_id == runtime_id)
        .values(vault_version=runtimes.c.vault_version + 1, vault_key=None)
        .returning(runtimes.c.vault_version)
    ).scalar_one()
    of_runtime = sa.select(nodes.c.id).where(nodes.c.runtime_id == runtime_id)
    connection.execute(sa.delete(vault_shares).where(vault_shares.c.node_id.in_(of_runtime)))
    return int(version)


def after_reset(connection: sa.Connection, runtime_id: int) -> OpenVault | None:
    """The vault of a runtime that has lost one before; None for others."""
    query = sa.select(runtimes.c.vault_version).where(runtimes.c.resource_id == runtime_id)
    return of(connection, runtime_id) if connection.execute(query).scalar_one() > 1 else None


def key_for(connection: sa.Connection, node: Node, version: int) -> str | None:
    """The private key, sealed to the node; None as long as no other node has sealed it."""
    query = sa.select(vault_shares.c.sealed).where(
        vault_shares.c.node_id == node.id, vault_shares.c.version == version
    )
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def wanting(connection: sa.Connection, node: Node, version: int) -> Sequence[Share]:
    """Other nodes of the runtime to which nobody has sealed the key yet."""
    asked = {"version": version, "runtime": node.row.runtime_id}
    return [Share(node_id=row.id, key=row.sealing_key) for row in connection.execute(_WANTING, asked)]


def share(connection: sa.Connection, node: Node, version: int, given: Share) -> None:
    """Keep what a node has sealed to another one of the same runtime; anything else is passed over."""
    other = sa.select(nodes.c.id).where(
        nodes.c.id == given.node_id, nodes.c.runtime_id == node.row.runtime_id
    )
    if connection.execute(other).first() is not None:
        _keep(connection, given.node_id, version, given.key)


def give_again(connection: sa.Connection, runtime_id: int) -> None:
    """Forget what was sealed to nodes that cannot open it, if one is there that can seal it to them anew."""
    query = sa.select(nodes.c.id, nodes.c.said, runtimes.c.vault_version).join(
        runtimes, runtimes.c.resource_id == nodes.c.runtime_id
    )
    found = connection.execute(query.where(nodes.c.runtime_id == runtime_id)).all()
    lacking = [row.id for row in found if row.said.get("vault", 0) != row.vault_version]
    if len(lacking) < len(found):
        connection.execute(sa.delete(vault_shares).where(vault_shares.c.node_id.in_(lacking)))


def _keep(connection: sa.Connection, node_id: str, version: int, sealed: str) -> None:
    connection.execute(sa.delete(vault_shares).where(vault_shares.c.node_id == node_id))
    connection.execute(sa.insert(vault_shares).values(node_id=node_id, version=version, sealed=sealed))
