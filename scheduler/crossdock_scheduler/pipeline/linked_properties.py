"""The properties of linked services: which are secrets, which names there are, how a variable is called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from crossdock import AdfSecret
from crossdock.redact import is_secret_name

# A connection string counts as one: most hold a password.
SECRETS = (
    "password", "connectionString", "accountKey", "sasUri", "sasToken", "servicePrincipalKey",
    "servicePrincipalCredential", "servicePrincipalEmbeddedCert", "servicePrincipalEmbeddedCertPassword",
    "secretAccessKey", "sessionToken", "clientSecret", "privateKeyContent", "passPhrase", "pfx", "pwd",
    "encryptedCredential", "functionKey", "accessToken", "apiToken",
)  # fmt: skip
_SECRETS = frozenset(each.lower() for each in SECRETS)
_KNOWN = (
    *SECRETS, "url", "baseUrl", "server", "host", "port", "database", "schema", "userName", "userId",
    "authenticationType", "servicePrincipalId", "servicePrincipalCredentialType", "tenant", "credential",
    "azureCloudType", "serviceEndpoint", "containerUri", "accountKind", "encrypt", "trustServerCertificate",
    "hostNameInCertificate", "integratedSecurity", "connectTimeout", "connectionTimeout", "commandTimeout",
    "sslMode", "aadResourceId", "enableServerCertificateValidation", "authHeaders", "accessKeyId",
    "serviceUrl", "forcePathStyle", "bucket", "fileShare", "snapshot", "readBufferSize", "timezone",
    "encoding", "pooling", "alwaysEncryptedSettings", "applicationIntent", "multiSubnetFailover",
    "privateKeyPath", "hostKeyFingerprint", "skipHostKeyValidation", "enableSsl", "subscriptionId",
    "workspaceResourceId", "functionAppUrl", "sessionName", "role", "warehouse", "account",
)  # fmt: skip
_CLOSE = 0.8


def is_secret(name: str) -> bool:
    return name.lower() in _SECRETS or is_secret_name(name)


def unlikely(name: str, own: Iterable[str]) -> str:
    """The property that a name is probably a misspelling of; empty where it may be one itself."""
    known = {each.lower(): each for each in (*_KNOWN, *own)}
    if name.lower() in known:
        return ""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_CLOSE)
    return known[near[0]] if near else ""


def asked_for(secrets: Mapping[str, SecretStr | AdfSecret], service: str) -> dict[str, SecretStr | AdfSecret]:
    """The same, where those that are not known say how they can be given."""
    return {
        option: AdfSecret(f"{each.what} of {service!r}, in the settings or in {variable(service, each.what)}")
        if isinstance(each, AdfSecret) and each.what.lower() in _SECRETS
        else each
        for option, each in secrets.items()
    }


def slug(name: str) -> str:
    """A name as part of a variable's: capitals, with ``_`` in place of all but letters and digits."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def variable(service: str, name: str) -> str:
    """The variable that holds a secret property of a linked service."""
    return f"CROSSDOCK_LINKED_SERVICE_{slug(service)}_{slug(name)}"
