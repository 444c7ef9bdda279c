"""What definitions refer to instead of saying it: credentials, and for a run secrets of a Key Vault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from crossdock import AdfProperties, ConfigError

if TYPE_CHECKING:
    from .planning.ends import Ends


def resolved(value: Any, ends: Ends, *, with_secrets: bool = True) -> Any:
    """An evaluated JSON value with the definition of each credential in place of the reference to it; for a
    run also with each Key Vault secret in place of its own, as a SecretStr, unless it is to be without.

    Raises CrossdockError where a secret cannot be had.
    """
    if isinstance(value, list):
        return [resolved(each, ends, with_secrets=with_secrets) for each in value]
    if not isinstance(value, Mapping):
        return value
    kind = str(AdfProperties(value).get("type", "")).lower()
    if kind == "credentialreference":
        return _credential(value, ends, with_secrets)
    if kind == "azurekeyvaultsecret":
        return _secret(AdfProperties(value), ends) if with_secrets and not ends.values.ahead else value
    return {key: resolved(each, ends, with_secrets=with_secrets) for key, each in value.items()}


def _credential(reference: Mapping[str, Any], ends: Ends, with_secrets: bool) -> Any:
    found = ends.factory.find("credential", AdfProperties(reference).text("referenceName"))
    if found is None:
        return reference  # the checks of references say it
    own = ends.values.of(dict(found.read().inner("typeProperties")))
    return resolved({"type": found.type, **own}, ends, with_secrets=with_secrets)


def _secret(reference: AdfProperties, ends: Ends) -> SecretStr:
    store, name = reference.inner("store"), reference.text("secretName")
    found = ends.linked_service(store, with_secrets=False)
    if found is None or not name:
        raise ConfigError(f"the Key Vault secret {name!r} names no linked service that there is")
    service, properties = found
    if service.type.lower() != "azurekeyvault":
        raise ConfigError(f"{service.owner} is of the type {service.type}, not a Key Vault")
    version = reference.text("secretVersion")
    from .identity import secret  # the Azure SDK

    return secret(properties, name, "" if version.lower() == "latest" else version, ends.policy)
