"""What jobs may reach on this machine and its network: ``policy.json`` in the state folder.

It is read for each job, so that a change holds for the next one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from crossdock import ConfigError

from ..pipeline.policy import Policy
from .caps import NAMES
from .keeping import write

POLICY = "policy.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Permitted:
    """``private``: this machine and private networks; ``networks``: which of them in any case; ``roots``:
    folders, None for any; ``dtexec``: the program that runs packages of SSIS, None where they are not run.
    ``memory`` and ``cores``: what each process of a job may have, None for no limit."""

    private: bool = True
    networks: tuple[str, ...] = ()
    roots: tuple[str, ...] | None = None
    dtexec: str | None = None
    memory: int | None = None
    cores: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As the fields of ``pipeline.Policy``, and the arguments of ``caps.cap``."""
        return asdict(self)

    def narrowed(self, folders: Sequence[str] | None) -> Permitted:
        """Only these folders. Raises ConfigError for one that is not permitted."""
        for each in folders or ():
            if said := Policy(self.roots).folder(each):
                raise ConfigError(f"--allow-path: {said}", hint="permit it with: crossdock node policy")
        return replace(self, roots=tuple(folders)) if folders else self


def permitted(folder: Path) -> Permitted:
    """Raises ConfigError for a file that is not understood: then nothing is permitted."""
    path = folder / POLICY
    try:
        said = json.loads(path.read_text())
        version, private, roots = said["version"], said["private"], said["roots"]
        networks, dtexec = said.get("networks", []), said.get("dtexec")
        known = version == _VERSION and isinstance(private, bool) and isinstance(dtexec, str | None)
        if not known or not (roots is None or all(isinstance(each, str) for each in roots)):
            raise ValueError
        caps = tuple(said.get(name) for name in NAMES)
        if not all(each is None or (type(each) is int and each > 0) for each in caps):
            raise ValueError
        for each in networks:
            ip_network(each)
    except FileNotFoundError:
        return Permitted()
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError(
            f"the node's policy in {path} is not understood", hint="delete the file and set it with: "
            "crossdock node policy",
        ) from None  # fmt: skip
    return Permitted(private, tuple(networks), None if roots is None else tuple(roots), dtexec, *caps)


def permit(folder: Path, policy: Permitted) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(folder / POLICY, json.dumps({"version": _VERSION, **policy.as_json()}).encode())
