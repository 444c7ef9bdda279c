"""Secrets sealed before they leave this machine."""

from __future__ import annotations

from typing import Any

from ..wire.sealing import sealed_secret
from .api import Api, Place


def sealed(api: Api, place: Place, runtime: str, secret: str) -> dict[str, Any]:
    """A SecureString for linked services by a runtime. Raises ConfigError where it has no node yet."""
    vault = api.get("/crossdock/v1" + place.path("integrationRuntimes", runtime) + "/vault")
    return sealed_secret(vault["guid"], vault["version"], vault["publicKey"], secret)
