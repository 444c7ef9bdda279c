"""A wire to a server that can be cut: what is sent then arrives nowhere, and nobody is told."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .forwarding import listening


@dataclass
class Wire:
    port: int = 0
    whole: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        self.whole.clear()

    def mend(self) -> None:
        self.whole.set()


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Connects whoever asks to ``port``, at first."""
    found, ended = Wire(), threading.Event()
    found.mend()

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", port)) as server:
            other = {client: server, server: client}
            while not ended.is_set():
                ready = select.select(list(other), [], [], 0.1)[0]
                if not found.whole.is_set():
                    # As a router that is gone: connections stay open, and nothing comes of them.
                    while not found.whole.wait(0.1) and not ended.is_set():
                        pass
                    return
                for each in ready:
                    if not (chunk := each.recv(65536)):
                        return
                    other[each].sendall(chunk)

    with listening(serve) as found.port:
        try:
            yield found
        finally:
            ended.set()
