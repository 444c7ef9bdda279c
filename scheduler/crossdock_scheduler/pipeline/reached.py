"""Which hosts and ports definitions make a machine reach, for whoever sets up a firewall."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .coverage import cover
from .definitions import Factory
from .policy import Policy

_LOGIN = "login.microsoftonline.com"
_SIGNS_IN = ("servicePrincipalId", "tenant", "credential")


@dataclass(frozen=True, slots=True)
class Reached:
    """``port`` None: the driver's own, which the definition does not say. ``why``: for whom it is."""

    host: str
    port: int | None
    why: str


@dataclass(frozen=True, slots=True)
class _Heard(Policy):
    """Allows everything and keeps the names."""

    names: dict[str, None] = field(default_factory=dict)

    def host(self, name: str) -> str:
        self.names[name.lower()] = None
        return ""


def reached(factory: Factory) -> list[Reached]:
    """Each host and port once. A host that is only known when a pipeline runs is not among them."""
    heard = _Heard()
    cover(factory, heard)
    found = [*_named(heard), *_vaults(factory), *_login(factory)]
    return list({(each.host, each.port): each for each in reversed(found)}.values())[::-1]


def _named(heard: _Heard) -> Iterator[Reached]:
    for name in heard.names:
        parts = urlsplit(f"//{name}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            continue
        if host and not host.startswith("computed"):
            yield Reached(host, port, "sources, sinks and calls")


def _vaults(factory: Factory) -> Iterator[Reached]:
    for each in factory.of_kind("linkedService"):
        if each.type.lower() == "azurekeyvault":
            host = urlsplit(each.read().inner("typeProperties").text("baseUrl")).hostname
            if host:
                yield Reached(host, 443, "secrets of Key Vault")


def _login(factory: Factory) -> Iterator[Reached]:
    services = [
        (each.type.lower(), each.read().inner("typeProperties")) for each in factory.of_kind("linkedService")
    ]
    if any(kind.startswith("azure") or any(name in given for name in _SIGNS_IN) for kind, given in services):
        host = urlsplit(os.environ.get("AZURE_AUTHORITY_HOST", "")).hostname or _LOGIN
        yield Reached(host, 443, "signing in to Entra ID, where no key or SAS is used")
