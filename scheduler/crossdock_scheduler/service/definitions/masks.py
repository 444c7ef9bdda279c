"""Definitions as they are answered: without secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ...wire.sealing import MASK, replaced

# What Data Factory says beside masked secrets.
_SAID = {"Version": "1.0", "ProtectionMode": "Key", "SecretContentType": "Plaintext"}


def shown(properties: Mapping[str, Any]) -> Any:
    """With masks, and a word of there being secrets."""
    secrets: list[Mapping[str, Any]] = []

    def mask(secret: Mapping[str, Any], _: str) -> Any:
        if not secret.keys() & {"sealed", "locked"}:
            return dict(secret)
        secrets.append(secret)
        return {"type": "SecureString", "value": MASK}

    found = replaced(properties, mask)
    if secrets and isinstance(found.get("typeProperties"), dict):
        credential = base64.b64encode(json.dumps(_SAID).encode()).decode()
        found["typeProperties"].setdefault("encryptedCredential", credential)
    return found
