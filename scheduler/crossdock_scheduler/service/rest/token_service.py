"""The token service that Microsoft's clients sign in with: as ADFS, Entra ID and identities answer.

A client's id is a token's id, its secret the token itself. Errors are those of OAuth 2.0 (RFC 6749, 5.2).
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote_plus

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse

from ... import clock
from ..auth.issuing import Signed
from ..context import Service
from ..errors import ApiError
from .bodies import raw_body

TENANT = "/{tenant}"
_MOST_BYTES = 1 << 16

router = APIRouter(tags=["Sign-in"])
Raw = Annotated[bytes, Depends(raw_body)]


@router.get(TENANT + "/.well-known/openid-configuration")
@router.get(TENANT + "/v2.0/.well-known/openid-configuration")
def configuration(tenant: str, request: Request) -> dict[str, Any]:
    version = "/v2.0" if "/v2.0/" in request.url.path else ""
    base = f"{str(request.base_url).rstrip('/')}/{tenant}"
    oauth = f"{base}/oauth2{version}"
    return {
        "issuer": base + version, "authorization_endpoint": f"{oauth}/authorize",
        "token_endpoint": f"{oauth}/token", "device_authorization_endpoint": f"{oauth}/devicecode",
        "jwks_uri": f"{base}/discovery/keys", "response_types_supported": ["token"],
        "grant_types_supported": ["client_credentials"], "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }  # fmt: skip


@router.get(TENANT + "/discovery/keys")
def keys(request: Request) -> dict[str, Any]:
    service: Service = request.app.state.service
    return {"keys": [service.access.signer.jwk]}


@router.post(TENANT + "/oauth2/token")
@router.post(TENANT + "/oauth2/v2.0/token")
def token(tenant: str, raw: Raw, request: Request) -> JSONResponse:
    """The grant ``client_credentials``."""
    given = _form(raw)
    if given.get("grant_type") != "client_credentials":
        return _error(400, "unsupported_grant_type", "grant_type must be client_credentials")
    client_id, secret = _basic(request) or (given.get("client_id", ""), given.get("client_secret", ""))
    if not client_id or not secret:
        return _error(400, "invalid_request", "client_id and client_secret are needed")
    resource = given.get("resource") or given.get("scope", "").removesuffix("/.default")
    try:
        signed = _sign_in(request, tenant, client_id, secret, resource)
    except ApiError as error:
        if error.status == 401:
            # The first word is what Microsoft's clients look for.
            return _error(401, "invalid_client", f"AADSTS7000215: {error.message}")
        return _error(error.status, "temporarily_unavailable", error.message, error.headers)
    return _issued(signed)


@router.get("/msi/token")
def identity(
    request: Request,
    resource: Annotated[str, Query(max_length=1000)] = "",
    client_id: Annotated[str, Query(max_length=100)] = "",
    secret: Annotated[str, Header(alias="x-identity-header")] = "",
) -> JSONResponse:
    """What a managed identity asks: IDENTITY_ENDPOINT is this, IDENTITY_HEADER a token of ours."""
    signed = _sign_in(request, "msi", client_id, secret, resource)
    return _issued(signed, resource=resource, client_id=client_id)


@router.get("/metadata/endpoints")
def endpoints(request: Request) -> Any:
    """Where everything is, for ``az cloud register`` and ``Add-AzEnvironment``; known without a token."""
    here = str(request.base_url).rstrip("/")
    login = {
        "loginEndpoint": f"{here}/adfs",
        "audiences": [here],
        "tenant": "adfs",
        "identityProvider": "ADFS",
    }
    found = {
        "name": "crossdock", "authentication": login, "resourceManager": here, "gallery": here, "graph": here,
        "graphAudience": here, "portal": here, "suffixes": {},
    }  # fmt: skip
    if request.query_params.get("api-version", "") < "2019":
        return {
            "galleryEndpoint": here, "graphEndpoint": here, "portalEndpoint": here,
            "authentication": {"loginEndpoint": f"{here}/adfs", "audiences": [here]},
        }  # fmt: skip
    return [found]


def _sign_in(request: Request, tenant: str, client_id: str, secret: str, resource: str) -> Signed:
    service: Service = request.app.state.service
    access = service.access
    with service.database.read() as connection:
        found = access.attempt(request, lambda: access.client(connection, client_id, secret))
    return access.signer.sign(found, tenant, resource)


def _issued(signed: Signed, **more: str) -> JSONResponse:
    left = max(0, signed.expires - int(clock.now()))
    said: dict[str, Any] = {
        "token_type": "Bearer", "access_token": signed.text, "expires_in": left, "ext_expires_in": left,
        "expires_on": str(signed.expires),
    }  # fmt: skip
    return JSONResponse({**said, **more})


def _error(status: int, code: str, said: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": said}, status, headers)


def _form(raw: bytes) -> dict[str, str]:
    try:
        found = parse_qs(raw[:_MOST_BYTES].decode(), max_num_fields=50, keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
