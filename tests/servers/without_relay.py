"""A way to the service that lets all pass but WebSockets, as proxies and firewalls do."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from .forwarding import listening

_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def without_relay(url: str, tls: Path) -> Iterator[str]:
    """The address of it; ``tls`` is the folder with the service's own certificate."""
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(tls / "server.pem", tls / "server-key.pem")
    theirs = ssl.create_default_context(cafile=tls / "ca.pem")
    for each in (ours, theirs):
        # Later versions have messages of their own, for which it would be waited in vain.
        each.maximum_version = ssl.TLSVersion.TLSv1_2
    port = urlsplit(url).port or 443

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client, ours.wrap_socket(client, server_side=True) as near:
            first = near.recv(65536)
            if b"upgrade: websocket" in first.lower():
                near.sendall(_REFUSED)
                return
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                theirs.wrap_socket(plain, server_hostname="localhost") as far,
            ):
                far.sendall(first)
                _carry(near, far)

    with listening(serve) as found:
        yield f"https://localhost:{found}"


def _carry(near: ssl.SSLSocket, far: ssl.SSLSocket) -> None:
    """In one thread: a connection of TLS is not read and written at once."""
    while True:
        ready = [each for each in (near, far) if each.pending()] or select.select([near, far], [], [], 60)[0]
        for each in ready:
            if not (chunk := each.recv(65536)):
                return
            (far if each is near else near).sendall(chunk)
        if not ready:
            return
