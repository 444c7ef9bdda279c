"""Who may do what at the test server of ADLS Gen2: Shared Key, SAS and bearer tokens, really checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from .dfs_tree import Fault
from .dfs_wire import Request

MOST_SKEW = 900
_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
_SAS = {"sv", "se", "st", "sp", "sr", "sig", "ss", "srt", "sip", "spr", "si", "sdd", "ses"}
_OF_READING = {"rscc", "rscd", "rsce", "rscl", "rsct"}


def authorize(request: Request, account: str, key: str) -> None:
    """Raises the fault that the service would answer with."""
    given = request.headers.get("authorization", "")
    if given.startswith("SharedKey "):
        _shared_key(request, account, key, given)
    elif given.startswith("Bearer "):
        _bearer(given.removeprefix("Bearer "))
    elif "sig" in request.query:
        _sas(request, account, key)
    else:
        raise Fault("NoAuthenticationInformation")


def signature(key: str, text: str) -> str:
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _shared_key(request: Request, account: str, key: str, given: str) -> None:
    text = _string_to_sign(request, account)
    if not hmac.compare_digest(given, f"SharedKey {account}:{signature(key, text)}"):
        shown = repr(text)
        raise Fault(
            "AuthenticationFailed",
            f"The MAC signature found in the HTTP request is not the same as any computed signature. "
            f"Server used following string to sign: {shown}.",
        )
    sent = parsedate_to_datetime(request.headers.get("x-ms-date") or request.headers["date"])
    if abs(sent.timestamp() - time.time()) > MOST_SKEW:
        raise Fault("AuthenticationFailed", "Request date header too old")


def _string_to_sign(request: Request, account: str) -> str:
    values = [request.headers.get(name, "") for name in _SIGNED]
    if values[2] == "0":
        values[2] = ""
    if "x-ms-date" in request.headers:
        values[5] = ""
    own = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-ms-"))
    named = "".join(f"{name}:{value}\n" for name, value in own)
    resource = f"/{account}{request.raw_path}"
    query = "".join(f"\n{name}:{request.query[name]}" for name in sorted(request.query))
    return "\n".join([request.method, *values, named + resource + query])


def _bearer(token: str) -> None:
    """Its times and audience; the test server knows no issuer's keys."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        raise Fault("AuthenticationFailed", "Issuer validation failed", status=401) from None
    if claims.get("aud") != "https://storage.azure.com" or not claims["nbf"] <= time.time() < claims["exp"]:
        raise Fault("AuthenticationFailed", "Lifetime validation failed. The token is expired.", status=401)


def _sas(request: Request, account: str, key: str) -> None:
    query = request.query
    text = _account_sas(query, account) if "ss" in query else _service_sas(request, account)
    if not hmac.compare_digest(query["sig"], signature(key, text)):
        raise Fault("AuthenticationFailed", f"Signature did not match. String to sign used was {text}")
    now = datetime.now(UTC)
    start, end = _moment(query.get("st")), _moment(query.get("se"))
    if (start and now < start) or (end and now >= end):
        raise Fault(
            "AuthenticationFailed",
            f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{end}] - "
            f"Current [{now}]",
        )
    resource, letters = needs(request)
    if "srt" in query and resource not in query["srt"]:
        raise Fault("AuthorizationResourceTypeMismatch")
    if not set(letters) & set(query["sp"]):
        raise Fault("AuthorizationPermissionMismatch")


def _account_sas(query: Mapping[str, str], account: str) -> str:
    names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    return "\n".join([account, *[query.get(name, "") for name in names], ""])


def _service_sas(request: Request, account: str) -> str:
    query, path = request.query, request.path
    if query.get("sr") == "c":
        path = ""
    elif query.get("sr") == "d":
        path = "/".join(path.split("/")[: int(query["sdd"])])
    resource = f"/blob/{account}/{request.filesystem}" + (f"/{path}" if path else "")
    names = ("sp", "st", "se")
    rest = ("si", "sip", "spr", "sv", "sr", "snapshot", "ses", "rscc", "rscd", "rsce", "rscl", "rsct")
    values = [*[query.get(n, "") for n in names], resource, *[query.get(n, "") for n in rest]]
    return "\n".join(values)


def needs(request: Request) -> tuple[str, str]:
    """The resource type of an operation and the letters any of which permit it."""
    resource = "o" if request.path else "c" if request.filesystem else "s"
    if not request.path:
        listing = request.method == "GET" and ("comp" in request.query or request.query.get("resource"))
        return (
            "c" if request.filesystem else "s"
        ), "l" if listing else "rlwc" if request.method == "HEAD" else "wcd"
    if "x-ms-rename-source" in request.headers:
        return resource, "mw"
    if request.query.get("action") in ("setAccessControl", "setAccessControlRecursive"):
        return resource, "pw"
    letters = {"GET": "r", "HEAD": "r", "DELETE": "d", "PUT": "wca", "PATCH": "wca", "POST": "w"}
    return resource, letters[request.method]


def without_sas(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name not in _SAS | _OF_READING}


def source_of(text: str) -> str:
    """The path that ``x-ms-rename-source`` names, without a SAS."""
    return unquote(text.partition("?")[0])


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
