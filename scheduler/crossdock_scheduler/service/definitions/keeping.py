"""Puts definitions into the database as they may be there: without secrets in the clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...wire.sealing import replaced
from ..database.tables import resources as table
from ..errors import ApiError
from ..runtimes import runtimes, vaults
from ..runtimes.vaults import OpenVault
from . import checking, resources, types
from .factories import FactoryRow
from .names import LINKED_SERVICE, RUNTIME, Kind
from .resources import Resource
from .runtime_choice import chosen
from .secrets import Keeper, for_vault, is_lost, stored


def put(
    connection: sa.Connection,
    factory: FactoryRow,
    kind: Kind,
    name: str,
    properties: Mapping[str, Any],
    *,
    keeper: Keeper,
    if_match: str | None = None,
) -> Resource:
    """Create or replace one. Raises ApiError as ``resources.put``, for a mask without a secret, for a type
    that is missing and for what ``checking`` finds."""
    kind.check(name)
    properties = types.repaired(kind, name, properties)
    checking.check_put(connection, factory, kind, name, properties)
    # Held before the secrets are read: until then a node may seal them to the vault's next key.
    vault = _vault(connection, factory, properties, held=True) if kind is LINKED_SERVICE else None
    old = resources.look(connection, factory, kind, name)
    kept = stored(properties, old.properties if old else {}, vault, keeper)
    made = resources.put(connection, factory, kind, name, kept, if_match=if_match)
    self_hosted = kind is RUNTIME and str(properties.get("type")).lower() == "selfhosted"
    if self_hosted and not runtimes.is_linked(properties):
        runtimes.of(connection, made)
    return made


def delete(connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> bool:
    """Whether there was one. Raises ApiError where something needs it."""
    found = resources.look(connection, factory, kind, name)
    if found is None:
        return False
    checking.check_deletion(connection, found)
    return resources.delete(connection, factory, kind, name)


def _vault(
    connection: sa.Connection, factory: FactoryRow, properties: Mapping[str, Any], *, held: bool = False
) -> OpenVault | None:
    via = properties.get("connectVia")
    name = via.get("referenceName", "") if isinstance(via, Mapping) else ""
    if not isinstance(name, str):
        raise ApiError(400, "connectVia.referenceName must be a text.", target="connectVia")
    found = chosen(connection, factory.id, name)
    return None if found is None else vaults.of(connection, found, held=held)


def seal_waiting(connection: sa.Connection, factory: FactoryRow, vault: OpenVault, keeper: Keeper) -> None:
    """Seal the secrets that waited for the vault of their runtime."""
    for each in resources.held(connection, factory, LINKED_SERVICE):
        its = _vault(connection, factory, each.properties)
        if its is not None and its.guid == vault.guid:
            kept = for_vault(each.properties, vault, keeper)
            if kept != each.properties:
                connection.execute(sa.update(table).where(table.c.id == each.id).values(properties=kept))


def lost(connection: sa.Connection, factory: FactoryRow, vault: OpenVault) -> list[str]:
    """The linked services of the factory whose secrets were sealed to a vault that is lost."""
    found = []
    for each in resources.listed(connection, factory, LINKED_SERVICE):
        gone: list[bool] = []

        def look(secret: Mapping[str, Any], _: str, gone: list[bool] = gone) -> Any:
            sealed = secret.get("sealed")
            gone.append(sealed is not None and sealed["vault"] == vault.guid and is_lost(sealed, vault))
            return secret

        replaced(each.properties, look)
        if any(gone):
            found.append(each.name)
    return found
