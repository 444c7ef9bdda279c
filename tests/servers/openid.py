"""An OpenID Connect issuer over HTTPS: its discovery document, its keys, and tokens that it signs."""

from __future__ import annotations

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

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from .azurite import certificates

AUDIENCE = "api://crossdock"


@dataclass
class OpenId:
    """``keys`` are those that it publishes, by their ids; ``asked``: how often. ``down``: 503 to all."""

    url: str
    ca: Path
    keys: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    down: bool = False

    def token(self, kid: str, *, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """A token that holds, but for what ``claims`` say otherwise; None leaves one out."""
        now = int(time.time())
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 300} | claims
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(kept, key or self.keys[kid], algorithm, {"kid": kid})

    def published(self) -> list[dict[str, Any]]:
        return [_public(key) | {"kid": kid, "use": "sig"} for kid, key in self.keys.items()]


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _public(key: Any) -> dict[str, Any]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "alg": "ES256"}
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "alg": "RS256"}


class _Handler(BaseHTTPRequestHandler):
    issuer: OpenId

    def do_GET(self) -> None:
        self.issuer.asked += self.path == "/keys"
        document = {"issuer": self.issuer.url, "jwks_uri": f"{self.issuer.url}/keys"}
        found = {"/.well-known/openid-configuration": document, "/keys": {"keys": self.issuer.published()}}
        status = 503 if self.issuer.down else 200 if self.path in found else 404
        body = json.dumps(found.get(self.path, {})).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests look at what was asked, not at a log."""


@contextmanager
def openid(folder: Path) -> Iterator[OpenId]:
    """On a free loopback port; stopped at the end."""
    certificate, key, ca = certificates(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer = OpenId(f"https://127.0.0.1:{server.server_port}", ca)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"issuer": issuer})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
