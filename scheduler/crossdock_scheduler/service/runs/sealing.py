"""Work for nodes as the database may have it: what is secret in it is sealed to the runtime's vault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...pipeline.run.values import without_secrets
from ...wire.sealing import purpose_of, replaced, seal
from ..definitions.secrets import Keeper, for_vault
from ..runtimes.vaults import OpenVault

# Where a definition has one of these, expressions may see what is not to be written down.
_MARKS = ('"securestring"', '"secureoutput"', '"secureinput"')


def sealed(work: Mapping[str, Any], vault: OpenVault, keeper: Keeper) -> dict[str, Any] | None:
    """The work; None where it has secrets and there is no vault yet."""
    secret = _has_secrets(work)
    if not vault.version:
        return None if secret or _is_locked(work) else dict(work)
    found = {**work, "definitions": for_vault({"all": work["definitions"]}, vault, keeper)["all"]}
    if secret:
        plain = json.dumps(found.pop("scope")).encode()
        data = seal(vault.public_key, plain, purpose_of(vault.guid, vault.version))
        found["sealed_scope"] = {"version": vault.version, "data": data}
    return found


def _has_secrets(work: Mapping[str, Any]) -> bool:
    declared, scope = json.dumps(work["definitions"]).lower(), work["scope"]
    return any(each in declared for each in _MARKS) or bool(without_secrets(scope) != scope)


def _is_locked(work: Mapping[str, Any]) -> bool:
    found: list[bool] = []
    replaced(work["definitions"], lambda secret, _: found.append("locked" in secret))
    return any(found)
