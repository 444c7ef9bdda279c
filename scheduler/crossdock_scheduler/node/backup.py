"""A node in a file: who it is, its keys and the vault's, and what its jobs may reach, for another disk or
another machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossdock import AlreadyExistsError, ConfigError

from ..wire import backup
from . import keeping
from .identity import COMPANY, FILE, SEALING, SIGNING, Identity, Keys, load, save
from .permitted import POLICY
from .presence import running
from .vault import VAULT

_KIND = "node"
_CA = "ca.pem"
_SETTINGS = (POLICY, COMPANY)


def back_up(folder: Path, file: Path, password: str) -> Identity:
    """Write a backup of the registered node. Raises ConfigError for a password that is too short."""
    known = load(folder)
    found: dict[str, Any] = {"identity": json.loads((folder / FILE).read_text())}
    for name in (SIGNING, SEALING, VAULT):
        content = keeping.kept(folder, name)
        found[name] = None if content is None else content.decode()
    found |= {name: _text(folder / name) for name in _SETTINGS}
    found["ca"] = Path(known.ca).read_text() if known.ca else None
    try:
        content = backup.sealed(_KIND, json.dumps(found).encode(), password)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    try:
        keeping.write(file, content)
    except OSError as error:
        raise ConfigError(f"the backup cannot be written to {file}: {error.strerror}") from error
    return known


def restore(folder: Path, file: Path, password: str) -> Identity:
    """Make the node of a backup that of the folder, which has none.

    Raises ConfigError for a file that is not whole, or no backup, or another password's; nothing is changed.
    """
    if (folder / FILE).exists() or running(folder):
        raise AlreadyExistsError(
            f"a node is registered in {folder} already", hint="first: crossdock node unregister"
        )
    try:
        found = json.loads(backup.opened(_KIND, file.read_bytes(), password))
    except OSError as error:
        raise ConfigError(f"the backup {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"the backup {file} cannot be restored: {error}") from error
    said = dict(found["identity"])
    said.pop("version")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (SIGNING, SEALING, VAULT):
        if found[name] is not None:
            keeping.keep(folder, name, found[name].encode())
    for name in _SETTINGS:
        # Backups of earlier releases have none, and what was said on this machine holds.
        if (text := found.get(name)) is not None and not (folder / name).exists():
            keeping.write(folder / name, text.encode())
    identity = Identity(**said, signing=Keys.of(folder).signing)
    if found["ca"] is not None:
        keeping.write(folder / _CA, found["ca"].encode())
        identity = replace(identity, ca=str((folder / _CA).resolve()))
    # Last: without it no node is registered.
    save(folder, identity)
    return identity


def _text(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None
