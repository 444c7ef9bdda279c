"""An HTTPS endpoint on loopback that answers by a script and keeps what it received.

Its certificate is for ``*.web.test`` and loopback; whoever uses such a name has it lead here.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

DOMAIN = "web.test"


@dataclass(frozen=True)
class Received:
    """``client``: the name in the certificate that the caller showed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """``wait``: seconds before the answer."""

    status: int = 200
    body: bytes | str | dict[str, Any] | list[Any] = ""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Endpoint:
    """``answers`` by path: one, or what makes one of a request. ``received`` is in order."""

    port: int
    ca: Path
    authority: trustme.CA
    answers: dict[str, Answer | Callable[[Received], Answer]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def named(self, name: str) -> str:
        return f"https://{name}.{DOMAIN}:{self.port}"

    def pfx(self, password: str) -> str:
        """A client's certificate that this server takes, as Data Factory has it."""
        pem = self.authority.issue_cert(
            "client.example", common_name="client"
        ).private_key_and_cert_chain_pem.bytes()
        key = serialization.load_pem_private_key(pem, None)
        certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :])
        lock = serialization.BestAvailableEncryption(password.encode())
        made = pkcs12.serialize_key_and_certificates(b"c", key, certificate, None, lock)  # type: ignore[arg-type]
        return base64.b64encode(made).decode()


class _Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        shown: Any = self.connection.getpeercert() or {}  # type: ignore[attr-defined]
        names = {key: value for pairs in shown.get("subject", ()) for key, value in pairs}
        got = Received(self.command, self.path, dict(self.headers), body, names.get("commonName", ""))
        self.endpoint.received.append(got)
        found = self.endpoint.answers.get(self.path.partition("?")[0], Answer(404, "no such page"))
        answer = found if isinstance(found, Answer) else found(got)
        time.sleep(answer.wait)
        data = answer.data()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away is no news."""


@contextmanager
def web_endpoint(folder: Path) -> Iterator[Endpoint]:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", f"*.{DOMAIN}").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_OPTIONAL
    ca = folder / "web-ca.pem"
    authority.cert_pem.write_to_path(ca)
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found = Endpoint(server.server_address[1], ca, authority)
    handler.endpoint = found  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
