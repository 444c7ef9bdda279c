"""A Key Vault: its REST API over HTTPS, as the Azure SDK asks it, the challenge for a token included.

Names of vaults end in ``vault.test``; whoever uses them has them lead to loopback.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

from .entra import TENANT, Issuer

DOMAIN = "vault.test"


@dataclass
class Vault:
    """``secrets``: by name, the values by version, the newest last. ``denied`` may not be read.

    ``busy``: how many requests with a token get 503. ``asked`` holds the path of each request and whether it
    had a token. ``resource``: for what the challenge says that a token is needed.
    """

    url: str
    ca: Path
    issuer: Issuer
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    busy: int = 0
    asked: list[tuple[str, bool]] = field(default_factory=list)
    resource: str = ""


class _Handler(BaseHTTPRequestHandler):
    vault: Vault
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        vault, parts = self.vault, urlsplit(self.path)
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        vault.asked.append((parts.path, bool(shown)))
        if shown not in vault.issuer.issued:
            self._challenge()
        elif vault.busy:
            vault.busy -= 1
            self._say(503, {"error": {"code": "ServiceUnavailable", "message": "try again"}})
        elif "api-version" not in parse_qs(parts.query):
            self._say(400, {"error": {"code": "BadParameter", "message": "api-version must be specified"}})
        else:
            self._secret(*[*parts.path.strip("/").split("/"), "", ""][:3])

    def _secret(self, kind: str, name: str, version: str) -> None:
        versions = self.vault.secrets.get(name) if kind == "secrets" else None
        version = version or (list(versions)[-1] if versions else "")
        if name in self.vault.denied:
            self._say(403, {"error": {"code": "Forbidden", "message": "the caller has no permission"}})
        elif versions is None or version not in versions:
            message = f"A secret with (name/id) {name} was not found in this key vault."
            self._say(404, {"error": {"code": "SecretNotFound", "message": message}})
        else:
            identifier = f"{self.vault.url}/secrets/{name}/{version}"
            attributes = {"enabled": True, "created": 1700000000, "updated": 1700000000}
            self._say(200, {"value": versions[version], "id": identifier, "attributes": attributes})

    def _challenge(self) -> None:
        where = (
            f'Bearer authorization="{self.vault.issuer.authority}/{TENANT}", resource="{self.vault.resource}"'
        )
        self._say(401, {"error": {"code": "Unauthorized", "message": "AKV10000"}}, where)

    def _say(self, status: int, answer: dict[str, Any], challenge: str = "") -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged."""


@contextmanager
def key_vault(folder: Path, issuer: Issuer) -> Iterator[Vault]:
    """Serve a vault on loopback; ``ca`` trusts the issuer of tokens as well."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(f"*.{DOMAIN}").configure_cert(tls)
    ca = folder / "vault-ca.pem"
    ca.write_bytes(authority.cert_pem.bytes() + issuer.ca.read_bytes())
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    found = Vault(f"https://contoso.{DOMAIN}:{port}", ca, issuer, resource=f"https://{DOMAIN}:{port}")
    handler.vault = found  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
