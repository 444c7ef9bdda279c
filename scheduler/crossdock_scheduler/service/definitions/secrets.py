"""Secrets of definitions: sealed to a runtime's vault before they are stored, masked when they are shown.

Where the runtime has no node yet, and so no vault, they are encrypted with the service's own secret until
the first node registers.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...wire.sealing import MASK, replaced, sealed_secret
from ..errors import ApiError
from ..runtimes.keys import derived
from ..runtimes.vaults import OpenVault

# Texts in which Data Factory's own tools write secrets without saying so.
_SECRETIVE = re.compile(
    r"(?i)(?:^|[;?&\s])(?:password|pwd|accountkey|sharedaccesssignature|sharedaccesskey|sig)\s*=\s*[^;\s&]"
)
_TEXTS = ("connectionstring", "sasuri", "sastoken")


@dataclass(frozen=True, slots=True)
class Keeper:
    """Encrypts with a key derived from the service's secret."""

    key: bytes

    @classmethod
    def of(cls, secret: bytes) -> Keeper:
        return cls(derived(secret, "secrets at rest"))

    def lock(self, plain: str) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + AESGCM(self.key).encrypt(nonce, plain.encode(), None)).decode()

    def unlock(self, locked: str) -> str:
        raw = base64.b64decode(locked)
        try:
            return AESGCM(self.key).decrypt(raw[:12], raw[12:], None).decode()
        except InvalidTag:
            raise ApiError(
                500, "The service's secret is not the one that this was encrypted with.", "SecretLost"
            ) from None


def stored(new: Mapping[str, Any], old: Mapping[str, Any], vault: OpenVault | None, keeper: Keeper) -> Any:
    """A definition as it is kept. Raises ApiError where a mask stands for a secret that is not there."""
    before: dict[str, Any] = {}
    replaced(old, lambda secret, path: before.setdefault(path.lower(), secret))

    def keep(secret: Mapping[str, Any], path: str) -> Any:
        lowered = {key.lower(): value for key, value in secret.items()}
        if isinstance(sealed := lowered.get("sealed"), Mapping):
            return _sealed_before(sealed, vault, path)
        plain = lowered.get("value")
        if plain in (None, ""):
            return dict(secret)
        if plain != MASK:
            return _kept(str(plain), vault, keeper)
        found = before.get(path.lower())
        if found is None:
            raise ApiError(400, f"{path} is a mask, and there is no secret behind it.", "SecretMissing", path)
        return _moved(found, vault, path)

    return replaced(_told_apart(new), keep)


def for_vault(properties: Mapping[str, Any], vault: OpenVault, keeper: Keeper) -> Any:
    """A definition whose secrets nodes can open: those that were encrypted for want of a vault are sealed."""

    def move(secret: Mapping[str, Any], _: str) -> Any:
        return _kept(keeper.unlock(secret["locked"]), vault, keeper) if "locked" in secret else dict(secret)

    return replaced(properties, move)


def _kept(plain: str, vault: OpenVault | None, keeper: Keeper) -> dict[str, Any]:
    if vault is not None and vault.version:
        return sealed_secret(vault.guid, vault.version, vault.public_key, plain)
    return {"type": "SecureString", "value": MASK, "locked": keeper.lock(plain)}


def _sealed_before(sealed: Mapping[str, Any], vault: OpenVault | None, path: str) -> Any:
    """A secret that the client has sealed: the service never sees it."""
    if vault is None or (sealed.get("vault"), sealed.get("version")) != (vault.guid, vault.version):
        raise ApiError(400, f"{path} is sealed to another vault than the runtime's.", "SealedElsewhere", path)
    kept = {key: sealed.get(key) for key in ("vault", "version", "data")}
    return {"type": "SecureString", "value": MASK, "sealed": kept}


def _moved(secret: Mapping[str, Any], vault: OpenVault | None, path: str) -> Any:
    sealed = secret.get("sealed")
    if sealed is not None and vault is not None and sealed["vault"] != vault.guid:
        raise ApiError(
            400, f"{path} is a mask, and the secret is sealed to another runtime; give it again.",
            "SealedElsewhere", path,
        )  # fmt: skip
    if is_lost(sealed, vault):
        raise ApiError(
            400, f"{path} is a mask, and the secret was sealed to a vault that is lost; give it again.",
            "SecretLost", path,
        )  # fmt: skip
    return dict(secret)


def is_lost(sealed: Any, vault: OpenVault | None) -> bool:
    """Whether a secret is sealed to a vault of the runtime that was given up (``vaults.reset``)."""
    return sealed is not None and vault is not None and sealed["version"] != vault.version


def _told_apart(properties: Mapping[str, Any]) -> Any:
    """The definition with secrets in connection strings and addresses as SecureStrings."""
    inner = properties.get("typeProperties")
    if not isinstance(inner, Mapping):
        return properties
    found = {
        key: {"type": "SecureString", "value": value}
        if key.lower() in _TEXTS and isinstance(value, str) and _SECRETIVE.search(value)
        else value
        for key, value in inner.items()
        if key.lower() != "encryptedcredential"
    }
    return {**properties, "typeProperties": found}
