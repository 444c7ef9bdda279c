"""Secrets of a node at rest: AES-256-GCM under a key of the machine.

The key is in one of PLACES: the file KEY_FILE of the state folder, which only its owner reads; an entry of
the system's ``keyring``; or the credential CREDENTIAL of ``systemd``, which ``systemd-creds`` keeps under the
machine's TPM or a secret of its own. Where nobody has chosen one it is the credential, if the unit has it,
else the file. What was chosen holds: nothing is taken in its place. Each file says which it needs.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossdock import ConfigError, MissingDependencyError

from . import os_keyring

PLACES = ("file", "keyring", "systemd")
CREDENTIAL = "crossdock-node-key"
KEY_FILE = "machine.key"
CHOICE = "machine-key.json"
_VERSION = 1
_LEAST = 32


def keep(folder: Path, name: str, content: bytes) -> None:
    """Encrypted, in one step. Raises ConfigError where the key of the machine cannot be had."""
    by = place(folder)
    nonce = os.urandom(12)
    data = AESGCM(_key(folder, by)).encrypt(nonce, content, _about(name, by))
    said = {"version": _VERSION, "by": by, "data": b64encode(nonce + data).decode()}
    write(folder / name, json.dumps(said).encode())


def kept(folder: Path, name: str) -> bytes | None:
    """What was kept under the name, None without any. Raises ConfigError where it cannot be opened."""
    try:
        said = json.loads((folder / name).read_bytes())
        version, by, data = said["version"], said["by"], b64decode(said["data"], validate=True)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{folder / name} is damaged", hint=ANEW) from None
    if version != _VERSION or by not in PLACES:
        raise ConfigError(f"{folder / name} is of another release", hint=ANEW)
    try:
        return AESGCM(_key(folder, by)).decrypt(data[:12], data[12:], _about(name, by))
    except (InvalidTag, ValueError):
        raise ConfigError(
            f"{folder / name} does not open with the key of this machine: it is damaged, or from another one",
            hint=ANEW,
        ) from None


ANEW = (
    "where it does not come back: crossdock node unregister --force, then restore a backup with crossdock "
    "node restore, or register the node again"
)


def place(folder: Path) -> str:
    """Where the key of the machine is. Raises ConfigError for a choice that is not understood."""
    chosen: str | None = _choice(folder).get("by")
    return chosen or ("systemd" if _credential() is not None else "file")


def move(folder: Path, by: str, names: Iterable[str]) -> None:
    """Have the key of the machine in another place, and what was kept under the names encrypted with it.

    Broken off, it is done again. Raises ConfigError where a key cannot be had: then nothing has changed.
    """
    contents = {name: content for name in names if (content := kept(folder, name)) is not None}
    if by == "keyring":
        _enter(folder)
    _key(folder, by)
    entry: str = _choice(folder).get("entry") or ""
    _choose(folder, by, entry)
    for name, content in contents.items():
        keep(folder, name, content)
    # Both keys are there until here.
    if by != "file":
        (folder / KEY_FILE).unlink(missing_ok=True)
    if by != "keyring" and entry:
        with suppress(ConfigError, MissingDependencyError):  # it opens nothing any more
            os_keyring.forget(entry)
            _choose(folder, by, "")


def _enter(folder: Path) -> None:
    """Have an entry in the keyring. Its name is written down first: broken off at any point, it is known."""
    before = _choice(folder)
    entry: str = before.get("entry") or uuid4().hex
    if os_keyring.secret(entry) is not None:
        return
    _choose(folder, before.get("by"), entry)
    try:
        os_keyring.put(entry, os.urandom(_LEAST))
    except ConfigError:
        with suppress(ConfigError):
            os_keyring.forget(entry)
            if not before:
                (folder / CHOICE).unlink()
        raise


def forget_key(folder: Path) -> str | None:
    """The key of the machine and where it is: what was kept under it does not open any more.

    Returns the place that was chosen, None without a choice.
    """
    chosen: str | None = None
    with suppress(ConfigError, MissingDependencyError):  # an entry that stays in the keyring opens nothing
        said = _choice(folder)
        chosen = said.get("by")
        if entry := said.get("entry"):
            os_keyring.forget(entry)
    for name in (CHOICE, KEY_FILE):
        (folder / name).unlink(missing_ok=True)
    return chosen


def _choose(folder: Path, by: str | None, entry: str) -> None:
    write(folder / CHOICE, json.dumps({"version": _VERSION, "by": by, "entry": entry}).encode())


def _choice(folder: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads((folder / CHOICE).read_bytes())
        if said["version"] == _VERSION and said["by"] in {*PLACES, None}:
            return said
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        pass
    raise ConfigError(f"{folder / CHOICE} is damaged, or of another release", hint=ANEW)


def _about(name: str, by: str) -> bytes:
    return f"crossdock node {_VERSION} {by} {name}".encode()


def _credential() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, CREDENTIAL) if folder else None
    return path if path is not None and path.is_file() else None


def _key(folder: Path, by: str) -> bytes:
    secret = _of_keyring(folder) if by == "keyring" else _of_file(folder, by)
    return HKDF(SHA256(), 32, None, b"crossdock node at rest").derive(secret)


def _of_keyring(folder: Path) -> bytes:
    entry = _choice(folder).get("entry")
    secret = os_keyring.secret(entry) if entry else None
    if secret is None:
        raise ConfigError(f"the keyring of this system has no key for the node in {folder}", hint=ANEW)
    return secret


def _of_file(folder: Path, by: str) -> bytes:
    path = _credential() if by == "systemd" else folder / KEY_FILE
    if path is None:
        raise ConfigError(
            f"the node's keys need the systemd credential {CREDENTIAL}",
            hint=f"its unit, or systemd-run, has to have LoadCredentialEncrypted={CREDENTIAL}:FILE; {ANEW}",
        )
    if by == "file" and not path.exists():
        write(path, os.urandom(_LEAST))
    secret = path.read_bytes()
    if len(secret) < _LEAST:
        raise ConfigError(f"{path} is no key of a machine: it has less than {_LEAST} bytes")
    return secret


def write(path: Path, content: bytes) -> None:
    """A file that only its owner reads, whole or not at all; on the disk when this returns."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    if sys.platform != "win32":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
