"""Who signs in to Entra ID: the process's own identity, an application, or a managed identity.

Shared by the connectors that sign in, and by whoever reads a Key Vault for them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from functools import lru_cache
from typing import Any

from pydantic import Field, SecretStr

from crossdock import AdfProperties, AdfSecret, ConfigError, ConnectorConfig

# What an operator says about the process itself; it is over what a definition says of managed identities.
_PRINCIPAL = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_ENVIRONMENT = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SECRETS = ("client_secret", "client_certificate", "client_certificate_password")
_KEYS = (
    "servicePrincipalId",
    "servicePrincipalKey",
    "servicePrincipalCredential",
    "servicePrincipalEmbeddedCert",
    "servicePrincipalEmbeddedCertPassword",
    "tenant",
    "credential",
)
Found = tuple[dict[str, str], dict[str, SecretStr | AdfSecret]]


class EntraOptions(ConnectorConfig):
    """Options of every connector that signs in to Entra ID."""

    tenant_id: str | None = Field(default=None, description="Entra ID: the tenant of the application")
    client_id: str | None = Field(
        default=None,
        description="Entra ID: the application that signs in, with client_secret or client_certificate; "
        "default: the identity of this process (AZURE_CLIENT_ID, a managed identity, az login)",
    )
    client_secret: SecretStr | None = Field(default=None, description="Entra ID: the application's secret")
    client_certificate: SecretStr | None = Field(
        default=None,
        description="Entra ID: the application's certificate with its RSA key, as PEM or PKCS#12 in base64",
    )
    client_certificate_password: SecretStr | None = Field(
        default=None, description="Entra ID: the password of the certificate's key"
    )
    managed_identity: str | None = Field(
        default=None,
        description="Entra ID: the managed identity that signs in, by its client ID or resource ID; "
        "AZURE_CLIENT_ID with AZURE_TENANT_ID are over it",
    )


def is_named(given: EntraOptions) -> bool:
    """Whether the options say who signs in."""
    return bool(given.client_id or given.managed_identity)


def sign_in(given: EntraOptions, *, bundle: str = "", proxy: str | None = None) -> Any:
    """An azure-core TokenCredential, the same for the same options: its tokens are shared.

    ``bundle`` is a file of CAs in place of the system's, ``proxy`` the address of one, empty for none.
    Raises ConfigError where options do not go together.
    """
    own = (
        given.tenant_id,
        given.client_id,
        *(getattr(given, name) for name in _SECRETS),
        given.managed_identity,
    )
    variables = tuple(item for item in sorted(os.environ.items()) if item[0].startswith(_ENVIRONMENT))
    return _credential(own, bundle, proxy, variables)


@lru_cache(maxsize=16)
def _credential(
    own: tuple[Any, ...], bundle: str, proxy: str | None, _variables: tuple[tuple[str, str], ...]
) -> Any:
    from azure import identity

    tenant, client, secret, certificate, password, managed = own
    options: dict[str, Any] = {"connection_verify": bundle} if bundle else {}
    if proxy is not None:
        # Managed identities are asked over http and never through a proxy.
        options |= {"proxies": {"https": proxy}, "use_env_settings": False}
    if secret or certificate:
        if not (tenant and client):
            raise ConfigError("an application signs in with tenant_id and client_id beside its secret")
        if secret:
            return identity.ClientSecretCredential(tenant, client, secret.get_secret_value(), **options)
        return _certified(tenant, client, certificate, password, options)
    if client and not all(map(os.environ.get, _PRINCIPAL)):
        raise ConfigError(f"the application {client!r} needs client_secret or client_certificate to sign in")
    if managed and not all(map(os.environ.get, _PRINCIPAL)):
        how = (
            {"client_id": managed}
            if _GUID.fullmatch(managed)
            else {"identity_config": {"resource_id": managed}}
        )
        return identity.ManagedIdentityCredential(**how)
    return identity.DefaultAzureCredential(**options)


def _certified(
    tenant: str, client: str, certificate: SecretStr, password: SecretStr | None, options: dict[str, Any]
) -> Any:
    from azure.identity import CertificateCredential

    text = certificate.get_secret_value()
    try:
        data = text.encode() if "-----BEGIN" in text else base64.b64decode(text, validate=True)
        key = password.get_secret_value() if password else None
        return CertificateCredential(tenant, client, certificate_data=data, password=key, **options)
    except (ValueError, TypeError, binascii.Error):
        raise ConfigError(
            "client_certificate is no certificate with an RSA key, or client_certificate_password is wrong"
        ) from None


def names_identity(service: AdfProperties) -> bool:
    """Whether a linked service says who signs in."""
    return any(name in service for name in _KEYS)


def from_adf(service: AdfProperties) -> Found:
    """Options and secrets for whom a linked service names; a credential that it refers to is in its place."""
    options: dict[str, str] = {}
    secrets: dict[str, SecretStr | AdfSecret] = {}
    service.ignore("servicePrincipalCredentialType", "azureCloudType")
    held = service.inner("credential")
    who = held if "servicePrincipalId" in held else service
    if client := who.text("servicePrincipalId"):
        options["client_id"] = client
        if tenant := who.text("tenant") or service.text("tenant"):
            options["tenant_id"] = tenant
        _proof(who, secrets)
    elif managed := held.text("resourceId") or held.text("clientId"):
        options["managed_identity"] = managed
    elif held:
        service.refuse("credential", "the identity is the one of this process (AZURE_CLIENT_ID, ...)", "note")
    held.ignore_all()
    service.ignore(*_KEYS)
    return options, secrets


def _proof(who: AdfProperties, secrets: dict[str, SecretStr | AdfSecret]) -> None:
    certified = "cert" in who.text("servicePrincipalCredentialType").lower()
    key, given = who.secret("servicePrincipalKey"), who.secret("servicePrincipalCredential")
    embedded = who.secret("servicePrincipalEmbeddedCert")
    if embedded is not None or (certified and given is not None):
        secrets["client_certificate"] = embedded or given or AdfSecret("servicePrincipalCredential")
        if (password := who.secret("servicePrincipalEmbeddedCertPassword")) is not None:
            secrets["client_certificate_password"] = password
    else:
        secrets["client_secret"] = key or given or AdfSecret("servicePrincipalKey")
