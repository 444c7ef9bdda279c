"""What the Azure SDK does for pipelines: tokens of an identity, and secrets of a Key Vault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from crossdock import (
    AccessDeniedError,
    AdfProperties,
    AdfSecret,
    AuthError,
    ConfigError,
    CrossdockError,
    MissingDependencyError,
    NotFoundError,
    ThrottledError,
    TransientError,
    UnreachableError,
)
from crossdock.redact import remember
from crossdock_connectors import entra

from .network import checked
from .policy import Policy

_RETRIES = {"retry_total": 3, "retry_backoff_factor": 0.4, "retry_backoff_max": 5}


def secret(service: AdfProperties, name: str, version: str, policy: Policy) -> SecretStr:
    """A secret of the Key Vault that a linked service names; from now on hidden in all texts.

    Raises ConfigError, AuthError, AccessDeniedError, NotFoundError, UnreachableError or TransientError.
    """
    url = service.text("baseUrl").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigError(f"baseUrl of a Key Vault is an https address, not {url!r}")
    checked(parts.hostname, parts.port or 443, policy)
    who = credential(service)
    from azure.keyvault.secrets import SecretClient

    what = f"the secret {name!r} of {url}"
    with _told(what), SecretClient(url, who, **_RETRIES, **_trust()) as client:
        value = client.get_secret(name, version or None).value
    if not value:
        raise NotFoundError(f"{what} is empty")
    remember([value])
    return SecretStr(value)


def credential(named: AdfProperties) -> Any:
    """Who signs in: the application or managed identity that is named, else the identity of this process."""
    if find_spec("azure") is None or find_spec("azure.keyvault") is None:
        raise MissingDependencyError(
            "signing in to Entra ID needs the Azure SDK; install it with: pip install 'crossdock[azure]'"
        )
    options, proof = entra.from_adf(named)
    lacking = [each.what for each in proof.values() if isinstance(each, AdfSecret)]
    if lacking:
        raise AuthError(f"signing in as {options.get('client_id')!r} needs {', '.join(lacking)}")
    given = entra.EntraOptions.model_validate(options | proof)
    return entra.sign_in(given, bundle=os.environ.get("SSL_CERT_FILE", ""))


def token(named: AdfProperties, resource: str) -> SecretStr:
    """A token for a resource, such as ``https://management.azure.com/``. Raises as ``secret`` does."""
    who = credential(named)
    with _told(f"signing in for {resource}"):
        found = who.get_token(f"{resource.rstrip('/')}/.default").token
    remember([found])
    return SecretStr(found)


def _trust() -> dict[str, Any]:
    bundle = os.environ.get("SSL_CERT_FILE", "")
    return {"connection_verify": bundle} if bundle else {}


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Whatever the SDK raises, as an error of ours."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.ClientAuthenticationError as error:
        raise AuthError(f"{what}: signing in to Entra ID failed", detail=str(error)) from error
    except exceptions.HttpResponseError as error:
        raise _refused(what, error) from error
    except exceptions.AzureError as error:
        raise UnreachableError(f"{what}: there is no answer", detail=str(error)) from error
    except (ValueError, NotImplementedError) as error:
        why = (
            "the vault asks for a token that is not for its domain"
            if "challenge" in str(error)
            else "no such name"
        )
        raise ConfigError(f"{what}: {why}", detail=str(error)) from error


def _refused(what: str, error: Any) -> CrossdockError:
    status, detail = error.status_code or 0, str(error)
    if status == 403:
        return AccessDeniedError(
            f"{what} may not be read by this identity; give it the role Key Vault Secrets User",
            detail=detail,
        )
    if status == 404:
        return NotFoundError(f"{what} does not exist", detail=detail)
    if status == 429:
        return ThrottledError(f"{what}: the vault asks for fewer requests", detail=detail)
    if status >= 500:
        return TransientError(f"{what}: the vault failed (status {status})", detail=detail)
    return ConfigError(f"{what}: the vault refuses the request (status {status})", detail=detail)
