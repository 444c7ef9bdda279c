"""A proxy that cuts its first connections in the midst of what the server sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Cutting:
    """``left``: connections that will be cut, after so many bytes of the server; ``cut``: those that were."""

    port: int
    after: int
    left: int
    cut: int = 0


@contextmanager
def cutting(port: int, after: int, times: int = 1) -> Iterator[Cutting]:
    """Connect whoever asks to ``port``. Only a connection that carries more than ``after`` bytes is cut."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Cutting(listener.getsockname()[1], after, times)
        thread = threading.Thread(target=_accept, args=(listener, found, port), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _accept(listener: socket.socket, found: Cutting, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, found, port), daemon=True).start()


def _serve(client: socket.socket, found: Cutting, port: int) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        up = threading.Thread(target=_carry, args=(client, server, None), daemon=True)
        up.start()
        _carry(server, client, found)
        up.join(20)


def _carry(source: socket.socket, target: socket.socket, found: Cutting | None) -> None:
    carried = 0
    with suppress(OSError):
        while data := source.recv(4096):
            carried += len(data)
            if found is not None and found.left and carried > found.after:
                found.left -= 1
                found.cut += 1
                break
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
