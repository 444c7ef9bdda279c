"""The secrets of definitions that are sealed to one vault, in whichever factory they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...wire.sealing import replaced
from ..database.tables import resources
from ..runtimes.vaults import OpenVault
from .names import LINKED_SERVICE


def look(connection: sa.Connection, vault: OpenVault, *, held: bool = False) -> dict[str, str]:
    """How each is sealed, by where it is. ``held``: it stays so until the transaction is over."""
    found: dict[str, str] = {}
    for row in _rows(connection, vault, held=held):

        def note(secret: Mapping[str, Any], path: str, row: Any = row) -> Any:
            if _is_in(secret, vault):
                found[f"{row.id}:{path}"] = secret["sealed"]["data"]
            return secret

        replaced(row.properties, note)
    return found


def reseal(connection: sa.Connection, vault: OpenVault, data: Mapping[str, str]) -> None:
    """``data`` is how each is sealed to the next version of the vault, by where it is."""
    for row in _rows(connection, vault, held=True):

        def move(secret: Mapping[str, Any], path: str, row: Any = row) -> Any:
            if not _is_in(secret, vault):
                return secret
            sealed = {"vault": vault.guid, "version": vault.version + 1, "data": data[f"{row.id}:{path}"]}
            return {**secret, "sealed": sealed}

        same = sa.update(resources).where(resources.c.id == row.id)
        connection.execute(same.values(properties=replaced(row.properties, move)))


def _is_in(secret: Mapping[str, Any], vault: OpenVault) -> bool:
    sealed = secret.get("sealed")
    return sealed is not None and (sealed["vault"], sealed["version"]) == (vault.guid, vault.version)


def _rows(connection: sa.Connection, vault: OpenVault, *, held: bool) -> Sequence[Any]:
    query = sa.select(resources.c.id, resources.c.properties).where(
        resources.c.kind == LINKED_SERVICE.segment,
        sa.cast(resources.c.properties, sa.Text).contains(vault.guid),
    )
    query = query.order_by(resources.c.id)
    return connection.execute(query.with_for_update(key_share=True) if held else query).all()
