"""A proxy that cuts its first connections in the midst of what the server sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from .forwarding import listening


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
    found = Cutting(0, after, times)
    with listening(lambda client: _serve(client, found, port)) as found.port:
        yield found


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
