"""``authentication`` of a call: what it adds to the headers, or to the connection."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

from crossdock import AdfProperties, AdfSecret, ConfigError
from crossdock.redact import remember

from .errors import CertificateError

KINDS = {
    name: name.lower()
    for name in (
        "None", "Anonymous", "Basic", "ClientCertificate", "MSI", "ManagedIdentity", "ServicePrincipal",
        "UserAssignedManagedIdentity",
    )
}  # fmt: skip
_NEEDS = {
    "basic": ("username", "password"),
    "clientcertificate": ("pfx",),
    "msi": ("resource",),
    "managedidentity": ("resource",),
    "serviceprincipal": ("resource",),
    "userassignedmanagedidentity": ("resource", "credential"),
}
_ALL = (
    "type", "username", "password", "pfx", "resource", "credential", "tenant", "userTenant",
    "servicePrincipalId", "servicePrincipalKey", "authenticationType",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows who calls."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secured: Callable[[ssl.SSLContext], None] | None = field(default=None, repr=False)


def check(given: AdfProperties) -> None:
    """Remark on what is missing; nothing is had yet."""
    kind = given.choice("type", KINDS, "none")
    for name in _NEEDS.get(kind, ()):
        if name not in given:
            given.refuse(name, f"authentication {given.text('type')} needs it", "error")
    given.ignore(*_ALL)


def proof_of(given: AdfProperties) -> Proof:
    """Raises ConfigError, CertificateError, and what signing in to Entra ID raises."""
    kind = given.choice("type", KINDS, "none")
    if kind in ("none", "anonymous"):
        return Proof()
    if kind == "basic":
        login = f"{given.text('username')}:{_secret(given, 'password').get_secret_value()}"
        encoded = base64.b64encode(login.encode()).decode()
        remember([encoded])
        return Proof({"Authorization": f"Basic {encoded}"})
    if kind == "clientcertificate":
        password = _secret(given, "password") if "password" in given else None
        return Proof(secured=_certificate(_secret(given, "pfx"), password))
    from ..identity import token  # the Azure SDK

    found = token(AdfProperties(_signing_in(given, kind)), given.text("resource"))
    return Proof({"Authorization": f"Bearer {found.get_secret_value()}"})


def _signing_in(given: AdfProperties, kind: str) -> dict[str, object]:
    """As a linked service says it."""
    if kind == "userassignedmanagedidentity":
        return {"credential": given.get("credential")}
    if kind != "serviceprincipal":
        return {}
    if "credential" in given:
        return {"credential": given.get("credential")}
    made: dict[str, object] = {
        "servicePrincipalId": given.text("servicePrincipalId") or given.text("username"),
        "tenant": given.text("tenant") or given.text("userTenant"),
    }
    if "pfx" in given:
        made["servicePrincipalEmbeddedCert"] = _secret(given, "pfx")
        if "password" in given:
            made["servicePrincipalEmbeddedCertPassword"] = _secret(given, "password")
    else:
        name = "servicePrincipalKey" if "servicePrincipalKey" in given else "password"
        made["servicePrincipalKey"] = _secret(given, name)
    return made


def _secret(given: AdfProperties, name: str) -> SecretStr:
    found = given.secret(name)
    if found is None or isinstance(found, AdfSecret):
        raise ConfigError(
            f"authentication needs {found.what if found else name}, which the definition does not hold"
        )
    remember([found.get_secret_value()])
    return found


def _certificate(pfx: SecretStr, password: SecretStr | None) -> Callable[[ssl.SSLContext], None]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    phrase = base64.b64encode(os.urandom(24))
    try:
        data = base64.b64decode(pfx.get_secret_value(), validate=True)
        locked = password.get_secret_value().encode() if password else None
        key, certificate, others = pkcs12.load_key_and_certificates(data, locked)
    except ValueError as error:
        raise CertificateError(
            "the client certificate is no PKCS#12 in base64, or its password is wrong"
        ) from error
    if key is None or certificate is None:
        raise CertificateError("the client certificate has no key")
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (certificate, *others))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(phrase),
    )

    def secured(context: ssl.SSLContext) -> None:
        # OpenSSL reads files only; the key in it is locked, by a phrase that is nowhere else.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "client.pem")
            with open(path, "xb") as file:
                file.write(pem + chain)
            context.load_cert_chain(path, password=phrase.decode())

    return secured
