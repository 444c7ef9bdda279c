"""Secrets that only the nodes of a runtime can open: HPKE (RFC 9180) with P-256, HKDF-SHA256 and AES-256-GCM.

A runtime has a vault: a key pair whose private half is with its nodes. Secrets are sealed to the public half,
by the service or before they reach it. A sealed secret is a SecureString with a key ``sealed``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

# What stands in a secret's place where it is shown.
MASK = "**********"
_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(public_key: str, plain: bytes, purpose: str) -> str:
    """Base64 of what only the holder of the private key opens, for the same purpose. The key is PEM."""
    key = serialization.load_pem_public_key(public_key.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the key is not one of P-256")
    return base64.b64encode(_SUITE.encrypt(plain, key, info=purpose.encode())).decode()


def unseal(key: ec.EllipticCurvePrivateKey, sealed: str, purpose: str) -> bytes:
    """Raises ValueError for what was not sealed to this key, was for another purpose, or was altered."""
    try:
        return _SUITE.decrypt(base64.b64decode(sealed, validate=True), key, info=purpose.encode())
    except (InvalidTag, binascii.Error, ValueError):
        raise ValueError("what is sealed does not open with this key") from None


def purpose_of(guid: str, version: int) -> str:
    """What secrets of a runtime's vault are sealed for."""
    return f"crossdock vault {guid} {version}"


def sealed_secret(guid: str, version: int, public_key: str, plain: str) -> dict[str, Any]:
    """A secret of a definition, for the vault of a runtime."""
    data = seal(public_key, plain.encode(), purpose_of(guid, version))
    return {
        "type": "SecureString", "value": MASK, "sealed": {"vault": guid, "version": version, "data": data},
    }  # fmt: skip


def is_secret(value: Any) -> bool:
    """Whether a JSON value is a SecureString, sealed or not; names of keys have no case."""
    if not isinstance(value, Mapping):
        return False
    kind = next((each for key, each in value.items() if key.lower() == "type"), None)
    return isinstance(kind, str) and kind.lower() == "securestring"


def replaced(value: Any, replace: Callable[[Mapping[str, Any], str], Any], path: str = "") -> Any:
    """A JSON value with each SecureString in it replaced; ``replace`` takes it and its path."""
    if is_secret(value):
        return replace(value, path)
    if isinstance(value, Mapping):
        return {key: replaced(each, replace, f"{path}.{key}".lstrip(".")) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, replace, f"{path}[{index}]") for index, each in enumerate(value)]
    return value
