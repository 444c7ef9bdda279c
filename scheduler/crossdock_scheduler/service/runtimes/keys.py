"""Auth keys, in Data Factory's format: ``IR@GUID@FACTORY@ServiceEndpoint=HOST:PORT@BASE64``.

They are derived from a secret of the service, so that the database has nothing to steal.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossdock import ConfigError

_SHAPE = re.compile(r"IR@([0-9a-fA-F-]{36})@([^@]+)@(?:ServiceEndpoint=)?([^@]*)@([A-Za-z0-9+/=]{44})")
_BYTES = 32
# Where a state folder has the service's secret.
SECRET_FILE = "service.key"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes and knows keys. ``endpoint`` is where nodes reach the service: host and port."""

    secret: bytes
    endpoint: str

    def make(self, guid: str, factory: str, number: int, generation: int) -> str:
        """Key 1 or 2 of the runtime with the GUID, as made anew for the ``generation``-th time."""
        return f"IR@{guid}@{factory}@ServiceEndpoint={self.endpoint}@{self._last(guid, number, generation)}"

    def is_one(self, given: str, guid: str, generations: tuple[int, int]) -> bool:
        found = _SHAPE.fullmatch(given)
        if found is None:
            return False
        wanted = [self._last(guid, number + 1, each) for number, each in enumerate(generations)]
        return any(hmac.compare_digest(found[4], each) for each in wanted)

    def _last(self, guid: str, number: int, generation: int) -> str:
        said = f"{guid}/{number}/{generation}".encode()
        return base64.b64encode(hmac.digest(self.secret, said, "sha256")).decode()


def guid_of(key: str) -> str | None:
    """The runtime that a key says it is of; None for what is no key."""
    found = _SHAPE.fullmatch(key.strip())
    return found[1].lower() if found else None


def derived(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose: what it is used for tells nothing of the others."""
    return HKDF(SHA256(), _BYTES, None, f"crossdock {purpose}".encode()).derive(secret)


def secret_of(path: Path) -> bytes:
    """The service's secret; made where there is none. Replicas share the file's content."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = path.read_bytes()
        if len(found) < _BYTES:
            raise ConfigError(f"{path} holds no secret of a service: {_BYTES} bytes at least") from None
        return found
    made = os.urandom(_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(made)
    return made


def kept_secret(folder: Path, file: Path | None) -> bytes:
    """The secret of the service whose state folder it is, or of the file. Raises ConfigError without."""
    if file is None:
        return secret_of(folder / SECRET_FILE)
    if not file.is_file():
        raise ConfigError(f"there is no file {file}; replicas share the {SECRET_FILE} of one of them")
    return secret_of(file)
