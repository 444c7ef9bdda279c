"""An HTTP proxy that takes every host for one server on loopback: real addresses reach a test server."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .forwarding import listening


@dataclass
class Tunnel:
    """``hosts``: what clients asked to be connected to."""

    port: int
    hosts: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def tunnel(port: int) -> Iterator[Tunnel]:
    """Connect whoever asks to ``port``."""
    found = Tunnel(0)
    with listening(lambda client: _serve(client, found, port)) as found.port:
        yield found


def _serve(client: socket.socket, found: Tunnel, port: int) -> None:
    with suppress(OSError), client:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = client.recv(1)
            if not data:
                return
            head += data
        found.hosts.append(head.split(b" ")[1].decode())
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _carry(client, server)


def _carry(client: socket.socket, server: socket.socket) -> None:
    other = {client: server, server: client}
    while True:
        readable, _, _ = select.select(list(other), [], [], 60)
        for sock in readable:
            data = sock.recv(65536)
            if not data:
                return
            other[sock].sendall(data)
        if not readable:
            return
