"""An HTTP proxy that takes every host for one server on loopback: real addresses reach a test server."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Tunnel(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, found, port), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _accept(listener: socket.socket, found: Tunnel, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, found, port), daemon=True).start()


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
