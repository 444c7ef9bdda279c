"""ADLS Gen2 for tests: the dfs endpoint and what its blob endpoint adds, on the same data, over HTTPS.

A request goes to the endpoint that its host names (``ACCOUNT.dfs.*``, ``ACCOUNT.blob.*``). On loopback,
where the account is the first part of the path as with Azurite, its shape says which is meant.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import trustme

from . import dfs_blob, dfs_paths
from .dfs_auth import authorize, without_sas
from .dfs_tree import Fault
from .dfs_wire import ACCOUNT, KEY, Account, Reply, Request


def answer(account: Account, request: Request) -> Reply:
    authorize(request, ACCOUNT, KEY)
    query = without_sas(request.query)
    if request.blob:
        return dfs_blob.answer(account, request, query)
    return dfs_paths.answer(account, request, query)


def is_blob(method: str, host: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    if ".blob." in host or ".dfs." in host:
        return ".blob." in host
    if "comp" in query or "restype" in query or "x-ms-range" in headers:
        return True
    if method == "PUT" and path:
        return "x-ms-blob-type" in headers or "x-ms-copy-source" in headers
    return method == "DELETE" and bool(path) and "recursive" not in query


def refusal(request: Request | None, fault: Fault) -> Reply:
    """An error as the endpoint sends it: XML at the blob endpoint, JSON at the other."""
    code, text = (
        fault.code,
        f"{fault.message}\nRequestId:{secrets.token_hex(8)}\nTime:{formatdate(usegmt=True)}",
    )
    headers = {"x-ms-error-code": code}
    if fault.status == 401:
        headers["WWW-Authenticate"] = (
            "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize "
            "resource_id=https://storage.azure.com"
        )
    if request is not None and request.blob:
        detail = f"<AuthenticationErrorDetail>{escape(fault.detail)}</AuthenticationErrorDetail>"
        body = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
            f"<Message>{escape(text)}</Message>{detail * bool(fault.detail)}</Error>"
        ).encode()
        headers["Content-Type"] = "application/xml"
    else:
        error = {"code": code, "message": text} | ({"detail": fault.detail} if fault.detail else {})
        body = json.dumps({"error": error}).encode()
        headers["Content-Type"] = "application/json;charset=utf-8"
    return Reply(fault.status, headers, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def setup(self) -> None:
        self.request.settimeout(60)
        self.request.do_handshake()
        super().setup()

    def log_message(self, *_: Any) -> None:
        """Tests read ``Account.requests`` instead."""

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        host = headers.get("host", "")
        path = parts.path
        if ".dfs." not in host and ".blob." not in host:
            _, account, path = (path + "/").split("/", 2)
            path = "/" + path.removesuffix("/") if account == ACCOUNT else "/"
        system, _, rest = path.lstrip("/").partition("/")
        query = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        rest = unquote(rest).rstrip("/")
        blob = is_blob(self.command, host, rest, query, headers)
        return Request(self.command, parts.path, unquote(system), rest, query, headers, body, blob)

    def _serve(self) -> None:
        request = None
        try:
            request = self._request()
            reply = answer(self.server.account, request)
        except Fault as fault:
            reply = refusal(request, fault)
        if request is not None:
            self.server.account.requests.append((request.operation, request.path, reply.status))
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("x-ms-request-id", secrets.token_hex(8))
        self.send_header("x-ms-version", self.headers.get("x-ms-version", "2021-12-02"))
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_PUT = do_PATCH = do_POST = do_DELETE = _serve


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    account: Account
    tls: ssl.SSLContext

    def get_request(self) -> tuple[Any, Any]:
        sock, address = super().get_request()
        # The handshake happens in the connection's own thread.
        return self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


@dataclass(frozen=True)
class Lake:
    """A running server. ``ca``: the file of the CA that signed its certificate."""

    port: int
    ca: Path
    account: Account

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"


@contextmanager
def lake(folder: Path) -> Iterator[Lake]:
    """Run the server; its CA's certificate goes below ``folder``. Stopped at the end."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1", "localhost", "*.dfs.core.windows.net", "*.blob.core.windows.net")
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(server.tls)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    server.account = Account(trust)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Lake(server.server_address[1], ca, server.account)
    finally:
        server.shutdown()
        server.server_close()
        with suppress(RuntimeError):
            thread.join(10)
