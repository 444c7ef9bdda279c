"""Contexts: which services this user has signed in to, and which factory commands are about.

They are in one file that only its owner reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crossdock import ConfigError, NotFoundError, state_folder
from crossdock.redact import remember

_VERSION = 1
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """A service and who asks it. ``ca`` is the file by which it is trusted; empty for the system's."""

    name: str
    url: str
    token: str = field(repr=False)
    ca: str = ""
    subscription: str = SUBSCRIPTION
    group: str = GROUP
    factory: str = ""


@dataclass(frozen=True, slots=True)
class Contexts:
    """All that are known by name, and the name of the one in use."""

    known: Mapping[str, Context]
    current: str = ""

    def find(self, name: str = "") -> Context:
        """The one of that name, or the one in use. Raises NotFoundError."""
        found = self.known.get(name or self.current)
        if found is not None:
            return found
        if name:
            known = ", ".join(sorted(self.known)) or "none"
            raise NotFoundError(f"there is no context {name!r}; there are: {known}")
        raise NotFoundError("no service has been signed in to", hint="sign in with: crossdock login URL")

    def put(self, context: Context) -> Contexts:
        """With it in place of one of the same name, and in use."""
        return Contexts({**self.known, context.name: context}, context.name)

    def without(self, name: str) -> Contexts:
        self.find(name)
        left = {key: each for key, each in self.known.items() if key != name}
        return Contexts(left, "" if self.current == name else self.current)


def _file() -> Path:
    return state_folder() / "contexts.json"


def load() -> Contexts:
    """Raises ConfigError for a file that is none, or one of another release."""
    path = _file()
    try:
        found = json.loads(path.read_bytes())
        if found["version"] != _VERSION:
            raise ConfigError(f"{path} is of another release; delete it and sign in again")
        known = {each["name"]: Context(**each) for each in found["contexts"]}
        current = str(found["current"])
    except FileNotFoundError:
        return Contexts({})
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} is damaged; delete it and sign in again") from None
    remember(each.token for each in known.values())
    return Contexts(known, current)


def save(contexts: Contexts) -> None:
    """In one step."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = {"version": _VERSION, "current": contexts.current}
    text = json.dumps(said | {"contexts": [asdict(each) for each in contexts.known.values()]}, indent=2)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    half.replace(path)
