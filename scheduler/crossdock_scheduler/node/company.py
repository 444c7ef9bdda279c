"""Whether a node wants to be one of several: ``company.json`` in the state folder.

It can be said before the machine is a node, as scripts do, and holds however often it is registered.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from crossdock import ConfigError, NotFoundError

from ..wire import node as wire
from .client import Client, connected
from .identity import COMPANY, load
from .keeping import write
from .proxy import watched

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Company:
    """``alone``: the runtime shall have no other node. ``expires``: seconds offline after which the node is
    none."""

    alone: bool = False
    expires: int | None = None


def company(folder: Path) -> Company:
    """Raises ConfigError for a file that is not understood."""
    try:
        said = json.loads((folder / COMPANY).read_text())
        if said.pop("version", _VERSION) != _VERSION:  # the first ones had none
            raise ValueError
        return Company(**said)
    except FileNotFoundError:
        return Company()
    except (OSError, ValueError, TypeError, AttributeError):
        raise ConfigError(f"{folder / COMPANY} is not understood", hint="delete it") from None


def keep_company(folder: Path, found: Company) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(folder / COMPANY, json.dumps({"version": _VERSION, **asdict(found)}).encode())


async def be_alone(folder: Path, *, alone: bool) -> None:
    """Have the service refuse other nodes, or take them: now, or once the machine is a node.

    Raises ConfigError where the runtime has other nodes.
    """
    before = company(folder)
    try:
        identity = load(folder)
    except NotFoundError:
        identity = None
    if identity is not None:
        async with connected(identity.url, identity.ca, watched(folder)) as http:
            await Client(http, identity).company(wire.Company(alone=alone))
    keep_company(folder, Company(alone, before.expires))
