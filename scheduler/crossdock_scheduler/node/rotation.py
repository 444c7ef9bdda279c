"""Another key for the runtime's vault: all secrets are sealed anew, by a node, for the service opens none."""

from __future__ import annotations

from pathlib import Path

from .client import Client, connected
from .identity import load
from .proxy import watched
from .vault import Vault


async def rotate(folder: Path) -> tuple[int, int]:
    """The new version of the vault, and how many secrets are sealed to it.

    Raises ConfigError where this node does not open the vault, or what is in it was changed meanwhile.
    """
    identity = load(folder)
    async with connected(identity.url, identity.ca, watched(folder)) as http:
        client = Client(http, identity)
        made = Vault.of(folder, identity.guid).next(await client.secrets())
        await client.follow(made)
    return made.version + 1, len(made.secrets)
