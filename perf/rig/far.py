"""A server as from far away: all that goes to and fro on a TCP connection comes later, and no slower."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue

_TESTS = Path(__file__).parents[2] / "tests"
_MOST = 4096


@contextmanager
def far(port: int, milliseconds: float) -> Iterator[int]:
    """A port behind which another one is; a round trip takes so much longer."""
    sys.path.insert(0, str(_TESTS))
    from servers.forwarding import listening

    with listening(lambda client: _serve(client, port, milliseconds / 2000)) as found:
        yield found


def _serve(client: socket.socket, port: int, later: float) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [(client, server), (server, client)]
        threads = [threading.Thread(target=_carry, args=(*way, later), daemon=True) for way in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _carry(source: socket.socket, target: socket.socket, later: float) -> None:
    waiting: Queue[tuple[float, bytes]] = Queue(_MOST)

    def deliver() -> None:
        with suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    data = b"first"
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        waiting.put((time.monotonic() + later, data))
    thread.join()
