"""Who issues tokens: the endpoints of Entra ID and of managed identities, as the Azure SDK asks them.

Tokens are such that Azurite takes (``--oauth basic``): it looks at times, issuer and audience. The tenant is
``adfs``, the one for which the SDK does not ask Microsoft first whether the authority is a known one.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509

from .azurite import certificates

SECRET = "the-secret-of-the-application"  # noqa: S105
TENANT = "adfs"


@dataclass
class Issuer:
    """``seconds``: how long tokens last. ``busy``: how many requests get 503, or with ``deaf`` no answer.

    ``certificate``: of the application, with which it may sign in place of a secret.

    ``asked`` holds the parameters of each request for a token.
    """

    authority: str
    identity: str
    ca: Path
    seconds: int = 3600
    busy: int = 0
    deaf: bool = False
    secret: str = SECRET
    certificate: x509.Certificate | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    issued: set[str] = field(default_factory=set)

    @property
    def principal(self) -> dict[str, str]:
        """The environment of a service principal."""
        return {
            "AZURE_AUTHORITY_HOST": self.authority, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": "app",
            "AZURE_CLIENT_SECRET": SECRET, "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        }  # fmt: skip

    @property
    def managed(self) -> dict[str, str]:
        """The environment of a managed identity."""
        return {
            "IDENTITY_ENDPOINT": self.identity, "IDENTITY_HEADER": SECRET,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }  # fmt: skip

    def workload(self, file: Path) -> dict[str, str]:
        """The environment of a workload identity, whose own token is in ``file``."""
        file.write_text(SECRET)
        return {
            "AZURE_AUTHORITY_HOST": self.authority, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": "app",
            "AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential",
        }  # fmt: skip

    def proves(self, shown: str | None) -> bool:
        """Whether a secret, or an assertion that is signed, is the application's."""
        if shown == self.secret:
            return True
        if self.certificate is None or shown is None:
            return False
        try:
            jwt.decode(
                shown,
                self.certificate.public_key(),
                algorithms=["PS256", "RS256"],
                options={"verify_aud": False},
            )
        except jwt.InvalidTokenError:
            return False
        return True

    def token(self) -> tuple[str, int]:
        """A token and when it ends."""
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "nbf": now - 60, "iat": now - 60, "exp": now + self.seconds,
        }  # fmt: skip
        parts = [{"alg": "none", "typ": "JWT"}, claims]
        text = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        return f"{text}.c2ln", now + self.seconds


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/.well-known/openid-configuration"):
            base = f"{self.issuer.authority}/{TENANT}"
            endpoints = {f"{kind}_endpoint": f"{base}/oauth2/{kind}" for kind in ("authorization", "token")}
            self._say(200, endpoints | {"issuer": base})
        elif parts.path == "/identity":
            right = self.headers.get("X-IDENTITY-HEADER") == self.issuer.secret
            self._issue(given, right, {"resource": given.get("resource", "")})
        else:
            self._say(404, {})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        given = {name: values[0] for name, values in parse_qs(text).items()}
        shown = given.get("client_secret") or given.get("client_assertion")
        self._issue(given, self.issuer.proves(shown), {})

    def _issue(self, given: dict[str, str], right: bool, more: dict[str, str]) -> None:
        self.issuer.asked.append(given)
        if self.issuer.busy:
            self.issuer.busy -= 1
            if self.issuer.deaf:
                self.close_connection = True
                return
            self._say(503, {"error": "temporarily_unavailable"})
        elif not right:
            self._say(401, {"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret"})
        else:
            token, end = self.issuer.token()
            self.issuer.issued.add(token)
            times: dict[str, Any] = {"expires_in": self.issuer.seconds, "expires_on": str(end)}
            self._say(200, {"access_token": token, "token_type": "Bearer"} | times | more)

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged."""


@contextmanager
def issuer(folder: Path) -> Iterator[Issuer]:
    """Serve both endpoints on loopback: the authority over HTTPS, the managed identity over HTTP."""
    certificate, key, ca = certificates(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    handler = type("Handler", (_Handler,), {})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    servers[0].socket = tls.wrap_socket(servers[0].socket, server_side=True)
    ports = [server.server_address[1] for server in servers]
    found = Issuer(f"https://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}/identity", ca)
    handler.issuer = found  # type: ignore[attr-defined]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(10)
