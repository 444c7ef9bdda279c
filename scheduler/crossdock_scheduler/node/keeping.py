"""Secrets of a node at rest: AES-256-GCM under a key of the machine.

The key is the credential CREDENTIAL of systemd where the unit has one (``systemd-creds`` keeps it under the
machine's TPM or a secret of its own), else the file KEY_FILE of the state folder, which only its owner reads.
Each file says which it needs.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossdock import ConfigError

CREDENTIAL = "crossdock-node-key"
KEY_FILE = "machine.key"
_VERSION = 1
_LEAST = 32


def keep(folder: Path, name: str, content: bytes) -> None:
    """Encrypted, in one step. Raises ConfigError for a credential that is too short."""
    by = "systemd" if _credential() is not None else "file"
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
        raise ConfigError(f"{folder / name} is damaged", hint=_ANEW) from None
    if version != _VERSION or by not in {"systemd", "file"}:
        raise ConfigError(f"{folder / name} is of another release", hint=_ANEW)
    try:
        return AESGCM(_key(folder, by)).decrypt(data[:12], data[12:], _about(name, by))
    except (InvalidTag, ValueError):
        raise ConfigError(
            f"{folder / name} does not open with the key of this machine: it is damaged, or from another one",
            hint=_ANEW,
        ) from None


_ANEW = "restore a backup with crossdock node restore, or register the node again in another state folder"


def _about(name: str, by: str) -> bytes:
    return f"crossdock node {_VERSION} {by} {name}".encode()


def _credential() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, CREDENTIAL) if folder else None
    return path if path is not None and path.is_file() else None


def _key(folder: Path, by: str) -> bytes:
    path = _credential() if by == "systemd" else folder / KEY_FILE
    if path is None:
        raise ConfigError(
            f"the node's keys need the systemd credential {CREDENTIAL}",
            hint=f"start it by its unit, which has LoadCredentialEncrypted={CREDENTIAL}",
        )
    if by == "file" and not path.exists():
        write(path, os.urandom(_LEAST))
    secret = path.read_bytes()
    if len(secret) < _LEAST:
        raise ConfigError(f"{path} is no key of a machine: it has less than {_LEAST} bytes")
    return HKDF(SHA256(), 32, None, b"crossdock node at rest").derive(secret)


def write(path: Path, content: bytes) -> None:
    """A file that only its owner reads, whole or not at all."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
